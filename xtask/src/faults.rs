//! `cargo xtask faults`: what clients and systems do to a server, and what the native engine makes
//! of it. One line a case; bounded in number and time; loopback only.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Done;
use crate::server::{PATIENCE, Server, build, files, free_address, median};

const QUIET: [&str; 4] = ["--access-log", "off", "--engine", "native"];
const REQUEST: &[u8] = b"GET /small.png HTTP/1.1\r\nHost: a\r\n\r\n";
const LARGE: &[u8] = b"GET /large.png HTTP/1.1\r\nHost: a\r\n\r\n";

pub(crate) fn run(seconds: u64, only: &str) -> Done {
    #[cfg(unix)]
    raise_descriptor_limit();
    let executable = build(Some(&files()?))?;
    let mut failed = Vec::new();
    let cases: [(&str, Case); 7] = [
        ("10,000 idle connections", idle),
        ("1,000 connections that drip", drip),
        ("64 descriptors, 500 connects", descriptors),
        ("200 clients that reset", resets),
        ("clients that never read", never_read),
        ("requests without end", endless),
        ("SIGTERM under load", terminate),
    ];
    for (name, case) in cases.into_iter().filter(|(name, _)| name.contains(only)) {
        let began = Instant::now();
        let told = case(&executable, Duration::from_secs(seconds.max(1)));
        let (word, told) = match told {
            Ok(told) => ("ok  ", told),
            Err(told) => {
                failed.push(name);
                ("FAIL", told)
            }
        };
        println!(
            "{word} {name}: {told} ({:.0} s)",
            began.elapsed().as_secs_f64()
        );
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("failed: {}", failed.join(", ")))
    }
}

#[cfg(unix)]
fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
}

type Case = fn(&Path, Duration) -> Result<String, String>;

fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(|e| e.to_string())?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .map_err(|e| e.to_string())?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    Ok(stream)
}

/// An answer that did not come whole.
#[derive(Debug)]
struct Broken {
    /// How many bytes of it came.
    got: usize,
    cause: String,
}

impl From<Broken> for String {
    fn from(broken: Broken) -> String {
        format!("after {} bytes: {}", broken.got, broken.cause)
    }
}

/// Sends a request and reads its answer: how many bytes of content it had.
fn ask(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> Result<usize, Broken> {
    let broken = |got: usize, cause: &dyn ToString| Broken {
        got,
        cause: cause.to_string(),
    };
    stream.write_all(request).map_err(|e| broken(0, &e))?;
    let mut got = 0;
    loop {
        if buffer.len() < got + 65_536 {
            buffer.resize(got + 65_536, 0);
        }
        let free = buffer.get_mut(got..).unwrap_or_default();
        match stream.read(free).map_err(|e| broken(got, &e))? {
            0 => return Err(broken(got, &"the end")),
            read => got += read,
        }
        let seen = buffer.get(..got).unwrap_or_default();
        let head_end = seen
            .windows(4)
            .take(2_000)
            .position(|four| four == b"\r\n\r\n");
        if let Some(end) = head_end {
            let head = String::from_utf8_lossy(seen.get(..end).unwrap_or_default()).into_owned();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("Content-Length: "));
            let length: usize = length.and_then(|n| n.parse().ok()).unwrap_or(0);
            if got >= end + 4 + length {
                return Ok(length);
            }
        }
    }
}

/// The 99th percentile of a good client's waits, in milliseconds, over a time.
fn p99(address: SocketAddr, time: Duration) -> Result<f64, String> {
    let mut stream = connect(address)?;
    let mut buffer = Vec::new();
    let mut waits = Vec::new();
    let end = Instant::now() + time;
    while Instant::now() < end {
        // Well within what a connection may ask for.
        if waits.len() % 1_000 == 999 {
            stream = connect(address)?;
        }
        let began = Instant::now();
        ask(&mut stream, REQUEST, &mut buffer)?;
        waits.push(began.elapsed().as_secs_f64() * 1e3);
        thread::sleep(Duration::from_micros(500));
    }
    waits.sort_by(f64::total_cmp);
    waits
        .get(waits.len() * 99 / 100)
        .copied()
        .ok_or("no request".to_owned())
}

fn idle(executable: &Path, _: Duration) -> Result<String, String> {
    let server = Server::chapbook(executable, &QUIET)?;
    let mut buffer = Vec::new();
    let mut streams = Vec::new();
    for _ in 0..10_000 {
        let mut stream = connect(server.address)?;
        ask(&mut stream, REQUEST, &mut buffer)?;
        streams.push(stream);
    }
    let resident = server.resident_kib()?;
    let waits = p99(server.address, Duration::from_secs(2))?;
    ask(streams.first_mut().ok_or("none")?, REQUEST, &mut buffer)?;
    let told = format!("{resident} KiB resident, a good client's p99 {waits:.2} ms");
    if resident < 40 * 1024 {
        Ok(told)
    } else {
        Err(told)
    }
}

fn drip(executable: &Path, time: Duration) -> Result<String, String> {
    let server = Server::chapbook(executable, &QUIET)?;
    let mut quiet: Vec<f64> = Vec::new();
    for _ in 0..3 {
        quiet.push(p99(server.address, time / 6)?);
    }
    let quiet = median(&mut quiet);
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, address) = (stop.clone(), server.address);
    let dripping = thread::spawn(move || {
        let (mut streams, mut connected) = (Vec::new(), 0);
        while !stopped.load(Ordering::Relaxed) {
            while streams.len() < 1_000 {
                match connect(address) {
                    Ok(stream) => streams.push(stream),
                    Err(_) => break,
                }
                connected += 1;
            }
            // Those that were thrown out come again.
            streams.retain_mut(|stream| stream.write_all(b"X").is_ok());
            thread::sleep(Duration::from_secs(1));
        }
        connected
    });
    thread::sleep(Duration::from_secs(2));
    let mut loud: Vec<f64> = Vec::new();
    for _ in 0..3 {
        loud.push(p99(server.address, time * 2 / 3)?);
    }
    let loud = median(&mut loud);
    stop.store(true, Ordering::Relaxed);
    let connected = dripping.join().map_err(|_| "the dripping failed")?;
    let ratio = loud / quiet;
    let told = format!(
        "p99 {quiet:.2} ms quiet, {loud:.2} ms while 1,000 dripped for {} s, \
         {connected} of them in turn: {ratio:.2}",
        time.as_secs() * 2
    );
    if ratio <= 2.0 { Ok(told) } else { Err(told) }
}

fn descriptors(executable: &Path, _: Duration) -> Result<String, String> {
    let address = free_address()?;
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""])
        .arg(executable)
        .args(QUIET);
    let server = Server::spawn(command.args(["--listen", &address.to_string()]), address)?;
    let streams: Vec<TcpStream> = (0..500).filter_map(|_| connect(address).ok()).collect();
    let mut buffer = Vec::new();
    let began = Instant::now();
    let mut during = connect(address)?;
    let answered = ask(&mut during, REQUEST, &mut buffer).is_ok();
    let waited = began.elapsed().as_secs_f64();
    let connected = streams.len();
    drop(streams);
    let began = Instant::now();
    let mut served = 0;
    for _ in 0..100 {
        let mut stream = connect(address)?;
        served += u32::from(ask(&mut stream, REQUEST, &mut buffer).is_ok());
    }
    let after = began.elapsed().as_secs_f64();
    drop(server);
    let told = format!(
        "{connected} connected; one more answered: {answered} after {waited:.1} s; afterwards \
         {served} of 100 in {after:.2} s"
    );
    if served == 100 { Ok(told) } else { Err(told) }
}

fn resets(executable: &Path, time: Duration) -> Result<String, String> {
    let server = Server::chapbook(executable, &QUIET)?;
    let before = server.resident_kib()?;
    let end = Instant::now() + time;
    let count = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..200)
        .map(|_| {
            let (address, count) = (server.address, count.clone());
            thread::spawn(move || {
                while Instant::now() < end {
                    let Ok(mut stream) = connect(address) else {
                        continue;
                    };
                    let mut some = [0; 8_192];
                    let _ = stream
                        .write_all(LARGE)
                        .and_then(|()| stream.read(&mut some));
                    // Closed with this set, the system sends a reset.
                    let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                    count.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(20));
                }
            })
        })
        .collect();
    for client in clients {
        client.join().map_err(|_| "a client failed")?;
    }
    let mut buffer = Vec::new();
    let length = ask(&mut connect(server.address)?, LARGE, &mut buffer)?;
    let after = server.resident_kib()?;
    let resets = count.load(Ordering::Relaxed);
    let told = format!("{resets} resets, then a whole answer; {before} KiB before, {after} after");
    if length == 1 << 20 && after < before + 20_000 {
        Ok(told)
    } else {
        Err(told)
    }
}

fn never_read(executable: &Path, _: Duration) -> Result<String, String> {
    let server = Server::chapbook(
        executable,
        &[&QUIET[..], &["--write-timeout", "1"]].concat(),
    )?;
    let mut streams = Vec::new();
    for _ in 0..200 {
        let mut stream = connect(server.address)?;
        // More than the system buffers.
        let _ = stream.write_all(&LARGE.repeat(20));
        streams.push(stream);
    }
    let waits = p99(server.address, Duration::from_secs(2))?;
    thread::sleep(Duration::from_secs(3));
    let mut held = 0;
    let mut buffer = vec![0; 1 << 20];
    for stream in &mut streams {
        // Whoever was thrown out comes to an end, or to a reset, after what was buffered.
        let mut total = 0;
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            total += read;
        }
        held += u32::from(total >= 20 << 20);
    }
    let told = format!("200 of them; a good client's p99 {waits:.2} ms; {held} got everything");
    if held == 0 { Ok(told) } else { Err(told) }
}

fn endless(executable: &Path, time: Duration) -> Result<String, String> {
    // Ten million in the time of a full run; fewer in a shorter one.
    let wanted = 10_000_000 * time.as_secs().min(30) / 30;
    let server = Server::chapbook(executable, &QUIET)?;
    let wrk = |seconds: u64| {
        let url = format!("http://{}/small.png", server.address);
        let done = Command::new("wrk")
            .args(["-t1", "-c64", &format!("-d{seconds}s"), &url])
            .output();
        let said = done.map_err(|e| format!("wrk: {e}"))?.stdout;
        let said = String::from_utf8_lossy(&said).into_owned();
        let count = said
            .lines()
            .find_map(|line| line.trim().split(" requests in").next()?.parse().ok());
        count.ok_or(format!("wrk said: {said}"))
    };
    let mut count: u64 = wrk(2)?;
    let before = server.resident_kib()?;
    while count < wanted {
        count += wrk(10)?;
    }
    let after = server.resident_kib()?;
    let growth = (after as f64 / before as f64 - 1.0) * 100.0;
    let told = format!("{count} requests; {before} KiB resident, then {after}: {growth:+.1} %");
    if growth < 5.0 { Ok(told) } else { Err(told) }
}

fn terminate(executable: &Path, _: Duration) -> Result<String, String> {
    let (mut begun, mut cut) = (0, 0);
    let mut last = Duration::ZERO;
    for _ in 0..5 {
        let mut server = Server::chapbook(executable, &QUIET)?;
        let clients: Vec<_> = (0..32)
            .map(|number| {
                let address = server.address;
                let request = if number % 2 == 0 { REQUEST } else { LARGE };
                thread::spawn(move || answers_until_the_end(address, request))
            })
            .collect();
        thread::sleep(Duration::from_millis(300));
        let began = Instant::now();
        server.terminate()?;
        let status = server.child.wait().map_err(|e| e.to_string())?;
        last = last.max(began.elapsed());
        if !status.success() {
            return Err(format!("it ended with {status}"));
        }
        for client in clients {
            let (whole, broken) = client.join().map_err(|_| "a client failed")?;
            begun += whole + broken;
            cut += broken;
        }
    }
    let told = format!(
        "{begun} answers begun, {cut} cut short; ended within {:.2} s",
        last.as_secs_f64()
    );
    if cut == 0 && begun > 0 {
        Ok(told)
    } else {
        Err(told)
    }
}

/// Asks until nobody answers: answers that came whole, and answers that began and did not.
fn answers_until_the_end(address: SocketAddr, request: &[u8]) -> (u64, u64) {
    let (mut whole, mut broken) = (0, 0);
    let mut buffer = vec![0; 1 << 21];
    while let Ok(mut stream) = connect(address) {
        loop {
            match ask(&mut stream, request, &mut buffer) {
                Ok(_) => whole += 1,
                Err(Broken { got, .. }) => {
                    // Without a byte of it, the answer was not begun.
                    broken += u64::from(got > 0);
                    break;
                }
            }
        }
    }
    (whole, broken)
}
