//! `cargo xtask bench` and `start`: processor time, rate, latency, start, memory.
//!
//! Machines are noisy: what is compared is measured in alternating rounds of one run, and told as
//! medians and ratios. Loopback only; every server is ended by its own handle.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::Done;
use crate::peers::{PEERS, pinned};
use crate::server::{Server, build, files, free_address, median, root};

/// How many files the generated site has.
const GENERATED_FILES: u32 = 10_000;
/// The page of the poems that is nearest to 1.6 KB.
const PAGE: &str = "/poetry/not-modified";
const WRK_SECONDS: u32 = 2;
const WRK_CONNECTIONS: u32 = 64;
const SIZES: [(&str, &str); 3] = [
    ("1.6 KB", "/small.png"),
    ("64 KB", "/medium.png"),
    ("1 MB", "/large.png"),
];

/// What wrk and the system say of one run.
#[derive(Clone, Copy, Default)]
struct Run {
    microseconds: f64,
    rate: f64,
    p99_milliseconds: f64,
}

/// A server and its runs, one list for each size and way of connecting.
struct Entry {
    name: String,
    runs: Vec<Vec<Run>>,
    resident: Vec<f64>,
    start: Vec<f64>,
}

/// Processor time as a ratio: what the noise of the machine leaves standing, since both runs of a
/// ratio are of one round.
fn ratios(text: &mut String, entries: &[Entry]) {
    let Some((first, others)) = entries.split_first() else {
        return;
    };
    let _ = writeln!(
        text,
        "## Processor time as a ratio to {}\n\nThe median of the rounds' ratios.\n",
        first.name
    );
    let sizes = SIZES.map(|(size, _)| size);
    let heads = sizes
        .map(|size| format!("{size} keep-alive | {size} one connection a request"))
        .join(" | ");
    let _ = writeln!(text, "| server | {heads} |");
    let _ = writeln!(text, "|---|{}", "---:|".repeat(SIZES.len() * 2));
    for entry in others {
        let _ = write!(text, "| {} |", entry.name);
        for (runs, firsts) in entry.runs.iter().zip(&first.runs) {
            let pairs = runs.iter().zip(firsts);
            let mut ratios: Vec<f64> = pairs
                .map(|(run, first)| run.microseconds / first.microseconds)
                .collect();
            if ratios.is_empty() {
                text.push_str(" - |");
            } else {
                let _ = write!(text, " {:.2} |", median(&mut ratios));
            }
        }
        text.push('\n');
    }
    text.push('\n');
}

/// How often each server is started to see how long that takes, before there is load: what is left
/// of a load's connections would be in the way.
const STARTS: usize = 15;

/// Every server beside every other.
pub(crate) fn compare(rounds: usize) -> Done {
    let files = files()?;
    let chapbook = build(Some(&files))?;
    let mut starters: Vec<(String, Box<Starter>)> = Vec::new();
    for engine in ["native", "tiny_http"] {
        let executable = chapbook.clone();
        let start = move |_: &str| {
            let address = free_address()?;
            let mut command = pinned(0);
            command
                .arg(&executable)
                .args(["--engine", engine, "--access-log", "off"]);
            Server::spawn(command.args(["--listen", &address.to_string()]), address)
        };
        starters.push((format!("chapbook {engine}"), Box::new(start)));
    }
    let root = files.clone();
    starters.push((
        "floor".to_owned(),
        Box::new(move |target| start_floor(&root, target)),
    ));
    let mut versions = String::new();
    for peer in &PEERS {
        let Some(version) = peer.version() else {
            println!("{} is not installed and is left out", peer.name);
            continue;
        };
        let _ = writeln!(versions, "- {}: {version}", peer.name);
        let root = files.clone();
        starters.push((peer.name.to_owned(), Box::new(move |_| peer.start(&root))));
    }
    let mut entries: Vec<Entry> = starters.iter().map(|(name, _)| Entry::new(name)).collect();
    for _ in 0..STARTS {
        for (entry, (_, start)) in entries.iter_mut().zip(&starters) {
            entry.start(start)?;
        }
    }
    println!("{STARTS} starts of each done");
    for round in 0..rounds.max(1) {
        for (entry, (_, start)) in entries.iter_mut().zip(&starters) {
            entry.measure(start)?;
            println!("round {round}: {} done", entry.name);
        }
    }
    report(&entries, &versions, rounds)
}

type Starter = dyn Fn(&str) -> Result<Server, String>;

fn start_floor(files: &Path, target: &str) -> Result<Server, String> {
    let address = free_address()?;
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    let file = files.join(target.trim_start_matches('/'));
    let mut command = pinned(0);
    Server::spawn(
        command
            .arg(this)
            .args(["floor", &address.to_string()])
            .arg(file),
        address,
    )
}

impl Entry {
    fn new(name: &str) -> Entry {
        let runs = vec![Vec::new(); SIZES.len() * 2];
        Entry {
            name: name.to_owned(),
            runs,
            resident: Vec::new(),
            start: Vec::new(),
        }
    }

    /// One start, to the first response.
    fn start(&mut self, start: &Starter) -> Done {
        let [(_, target), ..] = SIZES;
        let began = Instant::now();
        let server = start(target)?;
        server.get(target)?;
        self.start.push(began.elapsed().as_secs_f64() * 1e3);
        self.resident.push(server.resident_kib()? as f64);
        Ok(())
    }

    fn measure(&mut self, start: &Starter) -> Done {
        for (index, (_, target)) in SIZES.iter().enumerate() {
            let server = start(target)?;
            server.get(target)?;
            for (way, close) in [false, true].into_iter().enumerate() {
                if close && self.name == "floor" {
                    continue; // it does not read, so it cannot know when to close
                }
                let run = wrk(&server, target, close)?;
                if let Some(runs) = self.runs.get_mut(index * 2 + way) {
                    runs.push(run);
                }
            }
        }
        Ok(())
    }

    fn median(&self, index: usize, what: impl Fn(&Run) -> f64) -> f64 {
        let runs = self.runs.get(index).map(Vec::as_slice).unwrap_or_default();
        median(&mut runs.iter().map(what).collect::<Vec<f64>>())
    }
}

/// One run of wrk on the other processor.
fn wrk(server: &Server, target: &str, close: bool) -> Result<Run, String> {
    let before = server.cpu_seconds()?;
    let mut command = pinned(1);
    command.args(["wrk", "-t1", "--latency", &format!("-c{WRK_CONNECTIONS}")]);
    command.arg(format!("-d{WRK_SECONDS}s"));
    if close {
        command.args(["-H", "Connection: close"]);
    }
    let done = command
        .arg(format!("http://{}{target}", server.address))
        .output();
    let done = done.map_err(|e| format!("wrk: {e} (apt-get install wrk util-linux)"))?;
    let used = server.cpu_seconds()? - before;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let failed = || format!("wrk said:\n{said}");
    if said.contains("Non-2xx") {
        return Err(failed());
    }
    let line = |start: &str| {
        said.lines()
            .map(str::trim)
            .find_map(|line| line.strip_prefix(start))
            .map(str::trim)
    };
    let rate: f64 = line("Requests/sec:")
        .and_then(|n| n.parse().ok())
        .ok_or_else(failed)?;
    let count = said
        .lines()
        .find_map(|line| line.trim().split(" requests in").next()?.parse().ok());
    let count: f64 = count.ok_or_else(failed)?;
    let p99_milliseconds = line("99%").and_then(milliseconds).ok_or_else(failed)?;
    Ok(Run {
        microseconds: used * 1e6 / count,
        rate,
        p99_milliseconds,
    })
}

/// A time as wrk prints it.
fn milliseconds(text: &str) -> Option<f64> {
    for (unit, factor) in [("us", 1e-3), ("ms", 1.0), ("s", 1e3)] {
        if let Some(number) = text
            .strip_suffix(unit)
            .and_then(|number| number.parse::<f64>().ok())
        {
            return Some(number * factor);
        }
    }
    None
}

fn report(entries: &[Entry], versions: &str, rounds: usize) -> Done {
    let mut text = String::from(
        "# Benchmarks\n\nWritten by `cargo xtask bench`. The server on one processor, wrk on \
         another, 64 connections,\nloopback; alternating rounds of one run, medians. Compare \
         within this page only.\n\n",
    );
    let _ = writeln!(text, "{rounds} rounds of {WRK_SECONDS} s each.\n");
    for (way, title) in ["keep-alive", "one connection a request"]
        .into_iter()
        .enumerate()
    {
        let _ = writeln!(text, "## {title}\n");
        text.push_str("| server | ");
        for (size, _) in SIZES {
            let _ = write!(text, "{size}: µs CPU | requests/s | p99 ms | ");
        }
        text.push_str("\n|---|");
        text.push_str(&"---:|".repeat(SIZES.len() * 3));
        text.push('\n');
        for entry in entries {
            if entry.name == "floor" && way == 1 {
                continue;
            }
            let _ = write!(text, "| {} | ", entry.name);
            for index in 0..SIZES.len() {
                let index = index * 2 + way;
                let cpu = entry.median(index, |run| run.microseconds);
                let rate = entry.median(index, |run| run.rate);
                let p99 = entry.median(index, |run| run.p99_milliseconds);
                let _ = write!(text, "{cpu:.2} | {rate:.0} | {p99:.2} | ");
            }
            text.push('\n');
        }
        text.push('\n');
    }
    ratios(&mut text, entries);
    text.push_str(
        "## Start and memory\n\n| server | start to first response, ms | resident, KiB |\n",
    );
    text.push_str("|---|---:|---:|\n");
    for entry in entries {
        let (mut start, mut resident) = (entry.start.clone(), entry.resident.clone());
        let (start, resident) = (median(&mut start), median(&mut resident));
        let _ = writeln!(text, "| {} | {start:.1} | {resident:.0} |", entry.name);
    }
    let _ = writeln!(
        text,
        "\n![Processor time a request](cpu.svg)\n\n## Versions\n\n{versions}"
    );
    text.push_str("## Configurations\n");
    for peer in PEERS
        .iter()
        .filter(|peer| entries.iter().any(|entry| entry.name == peer.name))
    {
        let _ = writeln!(
            text,
            "\n### {}\n\n```\n{}```",
            peer.name,
            peer.configuration()
        );
    }
    print!("{text}");
    let directory = root().join("docs/benchmarks");
    fs::create_dir_all(&directory).map_err(|e| e.to_string())?;
    fs::write(directory.join("README.md"), text).map_err(|e| e.to_string())?;
    fs::write(directory.join("cpu.svg"), chart(entries)).map_err(|e| e.to_string())
}

/// A bar for each server and size: processor time a request, keep-alive, as a share of the
/// slowest's.
fn chart(entries: &[Entry]) -> String {
    const BAR: f64 = 420.0;
    let rows = entries.len() * SIZES.len() + SIZES.len();
    let height = rows * 20 + 20;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"720\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    let mut y = 20;
    for (index, (size, _)) in SIZES.iter().enumerate() {
        let cpu = |entry: &Entry| entry.median(index * 2, |run| run.microseconds);
        let most = entries.iter().map(cpu).fold(1e-9, f64::max);
        let _ = writeln!(
            svg,
            "<text x=\"10\" y=\"{y}\" font-weight=\"bold\">{size}: µs of processor time a \
             request</text>"
        );
        y += 20;
        for entry in entries {
            let value = cpu(entry);
            let width = value / most * BAR;
            let fill = if entry.name.starts_with("chapbook") {
                "#8c2f22"
            } else {
                "#9a958a"
            };
            let _ = writeln!(
                svg,
                "<text x=\"10\" y=\"{y}\">{}</text><rect x=\"150\" y=\"{}\" width=\"{width:.0}\" \
                 height=\"14\" fill=\"{fill}\"/><text x=\"{:.0}\" y=\"{y}\">{value:.1}</text>",
                entry.name,
                y - 11,
                156.0 + width
            );
            y += 20;
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Start to first response for few files and for many; the tiny_http engine beside tiny_http.
pub(crate) fn start(rounds: usize) -> Done {
    let poems = build(None)?;
    let generated = generate()?;
    let large = build(Some(&generated))?;
    let bytes = fs::metadata(&poems).map_err(|e| e.to_string())?.len();
    println!("executable: {bytes} bytes (poems)");
    for engine in ["native", "tiny_http"] {
        let quiet = ["--access-log", "off", "--engine", engine];
        let (mut few, mut many) = (Vec::new(), Vec::new());
        for _ in 0..rounds.max(1) {
            for (executable, target, times) in
                [(&poems, "/", &mut few), (&large, "/page-0.html", &mut many)]
            {
                let began = Instant::now();
                let server = Server::chapbook(executable, &quiet)?;
                let answer = server.get(target)?;
                times.push(began.elapsed().as_secs_f64() * 1e3);
                if !answer.starts_with("HTTP/1.1 200 ") {
                    return Err(answer);
                }
            }
        }
        println!("{engine}: start to first response, median of {rounds}:");
        println!(
            "  poems {:.2} ms, {GENERATED_FILES} files {:.2} ms",
            median(&mut few),
            median(&mut many)
        );
        let server = Server::chapbook(&poems, &quiet)?;
        server.get("/")?;
        println!(
            "  resident after the first response: {} KiB (poems)",
            server.resident_kib()?
        );
    }
    beside_bare_tiny_http(&poems)
}

fn generate() -> Result<std::path::PathBuf, String> {
    let directory = root().join("target/xtask/generated");
    let failed = |e: std::io::Error| format!("{}: {e}", directory.display());
    fs::create_dir_all(&directory).map_err(failed)?;
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

/// The same page, the same client, the same run.
fn beside_bare_tiny_http(poems: &Path) -> Done {
    let file = std::env::temp_dir().join(format!("chapbook-bench-{}", std::process::id()));
    let page = Command::new(poems)
        .args(["cat", PAGE])
        .output()
        .map_err(|e| e.to_string())?;
    fs::write(&file, &page.stdout).map_err(|e| e.to_string())?;
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    let (mut engine, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let server = Server::chapbook(poems, &["--access-log", "off", "--engine", "tiny_http"])?;
        engine.push(wrk(&server, PAGE, false)?.rate);
        drop(server);
        let address = free_address()?;
        let mut command = Command::new(&this);
        command
            .args(["bare-tiny-http", &address.to_string()])
            .arg(&file);
        bare.push(wrk(&Server::spawn(&mut command, address)?, PAGE, false)?.rate);
    }
    fs::remove_file(&file).map_err(|e| e.to_string())?;
    let (engine, bare) = (median(&mut engine), median(&mut bare));
    println!(
        "{} bytes, requests/s: tiny_http engine {engine:.0}, tiny_http without TCP_NODELAY \
              {bare:.0}, ratio {:.1}",
        page.stdout.len(),
        engine / bare
    );
    Ok(())
}
