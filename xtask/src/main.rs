//! `cargo xtask`: work on this repository.

mod bench;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND

  bench [ROUNDS]    measure start, memory and throughput of the release build; needs wrk
                    (apt-get install wrk); 20 rounds by default
";

/// What a task ends with: nothing, or one line that says what could not be done.
type Done = Result<(), String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match *arguments {
        ["bench"] => bench::run(20),
        ["bench", rounds] => match rounds.parse() {
            Ok(rounds) => bench::run(rounds),
            Err(error) => Err(format!("ROUNDS `{rounds}`: {error}")),
        },
        // What `bench` starts as the server to compare with.
        ["bare-tiny-http", address, file] => bench::bare_tiny_http(address, file),
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
