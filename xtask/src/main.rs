//! `cargo xtask`: work on this repository.

mod archives;
mod bench;
mod ci;
mod faults;
mod image;
mod peers;
mod registry;
mod server;
#[expect(dead_code, reason = "what Cargo is told to watch is build.rs's alone")]
#[path = "../../build/stamp.rs"]
mod stamp;
mod static_build;
mod supply;
mod tag;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND

  ci [--list] [--keep-going] [STEP]...
                    the whole check, or some of its steps; docs/ci.md
  verify-tag [--policy-from REF] [--commit HASH] TAG
                    whether a tag is one that may be there, and signed by who may
  static [--target TRIPLE] DIR
                    DIR/chapbook, a static executable, its image DIR/image.tar, and the
                    digest of that in DIR/digest
  bench [ROUNDS]    measure chapbook, both engines, beside the servers that are installed (nginx,
                    h2o, lighttpd, caddy, static-web-server, go), and write docs/benchmarks;
                    needs wrk and taskset (apt-get install wrk util-linux); 3 rounds by default
  start [ROUNDS]    measure start to first response and memory, for few files and for 10,000, and
                    the tiny_http engine beside tiny_http as it comes; needs wrk
  faults [SECONDS [CASE]]
                    do to the native engine what clients do, for about so many seconds a case
                    (30 by default), and print one line a case; loopback only
  image [--engine NAME] [--dry-run] [env-NAME=VALUE]... [-- ARGUMENT]...
                    build the Dockerfile with docker, podman or buildah; docs/image.md has the knobs
  image run [--engine NAME] [--dry-run] [env-NAME=VALUE]... [-- ARGUMENT]...
                    run that image, read-only and without capabilities, until Ctrl-C
  sbom              print the bill of materials of these sources, as CycloneDX JSON
  deny              check licences, sources and doubles of all packages, by deny.toml
  bundle -o DIR     write all that is needed where there is no network: docs/bundle.md
  archives DIR VERSION
                    the archives of a release, of each DIR/ARCH/chapbook, and their checksums
  push, retag, index, inspect
                    images and registries: cargo xtask push --help, docs/registry.md
  deploy, deploy-scripts
                    an image to where it runs: cargo xtask deploy --help, docs/deploy
";

/// What a task ends with: nothing, or one line that says what could not be done.
type Done = Result<(), String>;

/// How a command ends that reads its own words.
enum Ended {
    Done(Done),
    /// It was asked how it is called.
    Help(&'static str),
    /// It was called otherwise: why that says nothing, and how it is called.
    Wrong(String, &'static str),
}

impl Ended {
    /// A word that the command does not know, or that lacks what stands behind it.
    fn wrong(word: &str, usage: &'static str) -> Ended {
        Ended::Wrong(format!("`{word}` is not known here, or not whole"), usage)
    }

    fn code(self) -> ExitCode {
        match self {
            Ended::Done(Ok(())) => ExitCode::SUCCESS,
            Ended::Done(Err(message)) => {
                eprintln!("xtask: {message}");
                ExitCode::FAILURE
            }
            Ended::Help(usage) => {
                print!("{usage}");
                ExitCode::SUCCESS
            }
            Ended::Wrong(why, usage) => {
                eprint!("xtask: {why}\n{usage}");
                ExitCode::from(2)
            }
        }
    }
}

fn main() -> ExitCode {
    let typed: Vec<_> = std::env::args_os().skip(1).collect();
    let first = typed.first().and_then(|first| first.to_str());
    if let Some("push" | "retag" | "index" | "inspect" | "deploy" | "deploy-scripts") = first {
        return registry::run(&typed);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().map_err(|error| format!("`{text}`: {error}"));
    let done = match *arguments {
        ["--help" | "-h" | "help"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        ["bench"] => bench::compare(3),
        ["bench", rounds] => number(rounds).and_then(bench::compare),
        ["start"] => bench::start(20),
        ["start", rounds] => number(rounds).and_then(bench::start),
        ["faults"] => faults::run(30, ""),
        ["faults", seconds] => number(seconds).and_then(|seconds| faults::run(seconds as u64, "")),
        ["faults", seconds, only] => {
            number(seconds).and_then(|seconds| faults::run(seconds as u64, only))
        }
        ["archives", ref words @ ..] => return archives::main(words).code(),
        ["ci", ref words @ ..] => return ci::main(words),
        ["image", ref words @ ..] => return image::main(words),
        ["sbom", ref words @ ..] => return supply::sbom(words).code(),
        ["deny", ref words @ ..] => return supply::deny(words).code(),
        ["bundle", ref words @ ..] => return supply::bundle(words).code(),
        ["static", ref words @ ..] => return static_build::main(words).code(),
        ["verify-tag", ref words @ ..] => return tag::main(words),
        // What `bench` starts as servers to compare with.
        ["bare-tiny-http", address, file] => peers::bare_tiny_http(address, file),
        ["floor", address, file] => peers::floor(address, file),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
