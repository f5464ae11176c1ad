//! A server on loopback that does what a test says, and writes down what it was asked.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Stops when it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    stops: Arc<AtomicBool>,
    accepts: Option<JoinHandle<()>>,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// `GET /path?query`.
    pub(super) line: String,
    /// Names in lower case.
    fields: Vec<(String, String)>,
}

/// An answer, right or wrong.
#[derive(Clone)]
pub(super) struct Reply {
    status: u16,
    fields: Vec<(String, String)>,
    content: Vec<u8>,
    manner: Manner,
}

/// How an answer is sent.
#[derive(Clone, Copy)]
enum Manner {
    Whole,
    Chunked,
    /// Without the chunk that says that there are no more.
    ChunkedCut,
    /// No more than this, and then the end.
    CutAfter(usize),
    /// No more than this, and then nothing.
    StallAfter(usize),
    /// The content, a byte every 20 ms.
    Drip,
    /// The content alone: no status line, no fields.
    Bare,
}

impl Server {
    pub(super) fn new(play: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut server = Server {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            stops: Arc::default(),
            accepts: None,
        };
        let (seen, stops, play) = (server.seen.clone(), server.stops.clone(), Arc::new(play));
        let accepts = thread::spawn(move || {
            for stream in listener.incoming() {
                if stops.load(Ordering::Relaxed) {
                    return;
                }
                let (mut stream, seen, play) = (stream.unwrap(), seen.clone(), play.clone());
                thread::spawn(move || {
                    if let Some(request) = request(&mut stream) {
                        seen.lock().unwrap().push(request.clone());
                        play(&request).send(&mut stream);
                    }
                });
            }
        });
        server.accepts = Some(accepts);
        server
    }

    /// Answers each request with the next of `replies`, and the last again and again.
    pub(super) fn in_turn(replies: Vec<Reply>) -> Server {
        let left = Mutex::new(replies);
        Server::new(move |_| {
            let mut left = left.lock().unwrap();
            if left.len() > 1 {
                left.remove(0)
            } else {
                left[0].clone()
            }
        })
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        // The accept that it waits in; after it nobody listens any more.
        let _ = TcpStream::connect(self.address);
        let _ = self.accepts.take().map(JoinHandle::join);
    }
}

impl Seen {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields
            .find(|(known, _)| known == name)
            .map(|(_, value)| &**value)
    }

    pub(super) fn path(&self) -> &str {
        self.line.split([' ', '?']).nth(1).unwrap_or_default()
    }
}

impl Reply {
    pub(super) fn ok(content: impl Into<Vec<u8>>) -> Reply {
        Reply::status(200, content)
    }

    pub(super) fn status(status: u16, content: impl Into<Vec<u8>>) -> Reply {
        let (fields, content, manner) = (Vec::new(), content.into(), Manner::Whole);
        Reply {
            status,
            fields,
            content,
            manner,
        }
    }

    pub(super) fn moved(status: u16, location: impl Into<String>) -> Reply {
        Reply::status(status, "").field("Location", location)
    }

    pub(super) fn field(mut self, name: &str, value: impl Into<String>) -> Reply {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn chunked(self) -> Reply {
        Reply {
            manner: Manner::Chunked,
            ..self
        }
    }

    pub(super) fn without_last_chunk(self) -> Reply {
        let manner = Manner::ChunkedCut;
        Reply { manner, ..self }
    }

    pub(super) fn cut_after(self, bytes: usize) -> Reply {
        Reply {
            manner: Manner::CutAfter(bytes),
            ..self
        }
    }

    pub(super) fn stall_after(self, bytes: usize) -> Reply {
        Reply {
            manner: Manner::StallAfter(bytes),
            ..self
        }
    }

    pub(super) fn dripping(self) -> Reply {
        Reply {
            manner: Manner::Drip,
            ..self
        }
    }

    pub(super) fn bare(self) -> Reply {
        Reply {
            manner: Manner::Bare,
            ..self
        }
    }

    fn send(self, stream: &mut TcpStream) {
        let mut head = format!("HTTP/1.1 {} Said\r\nConnection: close\r\n", self.status);
        for (name, value) in &self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        let length = self.content.len();
        head += &match self.manner {
            Manner::Chunked | Manner::ChunkedCut => {
                format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n")
            }
            Manner::Whole
            | Manner::CutAfter(_)
            | Manner::StallAfter(_)
            | Manner::Drip
            | Manner::Bare => format!("Content-Length: {length}\r\n\r\n"),
        };
        let mut whole = if matches!(self.manner, Manner::Bare) {
            Vec::new()
        } else {
            head.clone().into_bytes()
        };
        whole.extend(&self.content);
        // A client that has seen enough goes away.
        match self.manner {
            Manner::Whole | Manner::Bare | Manner::ChunkedCut => drop(stream.write_all(&whole)),
            Manner::Chunked => {
                whole.extend(b"\r\n0\r\n\r\n");
                drop(stream.write_all(&whole));
            }
            Manner::CutAfter(bytes) => drop(stream.write_all(&whole[..bytes.min(whole.len())])),
            Manner::StallAfter(bytes) => {
                drop(stream.write_all(&whole[..bytes.min(whole.len())]));
                let _ = stream.read(&mut [0]);
            }
            Manner::Drip => {
                for byte in whole {
                    if stream.write_all(&[byte]).is_err() {
                        return;
                    }
                    thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }
}

fn request(stream: &mut TcpStream) -> Option<Seen> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let line = lines.next()?.rsplit_once(' ')?.0.to_owned();
    let fields = lines.filter_map(|line| line.split_once(": "));
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Some(Seen {
        line,
        fields: fields.collect(),
    })
}
