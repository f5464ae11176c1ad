//! Parse, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    let environment = |name: &str| std::env::var_os(name);
    match chapbook::cli::parse(std::env::args_os().skip(1), environment) {
        Ok(command) => chapbook::run(command),
        Err(failure) => failure.report(),
    }
}
