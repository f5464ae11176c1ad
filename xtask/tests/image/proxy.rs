//! A proxy that writes down what it is asked for, and refuses.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    asked: Receiver<String>,
}

impl Proxy {
    pub(crate) fn start() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, asked) = channel();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                refuse(stream, &sender);
            }
        });
        Proxy { address, asked }
    }

    /// The request lines so far.
    pub(crate) fn asked(&self) -> String {
        self.asked.try_iter().collect()
    }
}

fn refuse(mut stream: TcpStream, sender: &Sender<String>) {
    let mut line = String::new();
    let read = BufReader::new(&stream).read_line(&mut line);
    if read.is_ok() {
        let _ = sender.send(line);
    }
    let _ = stream.write_all(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}
