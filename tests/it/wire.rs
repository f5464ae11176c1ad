//! Raw bytes on a socket: what only shows there. Everything runs on every engine.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::exchange::Answer;
use crate::server::{ENGINES, TestServer};
use crate::sites;

fn on_every_engine(case: impl Fn(&TestServer)) {
    for engine in ENGINES.iter().copied() {
        case(&TestServer::shared(engine, sites::files));
    }
}

/// Sends `raw`, and reads until the server closes.
fn sent(server: &TestServer, raw: &[u8]) -> Vec<u8> {
    let mut stream = server.connect();
    stream.write_all(raw).unwrap();
    read_all(&mut stream)
}

fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Reads one answer from a connection that stays open.
fn read_one(stream: &mut TcpStream, method: &str) -> Answer {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    if method != "HEAD" {
        let mut content = vec![0; length];
        stream.read_exact(&mut content).unwrap();
        bytes.extend_from_slice(&content);
    }
    Answer::parse(&bytes, method)
}

/// On a listener for both families, a client that came by IPv4 has an address of IPv6.
#[test]
fn the_log_knows_clients_by_their_own_addresses() {
    #[derive(Clone, Default)]
    struct Lines(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for engine in ENGINES.iter().copied() {
        let lines = Lines::default();
        let log = chapbook::log::AccessLog::to(Box::new(lines.clone())).unwrap();
        let origin = chapbook::origin::Origin::new(sites::files());
        let context = chapbook::server::Context::new(origin, log);
        let server = TestServer::on(engine, context, "[::ffff:127.0.0.1]:0", 1);
        let raw = b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], server.address.port()));
        let mut stream = crate::server::connect(address);
        stream.write_all(raw).unwrap();
        read_all(&mut stream);
        let deadline = std::time::Instant::now() + crate::server::PATIENCE;
        let mut line = String::new();
        while line.is_empty() && std::time::Instant::now() < deadline {
            server.context.access_log.flush();
            line = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        }
        assert!(
            line.contains("Z 127.0.0.1 GET /eleven.txt 200 11 "),
            "{line}"
        );
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    on_every_engine(|server| {
        let raw = b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\n\r\n\
                    HEAD /8000.txt HTTP/1.1\r\nHost: a\r\n\r\n\
                    GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n\
                    GET /empty.txt HTTP/1.1\r\nHost: a\r\n\r\n\
                    GET /na%20me/%C3%BC.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let bytes = sent(server, raw);
        let mut rest = &*bytes;
        for (method, status, content) in [
            ("GET", 200, Some("0123456789a")),
            ("HEAD", 200, Some("")),
            ("GET", 404, None),
            ("GET", 200, Some("")),
            ("GET", 200, Some("u")),
        ] {
            let answer;
            (answer, rest) = Answer::take(rest, method);
            assert_eq!(answer.status, status);
            assert!(
                content.is_none_or(|content| content == answer.text()),
                "{answer}"
            );
        }
        assert!(rest.is_empty());
    });
}

/// Threads that take up the requests of one client in another order would wait for each other.
#[test]
fn pipelines_never_get_stuck() {
    on_every_engine(|server| {
        for _ in 0..200 {
            let one = "GET /eleven.txt HTTP/1.1\r\nHost: a\r\n";
            let raw = format!("{one}\r\n{one}\r\n{one}\r\n{one}Connection: close\r\n\r\n");
            let bytes = sent(server, raw.as_bytes());
            let text = String::from_utf8_lossy(&bytes);
            assert_eq!(text.matches("0123456789a").count(), 4, "{text}");
        }
    });
}

#[test]
fn a_connection_serves_many_requests() {
    on_every_engine(|server| {
        let mut stream = server.connect();
        for _ in 0..50 {
            stream
                .write_all(b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\n\r\n")
                .unwrap();
            let answer = read_one(&mut stream, "GET");
            assert_eq!(answer.text(), "0123456789a");
            assert_eq!(answer.field("Connection"), None);
        }
    });
}

#[test]
fn http_1_0_closes_unless_asked_not_to() {
    on_every_engine(|server| {
        let bytes = sent(server, b"GET /eleven.txt HTTP/1.0\r\n\r\n");
        assert_eq!(
            Answer::parse(&bytes, "GET").field("Connection"),
            Some("close")
        );
        let mut stream = server.connect();
        for _ in 0..2 {
            let raw = b"GET /eleven.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
            stream.write_all(raw).unwrap();
            assert_eq!(
                read_one(&mut stream, "GET").field("Connection"),
                Some("keep-alive")
            );
        }
    });
}

#[test]
fn a_request_may_come_byte_by_byte() {
    on_every_engine(|server| {
        let mut stream = server.connect();
        for byte in b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" {
            stream.write_all(&[*byte]).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(
            Answer::parse(&read_all(&mut stream), "GET").text(),
            "0123456789a"
        );
    });
}

#[test]
fn a_large_answer_comes_whole() {
    on_every_engine(|server| {
        let raw = b"GET /large.png HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let answer = Answer::parse(&sent(server, raw), "GET");
        assert_eq!(answer.content.len(), sites::LARGE_BYTES);
        assert!(answer.content == sites::large(), "a byte differs");
        let raw = b"GET /large.png HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                    Range: bytes=1048570-1048585,9000000-9999999\r\n\r\n";
        let parts = Answer::parse(&sent(server, raw), "GET");
        let large = sites::large();
        let has = |part: &[u8]| {
            parts
                .content
                .windows(part.len())
                .any(|window| window == part)
        };
        assert!(has(&large[1_048_570..=1_048_585]) && has(&large[9_999_000..=9_999_999]));
    });
}

#[test]
fn malformed_requests_get_400_and_the_end() {
    on_every_engine(|server| {
        for raw in [
            &b"GET /\r\nHost: a\r\n\r\n"[..],
            b"GET\r\n\r\n",
            b"\x16\x03\x01\x02\x00\r\n\r\n",
            b"GET / HTTP/1.1x\r\nHost: a\r\n\r\n",
            b"GET / http/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        ] {
            let answer = Answer::parse_leniently(&sent(server, raw));
            assert_eq!(answer, Some(400), "{:?}", String::from_utf8_lossy(raw));
        }
    });
}

#[test]
fn the_answer_to_a_request_that_ends_the_connection_says_so() {
    on_every_engine(|server| {
        for raw in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
            b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        ] {
            let mut stream = server.connect();
            stream.write_all(raw).unwrap();
            let answer = read_one(&mut stream, "GET");
            assert_eq!(answer.field("Connection"), Some("close"), "{answer}");
        }
    });
}

#[test]
fn the_content_of_a_request_is_never_taken_for_a_request() {
    on_every_engine(|server| {
        let inner = "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n";
        let framed = [
            format!("Content-Length: {}\r\n\r\n{inner}", inner.len()),
            format!(
                "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{inner}\r\n0\r\n\r\n",
                inner.len()
            ),
        ];
        for content in framed {
            for method in ["GET", "POST"] {
                let raw = format!(
                    "{method} /eleven.txt HTTP/1.1\r\nHost: a\r\n{content}\
                     GET /eleven.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
                );
                let bytes = sent(server, raw.as_bytes());
                let (first, rest) = Answer::take(&bytes, method);
                let second = Answer::parse(rest, "GET");
                assert_eq!(first.status, if method == "GET" { 200 } else { 405 });
                assert_eq!(second.text(), "0123456789a");
            }
        }
    });
}

#[test]
fn a_client_that_waits_for_100_continue_is_answered() {
    on_every_engine(|server| {
        let mut stream = server.connect();
        let raw = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
                    Expect: 100-continue\r\nConnection: close\r\n\r\n";
        stream.write_all(raw).unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).unwrap();
        // Either it is asked for the content, or refused at once: RFC 9110 §10.1.1.
        let text = String::from_utf8_lossy(&start);
        assert!(text == "HTTP/1.1 100" || text == "HTTP/1.1 405", "{text}");
        if text == "HTTP/1.1 100" {
            stream.write_all(b"hello").unwrap();
            let rest = String::from_utf8(read_all(&mut stream)).unwrap();
            assert!(rest.contains("HTTP/1.1 405 "), "{rest}");
        }
    });
}

#[test]
fn too_much_content_is_refused() {
    on_every_engine(|server| {
        let mut stream = server.connect();
        let head =
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\nConnection: close\r\n\r\n";
        stream.write_all(head).unwrap();
        // An engine may answer and close before all of it is sent.
        let _ = stream.write_all(&vec![b'x'; 200_000]);
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        assert_eq!(Answer::parse_leniently(&bytes), Some(413));
    });
}

#[test]
fn absurd_lengths_do_no_harm() {
    on_every_engine(|server| {
        for fields in [
            "Content-Length: +99999999999999",
            "Content-Length: +18446744073709551615",
            "Content-Length: 99999999999999\r\nContent-Length: 1",
            "Content-Length: 99999999999999",
            "Content-Length: 18446744073709551615",
            "Content-Length: 99999999999999999999999",
            "Transfer-Encoding: chunked\r\nContent-Length: 99999999999999",
        ] {
            let mut stream = server.connect();
            let raw = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
            stream.write_all(raw.as_bytes()).unwrap();
            let good = b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            assert_eq!(
                Answer::parse(&sent(server, good), "GET").text(),
                "0123456789a"
            );
        }
    });
}

#[test]
fn one_port_may_come_again_and_again() {
    on_every_engine(|server| {
        let good = b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        for _ in 0..2_000 {
            assert_eq!(
                Answer::parse(&sent(server, good), "GET").text(),
                "0123456789a"
            );
        }
    });
}

#[test]
fn what_follows_a_refusal_is_not_answered() {
    on_every_engine(|server| {
        let inner = "GET /eleven.txt HTTP/1.1\r\nHost: a\r\n\r\n";
        let raw = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
             Content-Length: {}\r\n\r\n0\r\n\r\n{inner}{inner}",
            inner.len()
        );
        let mut stream = server.connect();
        stream
            .set_read_timeout(Some(Duration::from_millis(300)))
            .unwrap();
        stream.write_all(raw.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let (first, rest) = Answer::take(&bytes, "POST");
        assert_eq!(first.status, 400);
        // tiny_http may refuse by itself what it takes for the next request.
        let rest = String::from_utf8_lossy(rest);
        assert!(!rest.contains("0123456789a"), "{rest}");
    });
}

#[test]
fn clients_that_leave_early_do_no_harm() {
    on_every_engine(|server| {
        for raw in [
            &b""[..],
            b"G",
            b"GET /eleven.txt HTTP/1.1\r\nHos",
            b"GET /large.png HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
        ] {
            for _ in 0..10 {
                let mut stream = server.connect();
                stream.write_all(raw).unwrap();
                drop(stream);
            }
        }
        let raw = b"GET /eleven.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        assert_eq!(
            Answer::parse(&sent(server, raw), "GET").text(),
            "0123456789a"
        );
    });
}

#[test]
fn many_clients_at_once_are_all_answered() {
    on_every_engine(|server| {
        let address = server.address;
        let clients: Vec<_> = (0..50)
            .map(|_| {
                std::thread::spawn(move || {
                    let mut stream = crate::server::connect(address);
                    for _ in 0..20 {
                        let raw = b"GET /8000.txt HTTP/1.1\r\nHost: a\r\n\r\n";
                        stream.write_all(raw).unwrap();
                        assert_eq!(read_one(&mut stream, "GET").content.len(), 8_000);
                    }
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
    });
}
