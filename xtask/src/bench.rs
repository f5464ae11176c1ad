//! `cargo xtask bench`: start to first response, idle memory, throughput.
//!
//! Machines are noisy: what is compared is measured in alternating rounds of one run, and told as
//! medians. Loopback only; every server is ended by its own handle.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Done;

/// How many files the generated site has.
const GENERATED_FILES: u32 = 10_000;
/// The page of the poems that is nearest to 1.6 KB.
const PAGE: &str = "/poetry/not-modified";
const WRK_SECONDS: u32 = 3;
const WRK_CONNECTIONS: u32 = 64;
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(rounds: usize) -> Done {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let poems = build(&root, "target/release/chapbook", None)?;
    let generated = generate(&root.join("target/xtask/generated"))?;
    let large = build(
        &root,
        "target/xtask/build/release/chapbook",
        Some(&generated),
    )?;
    println!("executable: {} bytes (poems)", size(&poems)?);

    let (mut few, mut many) = (Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        few.push(start(&poems, "/")?.0);
        many.push(start(&large, "/page-0.html")?.0);
    }
    println!("start to first response, median of {rounds}:");
    println!("  poems            {:>8.2} ms", median(&mut few) * 1e3);
    println!(
        "  {GENERATED_FILES} files      {:>8.2} ms",
        median(&mut many) * 1e3
    );

    let (_, server) = start(&poems, "/")?;
    println!(
        "resident after the first response: {} KiB (poems)",
        server.resident_kib()?
    );
    drop(server);
    let (_, server) = start(&large, "/page-0.html")?;
    println!(
        "resident after the first response: {} KiB (10000 files)",
        server.resident_kib()?
    );
    drop(server);
    throughput(&poems)
}

/// The tiny_http engine against tiny_http as it comes: the same page, the same client.
fn throughput(poems: &Path) -> Done {
    let file = std::env::temp_dir().join(format!("chapbook-bench-{}", std::process::id()));
    let page = Command::new(poems)
        .args(["cat", PAGE])
        .output()
        .map_err(|e| e.to_string())?;
    fs::write(&file, &page.stdout).map_err(|e| e.to_string())?;
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    let name = file.to_string_lossy().into_owned();
    let (mut engine, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let server = Server::start(Command::new(poems).args(["--access-log", "off", "--listen"]))?;
        engine.push(wrk(server.address)?);
        drop(server);
        let address = free_address()?;
        let mut command = Command::new(&this);
        command.args(["bare-tiny-http", &address.to_string(), &name]);
        let server = Server::spawn(&mut command, address)?;
        bare.push(wrk(server.address)?);
    }
    fs::remove_file(&file).map_err(|e| e.to_string())?;
    let (engine, bare) = (median(&mut engine), median(&mut bare));
    println!(
        "{} bytes, {WRK_CONNECTIONS} connections, requests/s, median of 3:",
        page.stdout.len()
    );
    println!("  chapbook, tiny_http engine       {engine:>10.0}");
    println!(
        "  tiny_http without TCP_NODELAY    {bare:>10.0}   ratio {:.1}",
        engine / bare
    );
    Ok(())
}

/// Serves one file by tiny_http alone, the way its documentation shows.
pub(crate) fn bare_tiny_http(address: &str, file: &str) -> Done {
    let content = fs::read(file).map_err(|e| format!("{file}: {e}"))?;
    let server = tiny_http::Server::http(address).map_err(|e| format!("{address}: {e}"))?;
    let server = std::sync::Arc::new(server);
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (server, content) = (server.clone(), content.clone());
            std::thread::spawn(move || {
                while let Ok(request) = server.recv() {
                    let _ = request.respond(tiny_http::Response::from_data(content.clone()));
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().map_err(|_| "a worker failed".to_owned())?;
    }
    Ok(())
}

fn build(root: &Path, executable: &str, site: Option<&Path>) -> Result<PathBuf, String> {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["build", "--release", "--quiet", "--package", "chapbook"])
        .current_dir(root);
    if let Some(site) = site {
        command
            .args(["--target-dir", "target/xtask/build"])
            .env("CHAPBOOK_SITE", site);
    }
    let status = command.status().map_err(|e| format!("cargo: {e}"))?;
    if status.success() {
        Ok(root.join(executable))
    } else {
        Err("cargo build failed".to_owned())
    }
}

fn generate(directory: &Path) -> Result<PathBuf, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", directory.display());
    fs::create_dir_all(directory).map_err(failed)?;
    for n in 0..GENERATED_FILES {
        let line = format!("<p>page {n} of {GENERATED_FILES}</p>\n");
        let page = format!("<!DOCTYPE html><title>{n}</title>\n{}", line.repeat(20));
        let file = directory.join(format!("page-{n}.html"));
        if !file.exists() {
            fs::write(file, page).map_err(failed)?;
        }
    }
    directory.canonicalize().map_err(failed)
}

/// Starts a server and asks until it answers: seconds from the start, and the server.
fn start(executable: &Path, target: &str) -> Result<(f64, Server), String> {
    let mut command = Command::new(executable);
    let started = Instant::now();
    let server = Server::start(command.args(["--access-log", "off", "--listen"]))?;
    let answer = server.get(target)?;
    let seconds = started.elapsed().as_secs_f64();
    if answer.starts_with("HTTP/1.1 200 ") {
        Ok((seconds, server))
    } else {
        Err(answer)
    }
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// `command` lacks only the address.
    fn start(command: &mut Command) -> Result<Server, String> {
        let address = free_address()?;
        Server::spawn(command.arg(address.to_string()), address)
    }

    fn spawn(command: &mut Command, address: SocketAddr) -> Result<Server, String> {
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().map_err(|e| format!("{command:?}: {e}"))?;
        let server = Server { child, address };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                return Err(format!("nobody answers at {address}"));
            }
            std::thread::sleep(Duration::from_micros(50));
        }
        Ok(server)
    }

    fn get(&self, target: &str) -> Result<String, String> {
        let failed = |e: std::io::Error| format!("{target}: {e}");
        let mut stream = TcpStream::connect(self.address).map_err(failed)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(failed)?;
        let mut answer = [0; 512];
        let read = stream.read(&mut answer).map_err(failed)?;
        Ok(String::from_utf8_lossy(answer.get(..read).unwrap_or_default()).into_owned())
    }

    fn resident_kib(&self) -> Result<u64, String> {
        let file = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .ok_or(format!("{file}: no VmRSS"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    listener.local_addr().map_err(|e| e.to_string())
}

/// Requests per second, as wrk counts them.
fn wrk(address: SocketAddr) -> Result<f64, String> {
    let done = Command::new("wrk")
        .args([
            "-t1",
            &format!("-c{WRK_CONNECTIONS}"),
            &format!("-d{WRK_SECONDS}s"),
        ])
        .arg(format!("http://{address}{PAGE}"))
        .output()
        .map_err(|e| format!("wrk: {e} (apt-get install wrk)"))?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    if said.contains("Non-2xx") || said.contains("Socket errors") {
        return Err(format!("wrk saw errors:\n{said}"));
    }
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    line.and_then(|number| number.trim().parse().ok())
        .ok_or(format!("wrk said:\n{said}"))
}

fn size(file: &Path) -> Result<u64, String> {
    fs::metadata(file)
        .map(|data| data.len())
        .map_err(|e| format!("{}: {e}", file.display()))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
