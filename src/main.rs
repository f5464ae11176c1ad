//! Parse, run, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    let environment = |name: &str| std::env::var_os(name);
    let arguments = || std::env::args_os().skip(1);
    match chapbook::cli::parse(arguments(), environment) {
        Ok(command) => chapbook::run(command),
        Err(failure) => chapbook::refuse(&failure, arguments(), environment),
    }
}
