//! `cargo xtask ci`: the whole check, in named steps.
//!
//! 1. What is checked stands in `steps`, once; whatever runs a check, `.ci/run` and the workflows,
//!    calls this.
//! 2. A step says what it needs before it begins, and how to install it. Tests that lack a tool
//!    skip loudly, so one that only tests need is missed only where CHAPBOOK_CI_TOOLS=1 forbids it.
//! 3. Every step ends with one line: its name, how it ended, its seconds.

mod steps;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use steps::{STEPS, Step};

const USAGE: &str = "usage: cargo xtask ci [--list] [--keep-going] [STEP]...

  --list         the steps, what each does, and the tools it needs
  --keep-going   go on after a step that failed (CHAPBOOK_KEEP_GOING=1)

Without STEP, all steps that --list marks with a star, in their order.
";

/// Where programs are that the path of an ordinary user lacks: dockerd, rsyslogd.
const SYSTEM_PATHS: [&str; 2] = ["/usr/sbin", "/sbin"];

/// What `cargo run` tells the program that it runs. A cargo below it would take it for ours.
const OF_CARGO_RUN: [&str; 4] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_BIN_NAME",
];

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    is_list: bool,
    keeps_going: bool,
    steps: Vec<&'static str>,
}

/// Does what the words behind `ci` say.
pub(crate) fn main(words: &[&str]) -> ExitCode {
    if words.contains(&"--help") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let keeps_going = std::env::var("CHAPBOOK_KEEP_GOING");
    let keeps_going = keeps_going.is_ok_and(|value| !["", "0"].contains(&&*value));
    match Wanted::read(words, keeps_going) {
        Err(message) => {
            eprintln!("xtask ci: {message}\n{USAGE}");
            ExitCode::from(2)
        }
        Ok(wanted) if wanted.is_list => {
            print!("{}", list());
            ExitCode::SUCCESS
        }
        Ok(wanted) => run(&wanted),
    }
}

impl Wanted {
    fn read(words: &[&str], keeps_going: bool) -> Result<Wanted, String> {
        let mut wanted = Wanted {
            keeps_going,
            ..Wanted::default()
        };
        for word in words {
            match *word {
                "--list" => wanted.is_list = true,
                "--keep-going" => wanted.keeps_going = true,
                name => {
                    let step = STEPS.iter().find(|step| step.name == name);
                    let step = step.ok_or_else(|| format!("there is no step `{name}`"))?;
                    wanted.steps.push(step.name);
                }
            }
        }
        Ok(wanted)
    }

    fn has(&self, step: &Step) -> bool {
        match self.steps.is_empty() {
            true => step.is_default && (!step.is_linux_only || cfg!(target_os = "linux")),
            false => self.steps.contains(&step.name),
        }
    }
}

fn run(wanted: &Wanted) -> ExitCode {
    let root = root();
    let mut runner = Runner {
        is_strict: std::env::var_os("CHAPBOOK_CI_TOOLS").is_some(),
        variables: Vec::new(),
        root,
    };
    let mut failed = false;
    for step in STEPS.iter().filter(|step| wanted.has(step)) {
        let begun = Instant::now();
        let done = runner.run(step);
        let seconds = begun.elapsed().as_secs_f64();
        match done {
            Ok(()) => eprintln!("ci: {} passed in {seconds:.1} s", step.name),
            Err(cause) => {
                eprintln!("ci: {} failed in {seconds:.1} s: {cause}", step.name);
                failed = true;
                if !wanted.keeps_going {
                    break;
                }
            }
        }
    }
    match failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// Runs steps, and keeps what one leaves to the next.
struct Runner {
    root: PathBuf,
    /// Whether a tool that tests alone need may not be missing.
    is_strict: bool,
    /// What steps have made, for those that come after.
    variables: Vec<(&'static str, OsString)>,
}

impl Runner {
    fn run(&mut self, step: &Step) -> Result<(), String> {
        let missing = step.tools.iter().filter(|tool| !is_there(tool.program));
        for tool in missing {
            let how = format!("`{}` is missing: {}", tool.program, tool.install);
            if !tool.for_tests || self.is_strict {
                return Err(how);
            }
            eprintln!(
                "ci: {}: {how}; the tests that need it are skipped",
                step.name
            );
        }
        for line in step.commands {
            self.command(line)?;
        }
        if step.name == "static" {
            let executable = self.root.join("target/static").join(host()?);
            let executable = executable.join("release/chapbook");
            let variable = ("CHAPBOOK_STATIC_EXECUTABLE", executable.into());
            self.variables.push(variable);
        }
        Ok(())
    }

    /// Runs one line: `NAME=VALUE`s, a program, its arguments.
    fn command(&self, line: &str) -> Result<(), String> {
        eprintln!("ci: {line}");
        let mut words = line.split_whitespace().peekable();
        let mut variables = Vec::new();
        while let Some(pair) = words.peek().and_then(|word| word.split_once('=')) {
            variables.push(pair);
            words.next();
        }
        let program = words.next().unwrap_or_default();
        let mut command = Command::new(program);
        command.args(words).current_dir(&self.root);
        for name in OF_CARGO_RUN {
            command.env_remove(name);
        }
        if cfg!(windows) {
            // There a program that runs, such as this one, cannot be written anew.
            command.env("CARGO_TARGET_DIR", "target/ci");
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.envs(variables);
        let status = command.status();
        let status = status.map_err(|error| format!("failed to run `{program}`: {error}"))?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("`{line}` ended with {status}")),
        }
    }
}

/// The steps and their tools, for people.
fn list() -> String {
    let mut lines = String::new();
    for step in STEPS {
        let star = if step.is_default { '*' } else { ' ' };
        let linux = if step.is_linux_only { " (Linux)" } else { "" };
        lines += &format!("{star} {:<10} {}{linux}\n", step.name, step.what);
        for tool in step.tools {
            let missing = match is_there(tool.program) {
                true => "",
                false => " (missing)",
            };
            lines += &format!("             {}{missing}: {}\n", tool.program, tool.install);
        }
    }
    lines
}

fn is_there(program: &str) -> bool {
    // A module of Python's is no program.
    if let Some(module) = program.strip_prefix("python3 ") {
        let mut python = Command::new("/usr/bin/python3");
        let asked = python.args(["-c", &format!("import {module}")]).output();
        return asked.is_ok_and(|asked| asked.status.success());
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut paths = std::env::split_paths(&paths).chain(SYSTEM_PATHS.map(PathBuf::from));
    let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    paths.any(|path| path.join(&name).is_file())
}

/// The machine that rustc compiles for.
pub(crate) fn host() -> Result<String, String> {
    let failed = |cause: String| format!("failed to run `rustc -vV`: {cause}");
    let told = Command::new("rustc").arg("-vV").output();
    let told = told.map_err(|error| failed(error.to_string()))?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| failed("it names no host".to_owned()))
}

/// The checkout that this was built in.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Runner, STEPS, Step, Wanted};
    use crate::ci::steps::Tool;

    #[test]
    fn what_is_typed_is_what_is_run() {
        for (words, expected) in [
            (&[][..], Ok((false, false, vec![]))),
            (&["--list"], Ok((true, false, vec![]))),
            (&["test", "fmt"], Ok((false, false, vec!["test", "fmt"]))),
            (&["--keep-going", "fmt"], Ok((false, true, vec!["fmt"]))),
            (&["tset"], Err("there is no step `tset`")),
            (&["--wrong"], Err("there is no step `--wrong`")),
        ] {
            let read = Wanted::read(words, false);
            let read = read.map(|wanted| (wanted.is_list, wanted.keeps_going, wanted.steps));
            assert_eq!(read, expected.map_err(str::to_owned), "{words:?}");
        }
    }

    #[test]
    fn a_step_says_what_it_lacks_and_what_failed() {
        let tool = |for_tests| Tool {
            program: "chapbook-no-such-tool",
            install: "apt-get install nothing",
            for_tests,
        };
        let runner = |is_strict| Runner {
            root: ".".into(),
            is_strict,
            variables: Vec::new(),
        };
        let step = |tool: &'static [Tool], commands| Step {
            name: "a",
            what: "",
            is_default: false,
            is_linux_only: false,
            tools: tool,
            commands,
        };
        let lacking = "`chapbook-no-such-tool` is missing: apt-get install nothing";
        let needed: &'static [Tool] = Box::leak(Box::new([tool(false)]));
        let for_tests: &'static [Tool] = Box::leak(Box::new([tool(true)]));
        for (tools, is_strict, commands, expected) in [
            (needed, false, &[][..], Err(lacking)),
            (for_tests, true, &[], Err(lacking)),
            (for_tests, false, &[], Ok(())),
            (&[], true, &["A=b cargo --version"], Ok(())),
            (
                &[],
                true,
                &["chapbook-none"],
                Err("failed to run `chapbook-none`"),
            ),
            (
                &[],
                true,
                &["cargo no-such-command"],
                Err("`cargo no-such-command` ended with"),
            ),
        ] {
            let done = runner(is_strict).run(&step(tools, commands));
            match expected {
                Ok(()) => assert_eq!(done, Ok(())),
                Err(start) => assert!(done.unwrap_err().starts_with(start), "{start}"),
            }
        }
    }

    #[test]
    fn every_step_has_its_own_name_and_something_to_do() {
        for (index, step) in STEPS.iter().enumerate() {
            assert!(
                !step.commands.is_empty() && !step.what.is_empty(),
                "{}",
                step.name
            );
            let before = STEPS.get(..index).unwrap();
            assert!(
                before.iter().all(|other| other.name != step.name),
                "{}",
                step.name
            );
        }
    }
}
