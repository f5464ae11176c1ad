//! A registry on loopback: it keeps what it is given, plays the faults that a test wants, and
//! writes down what it was asked.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use sitepack::Digest;

/// Stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    stops: Arc<AtomicBool>,
    accepts: Option<JoinHandle<()>>,
}

/// What it has, and was asked.
#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    /// `REPOSITORY/blobs/DIGEST` and `REPOSITORY/manifests/PLACE`.
    kept: BTreeMap<String, Reply>,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// With its query.
    pub(crate) target: String,
    /// Names in lower case.
    fields: Vec<(String, String)>,
    pub(crate) content: Vec<u8>,
}

/// An answer.
#[derive(Clone, Default)]
pub(crate) struct Reply {
    status: u16,
    fields: Vec<(String, String)>,
    pub(crate) content: Vec<u8>,
    hangs: bool,
}

impl Server {
    /// A registry; `play` answers what it does not leave to it.
    pub(crate) fn new(play: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut server = Server {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
            stops: Arc::default(),
            accepts: None,
        };
        let (state, stops, play) = (server.state.clone(), server.stops.clone(), Arc::new(play));
        server.accepts = Some(thread::spawn(move || {
            for stream in listener.incoming() {
                if stops.load(Ordering::Relaxed) {
                    return;
                }
                let (stream, state, play) = (stream.unwrap(), state.clone(), play.clone());
                thread::spawn(move || converse(stream, &state, &*play));
            }
        }));
        server
    }

    /// A registry without faults.
    pub(crate) fn plain() -> Server {
        Server::new(|_| None)
    }

    /// `127.0.0.1:PORT/REST`.
    pub(crate) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// `METHOD TARGET` of each request.
    pub(crate) fn lines(&self) -> Vec<String> {
        let seen = self.seen().into_iter();
        seen.map(|seen| format!("{} {}", seen.method, seen.target))
            .collect()
    }

    /// What is kept under a path, and its media type.
    pub(crate) fn kept(&self, path: &str) -> Option<(Vec<u8>, String)> {
        let state = self.state.lock().unwrap();
        let found = state.kept.get(path)?;
        let kind = found.fields.iter().find(|(name, _)| name == "Content-Type");
        let kind = kind.map(|(_, value)| value.clone());
        Some((found.content.clone(), kind.unwrap_or_default()))
    }

    /// The paths of all that is kept.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.state.lock().unwrap().kept.keys().cloned().collect()
    }

    /// Puts something there by hand.
    pub(crate) fn keep(&self, path: &str, kind: &str, content: &[u8]) {
        let reply = Reply::ok(content).field("Content-Type", kind);
        let mut state = self.state.lock().unwrap();
        state.kept.insert(path.to_owned(), reply);
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
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(known, _)| known == name);
        found.map(|(_, value)| &**value)
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }
}

impl Reply {
    pub(crate) fn status(status: u16) -> Reply {
        Reply {
            status,
            ..Reply::default()
        }
    }

    pub(crate) fn ok(content: impl Into<Vec<u8>>) -> Reply {
        Reply::status(200).with(content)
    }

    pub(crate) fn with(self, content: impl Into<Vec<u8>>) -> Reply {
        let content = content.into();
        Reply { content, ..self }
    }

    pub(crate) fn field(mut self, name: &str, value: impl Into<String>) -> Reply {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// A registry's error.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Reply {
        let text = format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#);
        Reply::status(status)
            .with(text)
            .field("Content-Type", "application/json")
    }

    /// Nothing, until the client goes away.
    pub(crate) fn hang() -> Reply {
        Reply {
            hangs: true,
            ..Reply::default()
        }
    }

    /// It begins, and never ends.
    pub(crate) fn and_hangs(self) -> Reply {
        Reply {
            hangs: true,
            ..self
        }
    }

    fn send(self, stream: &mut TcpStream, is_head: bool) {
        if self.hangs && self.status == 0 {
            let _ = stream.read(&mut [0]);
            return;
        }
        let mut head = format!("HTTP/1.1 {} Said\r\nConnection: close\r\n", self.status);
        for (name, value) in &self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        let missing = usize::from(self.hangs);
        let length = self.content.len() + missing;
        head += &format!("Content-Length: {length}\r\n\r\n");
        let mut whole = head.into_bytes();
        if !is_head {
            whole.extend(&self.content);
        }
        // A client that has seen enough goes away.
        let _ = stream.write_all(&whole);
        if self.hangs {
            let _ = stream.read(&mut [0]);
        }
    }
}

fn converse(
    mut stream: TcpStream,
    state: &Mutex<State>,
    play: &dyn Fn(&Seen) -> Option<Reply>,
) -> Option<()> {
    let seen = request(&mut stream)?;
    state.lock().unwrap().seen.push(seen.clone());
    let reply = play(&seen).unwrap_or_else(|| serve(&seen, &mut state.lock().unwrap()));
    reply.send(&mut stream, seen.method == "HEAD");
    Some(())
}

/// What the distribution specification says.
fn serve(seen: &Seen, state: &mut State) -> Reply {
    let path = seen.path().strip_prefix("/v2/").unwrap_or_default();
    match &*seen.method {
        "POST" if path.ends_with("/blobs/uploads/") => {
            Reply::status(202).field("Location", format!("/v2/{path}1"))
        }
        "PUT" if path.contains("/blobs/uploads/") => {
            let (repository, _) = path.split_once("/blobs/").unwrap();
            let digest = format!("sha256:{}", Digest::of(&seen.content));
            assert!(
                seen.target.ends_with(&format!("digest={digest}")),
                "{seen:?}"
            );
            let kept = Reply::ok(&*seen.content);
            state
                .kept
                .insert(format!("{repository}/blobs/{digest}"), kept);
            Reply::status(201).field("Docker-Content-Digest", digest)
        }
        "PUT" if path.contains("/manifests/") => {
            let (repository, place) = path.split_once("/manifests/").unwrap();
            let digest = format!("sha256:{}", Digest::of(&seen.content));
            assert!(!place.starts_with("sha256:") || place == digest);
            let kind = seen.field("content-type").unwrap();
            let kept = Reply::ok(&*seen.content)
                .field("Content-Type", kind)
                .field("Docker-Content-Digest", &*digest);
            for place in [place, &digest] {
                let path = format!("{repository}/manifests/{place}");
                state.kept.insert(path, kept.clone());
            }
            Reply::status(201).field("Docker-Content-Digest", digest)
        }
        "GET" | "HEAD" => {
            let found = state.kept.get(path).cloned();
            found.unwrap_or_else(|| Reply::error(404, "NOT_FOUND", "it is not here"))
        }
        "DELETE" if path.contains("/manifests/") => match state.kept.remove(path) {
            Some(_) => Reply::status(202),
            None => Reply::error(404, "MANIFEST_UNKNOWN", "it is not here"),
        },
        _ => Reply::error(405, "UNSUPPORTED", "the operation is unsupported"),
    }
}

/// Asks a registry to take a manifest away, which no command does; the number of its answer.
pub(crate) fn delete(address: &str, path: &str, authority: &str) -> u16 {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "DELETE /v2/{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authority}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let number = answer.split(' ').nth(1);
    number.unwrap().parse().unwrap()
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
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let fields = lines.filter_map(|line| line.split_once(": "));
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let mut seen = Seen {
        method,
        target,
        fields: fields.collect(),
        content: Vec::new(),
    };
    let length = seen
        .field("content-length")
        .map_or(0, |n| n.parse().unwrap());
    assert!(seen.field("transfer-encoding").is_none(), "{seen:?}");
    seen.content = vec![0; length];
    stream.read_exact(&mut seen.content).ok()?;
    Some(seen)
}
