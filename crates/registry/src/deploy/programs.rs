//! What users run by hand, run: `gcloud`, `kubectl`, `docker`, `ssh` and `scp`, on the files that
//! `chapbook kit` writes.
//!
//! Each is an argument vector, never a line for a shell; what is passed on is a word (`is_word`).
//! What they say goes to standard error, save what is asked for (a token), which goes nowhere. Each
//! has an end in time.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Read as _, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use remote::Deadline;

use super::{Options, Target, VERB, shown, usage};
use crate::World;
use crate::failure::Failure;
use crate::limits::SECRET_BYTES_MAX;
use crate::reference::Reference;
use crate::secret::{SECRET_VARIABLES, Secret};

/// How often a program is looked at, whether it has ended.
const LOOK_MILLISECONDS: u64 = 20;
/// For the end of a program's output, once it has ended: what it said is in the pipe by then.
const AFTERWARDS: Duration = Duration::from_secs(5);
/// A rollout of a few pods; one that waits for longer is stuck, and its job says so.
const ROLLOUT_SECONDS: &str = "300";
/// What systemd is told: the kit's own, which name no image. So no executable is started for them,
/// which may be one for another processor.
const SERVICE: &str = include_str!("../../../../deploy/systemd/chapbook.service");
const SOCKET: &str = include_str!("../../../../deploy/systemd/chapbook.socket");
/// What a host runs as root, with the new files.
const INSTALL: &str = include_str!("scripts/install.sh");
/// The executable that cargo makes.
const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");

pub(super) fn run(
    world: &World<'_>,
    target: Target,
    image: Option<&Reference>,
    options: &Options,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let programs = Programs::new(world, options.is_dry, out);
    let (region, overlay) = (options.word("region")?, options.word("overlay")?);
    let (context, project) = (options.word("context")?, options.word("project")?);
    let (overlay, host) = (overlay.unwrap_or("small"), options.word("host")?);
    if !["small", "production"].contains(&overlay) {
        return Err(usage("--overlay is small or production".to_owned()));
    }
    if target == Target::CloudRun && region.is_none() {
        return Err(usage("--region REGION is missing".to_owned()));
    }
    // § ssh and scp take no port in the name of a host; docker does.
    if target == Target::Systemd && host.is_some_and(|host| host.contains(':')) {
        return Err(usage(
            "--host has a port, which belongs into ~/.ssh/config".to_owned(),
        ));
    }
    if target == Target::Systemd && options.value("chapbook").is_none() {
        return Err(usage(
            "--chapbook FILE, the executable, is missing".to_owned(),
        ));
    }
    let executable = executable(options)?;
    let executable = executable.as_deref();
    let object = image.map_or_else(|| "systemd".to_owned(), shown);
    let failed = |cause: String| Failure::failed(VERB, &object, cause);
    let room = tempfile::tempdir();
    let room = room.map_err(|error| failed(format!("failed to make a directory: {error}")))?;
    let kit = match options.is_dry {
        // One that is the same every time.
        true => Path::new("KIT").to_owned(),
        false => room.path().join("kit"),
    };
    let kit = kit.display().to_string();
    let written = match image {
        Some(image) => programs.kit(&kit, image, executable),
        None => programs.units(&kit),
    };
    written.map_err(failed)?;
    let done = match target {
        Target::CloudRun => programs.cloud_run(&kit, region.unwrap_or_default(), project),
        Target::Kubernetes => programs.kubernetes(&kit, overlay, context),
        Target::Compose => programs.compose(&kit, host),
        Target::Systemd => programs.systemd(&kit, executable.unwrap_or_default(), host),
        // They speak for themselves.
        Target::Ghcr | Target::DockerHub | Target::ArtifactRegistry | Target::Heroku => Ok(()),
    };
    done.map_err(failed)
}

/// The one file that is meant, for whoever starts or copies it: a name alone would be looked for on
/// PATH by one and not by the other, and to scp a name may be a host or an option.
fn executable(options: &Options) -> Result<Option<String>, Failure> {
    let Some(typed) = options.value("chapbook") else {
        return Ok(None);
    };
    let unusable = |cause: &str| Failure::unusable("deploy", &remote::shorten(typed), cause);
    let path = fs::canonicalize(typed).map_err(|error| unusable(&error.to_string()))?;
    let path = path.to_str().filter(|_| path.is_file());
    let path = path.ok_or_else(|| unusable("it is no file, or its name is no text"))?;
    Ok(Some(path.to_owned()))
}

/// Starts programs, or prints what would be started.
pub(super) struct Programs<'a> {
    world: &'a World<'a>,
    is_dry: bool,
    out: RefCell<&'a mut dyn Write>,
}

impl<'a> Programs<'a> {
    pub(super) fn new(world: &'a World<'a>, is_dry: bool, out: &'a mut dyn Write) -> Programs<'a> {
        let out = RefCell::new(out);
        Programs { world, is_dry, out }
    }

    /// What a program prints, which nobody sees.
    pub(super) fn secret(&self, program: &str, arguments: &[&str]) -> Result<Secret, String> {
        let said = self.converse(&[&[program], arguments].concat(), &[], None, true)?;
        let secret = Secret::new(said.trim_end_matches(['\r', '\n']));
        secret.ok_or_else(|| format!("`{program}`: it printed no token"))
    }

    fn kit(&self, kit: &str, image: &Reference, executable: Option<&str>) -> Result<(), String> {
        let image = shown(image);
        let cargo = (self.world.env)("CARGO").unwrap_or_else(|| "cargo".to_owned());
        let mut words = match executable {
            Some(executable) => vec![executable],
            None => vec![
                &*cargo,
                "run",
                "--quiet",
                "--release",
                "--manifest-path",
                MANIFEST,
                "--",
            ],
        };
        words.extend(["kit", kit, "--image", &image]);
        self.run(&words, &[], None)
    }

    fn units(&self, kit: &str) -> Result<(), String> {
        if self.is_dry {
            return Ok(());
        }
        let failed = |error: io::Error| format!("failed to write units: {error}");
        let directory = Path::new(kit).join("systemd");
        fs::create_dir_all(&directory).map_err(failed)?;
        fs::write(directory.join("chapbook.service"), SERVICE).map_err(failed)?;
        fs::write(directory.join("chapbook.socket"), SOCKET).map_err(failed)
    }

    fn cloud_run(&self, kit: &str, region: &str, project: Option<&str>) -> Result<(), String> {
        let file = format!("{kit}/cloud-run/service.yaml");
        let mut words = vec![
            "gcloud", "run", "services", "replace", &file, "--region", region,
        ];
        words.extend(
            project
                .map(|project| ["--project", project])
                .iter()
                .flatten(),
        );
        words.push("--quiet");
        self.run(&words, &[], None)
    }

    fn kubernetes(&self, kit: &str, overlay: &str, context: Option<&str>) -> Result<(), String> {
        let overlay = format!("{kit}/kubernetes/overlays/{overlay}");
        let timeout = format!("--timeout={ROLLOUT_SECONDS}s");
        let context = context.map(|context| ["--context", context]);
        let kubectl = |words: &[&str]| {
            let context: Vec<&str> = context.iter().flatten().copied().collect();
            self.run(&[&["kubectl"], &*context, words].concat(), &[], None)
        };
        kubectl(&["apply", "-k", &overlay])?;
        let rollout = ["rollout", "status", "deployment/chapbook", "-n", "chapbook"];
        kubectl(&[&rollout[..], &[&timeout]].concat())
    }

    /// § docker reaches another host by itself, with the variable that it has for this.
    fn compose(&self, kit: &str, host: Option<&str>) -> Result<(), String> {
        let file = format!("{kit}/compose/compose.yaml");
        let host = host.map(|host| ("DOCKER_HOST", format!("ssh://{host}")));
        let words = ["docker", "compose", "-f", &file, "up", "-d", "--wait"];
        let wait = ["--wait-timeout", ROLLOUT_SECONDS];
        self.run(&[&words[..], &wait].concat(), host.as_slice(), None)
    }

    /// On a host: a directory, files into it, and the script on the shell's standard input. Here:
    /// the same without ssh.
    fn systemd(&self, kit: &str, executable: &str, host: Option<&str>) -> Result<(), String> {
        let files = [
            executable.to_owned(),
            format!("{kit}/systemd/chapbook.service"),
            format!("{kit}/systemd/chapbook.socket"),
        ];
        let [executable, service, socket] = files.each_ref().map(String::as_str);
        let Some(host) = host else {
            let words = ["sudo", "sh", "-s", "--", executable, service, socket];
            return self.run(&words, &[], Some(INSTALL));
        };
        let make = ["ssh", host, "mktemp", "-d", "/tmp/chapbook.XXXXXXXXXX"];
        let made = match self.is_dry {
            true => {
                self.run(&make, &[], None)?;
                "DIRECTORY".to_owned()
            }
            false => self.converse(&make, &[], None, true)?.trim_end().to_owned(),
        };
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
        let is_made = made.starts_with("/tmp/chapbook.") && made.bytes().all(is_fit);
        if !is_made && !self.is_dry {
            let shown = remote::shorten(&made);
            return Err(format!(
                "`ssh`: it made the directory `{shown}`, which is none"
            ));
        }
        let done = self.install(host, &made, [executable, service, socket]);
        // However that went.
        let cleared = self.run(&["ssh", host, "rm", "-rf", &made], &[], None);
        done.and(cleared)
    }

    /// Files into a directory of a host, and the script with them.
    fn install(&self, host: &str, made: &str, files: [&str; 3]) -> Result<(), String> {
        let names = ["chapbook", "chapbook.service", "chapbook.socket"];
        let there = names.map(|name| format!("{made}/{name}"));
        for (from, to) in files.iter().zip(&there) {
            let to = format!("{host}:{to}");
            self.run(&["scp", "-q", from, &to], &[], None)?;
        }
        let sudo = ["ssh", host, "sudo", "-n", "sh", "-s", "--"];
        let there = there.each_ref().map(String::as_str);
        self.run(&[&sudo[..], &there].concat(), &[], Some(INSTALL))
    }

    fn run(
        &self,
        words: &[&str],
        variables: &[(&str, String)],
        stdin: Option<&str>,
    ) -> Result<(), String> {
        if !self.is_dry {
            return self.converse(words, variables, stdin, false).map(drop);
        }
        let variables = variables
            .iter()
            .map(|(name, value)| format!("{name}={value} "));
        let variables: String = variables.collect();
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let script = if stdin.is_some() { " <install.sh" } else { "" };
        let mut out = self.out.borrow_mut();
        let line = writeln!(out, "$ {variables}{}{script}", words.join(" "));
        line.map_err(|error| format!("failed to write `standard output`: {error}"))
    }

    fn converse(
        &self,
        words: &[&str],
        variables: &[(&str, String)],
        stdin: Option<&str>,
        is_asked: bool,
    ) -> Result<String, String> {
        let (program, arguments) = words.split_first().ok_or("there is no program")?;
        let failed = |cause: &str| format!("`{program}`: {cause}");
        let mut command = Command::new(program);
        command.args(arguments);
        if let Some(path) = (self.world.env)("PATH") {
            command.env("PATH", path);
        }
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        for name in SECRET_VARIABLES {
            command.env_remove(name);
        }
        command.stdin(if stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        command.stdout(if is_asked {
            Stdio::piped()
        } else {
            io::stderr().into()
        });
        let mut child = command.spawn().map_err(|error| {
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            let cause = error.to_string();
            failed(if is_missing {
                "it is not installed"
            } else {
                &cause
            })
        })?;
        let mut pipe = child.stdin.take();
        if let (Some(pipe), Some(text)) = (&mut pipe, stdin) {
            // One that does not read has its own reason.
            let _ = pipe.write_all(text.as_bytes());
        }
        drop(pipe);
        let stdout = child.stdout.take();
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            let mut said = Vec::new();
            let most = SECRET_BYTES_MAX as u64 + 2;
            let read = stdout.map(|stdout| stdout.take(most).read_to_end(&mut said));
            // Nobody waits any more if it took too long.
            let _ = sender.send(read.is_none_or(|read| read.is_ok()).then_some(said));
        });
        let until = Deadline::after(self.world.limits.whole);
        let ended = wait(&mut child, &until).map_err(|cause| failed(&cause))?;
        if !ended.success() {
            return Err(failed(&format!("it ended with {ended}")));
        }
        // What it began may have its output still.
        let left = until.left().map_err(|cause| failed(&cause))?;
        let said = answers.recv_timeout(left.min(AFTERWARDS));
        let said = said.map_err(|_| failed("it ended, and its output did not"))?;
        String::from_utf8(said.unwrap_or_default()).map_err(|_| failed("it printed no text"))
    }
}

/// Waits for the end, within a time: then it is ended.
fn wait(child: &mut Child, until: &Deadline) -> Result<ExitStatus, String> {
    loop {
        if let Some(ended) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(ended);
        }
        let pause = Duration::from_millis(LOOK_MILLISECONDS);
        if let Err(cause) = until.sleep(pause) {
            // It may have ended by itself in between.
            let _ = child.kill();
            let _ = child.wait();
            return Err(cause);
        }
    }
}

/// A word as a shell would want it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-@:=+".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
