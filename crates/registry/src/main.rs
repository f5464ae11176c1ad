//! What `cargo xtask push`, `retag`, `index`, `inspect` and `deploy` run.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use registry::{Limits, Secrets, World, run};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let world = World {
        env: &|name| std::env::var(name).ok(),
        limits: Limits::default(),
        is_terminal: io::stderr().is_terminal(),
        secrets: Secrets::default(),
    };
    match run(&world, &arguments, &mut io::stdin(), &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
