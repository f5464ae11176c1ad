//! Servers to measure: started on loopback, ended by their handle.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A running server.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a chapbook executable.
    pub(crate) fn chapbook(executable: &Path, arguments: &[&str]) -> Result<Server, String> {
        let address = free_address()?;
        let mut command = Command::new(executable);
        command
            .args(["--listen", &address.to_string()])
            .args(arguments);
        Server::spawn(&mut command, address)
    }

    /// Starts `command`, which listens on `address`, and waits until it does.
    pub(crate) fn spawn(command: &mut Command, address: SocketAddr) -> Result<Server, String> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().map_err(|e| format!("{command:?}: {e}"))?;
        let server = Server { child, address };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                return Err(format!("{command:?}: nobody answers at {address}"));
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        Ok(server)
    }

    /// Asks for `target`; the beginning of the answer.
    pub(crate) fn get(&self, target: &str) -> Result<String, String> {
        let failed = |e: std::io::Error| format!("{target}: {e}");
        let mut stream = TcpStream::connect(self.address).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(failed)?;
        let mut answer = [0; 512];
        let read = stream.read(&mut answer).map_err(failed)?;
        Ok(String::from_utf8_lossy(answer.get(..read).unwrap_or_default()).into_owned())
    }

    /// Resident memory in KiB, of the server and its workers.
    pub(crate) fn resident_kib(&self) -> Result<u64, String> {
        self.processes()
            .into_iter()
            .map(|pid| status_kib(pid, "VmRSS:"))
            .sum()
    }

    /// Processor time in seconds, of the server and its workers.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, String> {
        // proc(5): fields 14 and 15, counted behind the name in parentheses, in 1/100 s.
        let mut ticks = 0;
        for pid in self.processes() {
            let file = format!("/proc/{pid}/stat");
            let stat = fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
            let behind = stat.rsplit(')').next().unwrap_or_default();
            let fields = behind.split_whitespace().skip(11).take(2);
            ticks += fields
                .filter_map(|field| field.parse::<u64>().ok())
                .sum::<u64>();
        }
        Ok(ticks as f64 / 100.0)
    }

    /// The server and its children.
    fn processes(&self) -> Vec<u32> {
        let own = self.child.id();
        let file = format!("/proc/{own}/task/{own}/children");
        let children = fs::read_to_string(file).unwrap_or_default();
        let children = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        std::iter::once(own).chain(children).collect()
    }

    /// Sends SIGTERM.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) -> Result<(), String> {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        let pid = pid.ok_or("no such process")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).map_err(|e| e.to_string())
    }

    /// Servers are measured on Unix; elsewhere this only compiles.
    #[cfg(not(unix))]
    pub(crate) fn terminate(&self) -> Result<(), String> {
        Err("there is no SIGTERM here".to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Servers with workers end them on SIGTERM, not on SIGKILL.
        let _ = self.terminate();
        let deadline = Instant::now() + Duration::from_secs(1);
        while Instant::now() < deadline {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn status_kib(pid: u32, name: &str) -> Result<u64, String> {
    let file = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .ok_or(format!("{file}: no {name}"))
}

pub(crate) fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    listener.local_addr().map_err(|e| e.to_string())
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Builds chapbook with the poems, or with a site of files; the executable.
pub(crate) fn build(site: Option<&Path>) -> Result<PathBuf, String> {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["build", "--release", "--quiet", "--package", "chapbook"])
        .current_dir(root());
    let mut target = "target".to_owned();
    if let Some(site) = site {
        let name = site
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        target = format!("target/xtask/build-{name}");
        command
            .args(["--target-dir", &target])
            .env("CHAPBOOK_SITE", site);
    }
    let status = command.status().map_err(|e| format!("cargo: {e}"))?;
    let executable = root().join(target).join("release/chapbook");
    if status.success() {
        Ok(executable)
    } else {
        Err("cargo build failed".to_owned())
    }
}

/// The directory of the files that all servers serve: 1.6 KB, 64 KB, 1 MB. Named as pictures, so
/// that nobody compresses them.
pub(crate) fn files() -> Result<PathBuf, String> {
    let directory = root().join("target/xtask/files");
    fs::create_dir_all(&directory).map_err(|e| e.to_string())?;
    for (name, bytes) in [
        ("small.png", 1_600),
        ("medium.png", 65_536),
        ("large.png", 1 << 20),
    ] {
        let mut state = 1_u64;
        let words = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()
        });
        let content: Vec<u8> = words.flatten().take(bytes).collect();
        let file = directory.join(name);
        if fs::read(&file).ok().as_ref() != Some(&content) {
            fs::write(&file, &content).map_err(|e| e.to_string())?;
        }
    }
    directory.canonicalize().map_err(|e| e.to_string())
}

/// The median.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
