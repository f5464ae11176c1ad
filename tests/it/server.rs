//! Servers for tests: in this process with any site, or the real executable.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use chapbook::log::AccessLog;
use chapbook::origin::Origin;
use chapbook::server::{Address, Context, Engine, serve};
use sitepack::Site;

/// Every engine that is built in.
pub(crate) const ENGINES: &[Engine] = Engine::ALL;

/// A test that waits longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A server in this process, on a port of its own.
pub(crate) struct TestServer {
    pub(crate) context: Arc<Context>,
    pub(crate) address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    pub(crate) fn start(engine: Engine, site: Site<'static>) -> TestServer {
        TestServer::with(engine, Context::new(Origin::new(site), AccessLog::off()))
    }

    /// With a context of its own, on two threads.
    pub(crate) fn with(engine: Engine, context: Context) -> TestServer {
        TestServer::on(engine, context, "127.0.0.1:0", 2)
    }

    /// With a context of its own, on an address and so many threads.
    pub(crate) fn on(
        engine: Engine,
        context: Context,
        address: &str,
        threads: usize,
    ) -> TestServer {
        let address: Address = address.parse().unwrap();
        let bound = address.bind(engine.shape(threads)).unwrap();
        let Address::Tcp(address) = bound.address().unwrap() else {
            panic!("not TCP")
        };
        let context = Arc::new(context);
        let serving = context.clone();
        let thread = std::thread::spawn(move || serve(engine, vec![bound], &serving).unwrap());
        TestServer {
            context,
            address,
            thread: Some(thread),
        }
    }

    /// The server that this thread, and so this test, has for an engine and a site.
    pub(crate) fn shared(engine: Engine, site: fn() -> Site<'static>) -> Rc<TestServer> {
        type Key = (&'static str, u64);
        type Entry = (Key, Rc<TestServer>);
        thread_local! {
            static SERVERS: RefCell<Vec<Entry>> = const { RefCell::new(Vec::new()) };
        }
        let key = (engine.name(), site().bytes());
        SERVERS.with_borrow_mut(|servers| {
            if let Some((_, server)) = servers.iter().find(|(known, _)| *known == key) {
                return server.clone();
            }
            let server = Rc::new(TestServer::start(engine, site()));
            servers.push((key, server.clone()));
            server
        })
    }

    pub(crate) fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    /// Begins the shutdown and waits for its end.
    pub(crate) fn stop(&mut self) {
        self.context.begin_shutdown();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.context.begin_shutdown();
    }
}

/// A connection that fails the test rather than hang.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// The executable, without the variables that would change what it does.
pub(crate) fn chapbook() -> Command {
    executable(env!("CARGO_BIN_EXE_chapbook").as_ref())
}

/// The same for another file.
pub(crate) fn executable(file: &std::path::Path) -> Command {
    let mut command = Command::new(file);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let others = ["PORT", "POETRY_DIR", "NOTIFY_SOCKET", "LISTEN_PID"];
        if others.contains(&&*text) || text.starts_with("CHAPBOOK_") {
            command.env_remove(&name);
        }
    }
    // What is to fail may fail at once.
    command.env("CHAPBOOK_RESPAWN_PAUSE", "0");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The executable, serving on a port of its own; killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    /// What it had to say up to its address.
    pub(crate) said: String,
    pub(crate) stderr: BufReader<ChildStderr>,
}

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Running {
        let mut command = chapbook();
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments);
        Running::spawn(command)
    }

    pub(crate) fn spawn(mut command: Command) -> Running {
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        // It may have something to say before.
        while !line.contains("http://") && stderr.read_line(&mut line).unwrap() > 0 {}
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split('/').next())
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("no address in {line:?}"));
        Running {
            child,
            address,
            said: line,
            stderr,
        }
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let done = Command::new("kill")
            .args([&format!("-{name}"), &*pid])
            .status()
            .unwrap();
        assert!(done.success());
    }

    /// Waits for the end: exit code (none if a signal ended it), standard output unless it was
    /// taken, the rest of standard error.
    pub(crate) fn end(mut self) -> (Option<i32>, String, String) {
        use std::io::Read as _;
        let (mut out, mut err) = (String::new(), String::new());
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_string(&mut out).unwrap();
        }
        self.stderr.read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code(), out, err)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
