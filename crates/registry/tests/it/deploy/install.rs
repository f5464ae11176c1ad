//! `install.sh`, the script that a host runs, in a root of its own with a stand-in for `systemctl`.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::programs::{log, place};
use crate::Place;

const NAMES: [&str; 3] = ["chapbook", "chapbook.service", "chapbook.socket"];
const PLACED: [&str; 3] = ["usr/local/bin", "etc/systemd/system", "etc/systemd/system"];

/// systemd, as far as it is asked: it takes no unit that says `refuse`, and says of the service and
/// its socket what stands in files.
const SYSTEMCTL: &str = r#"case $1 in
    enable) ! grep -q refuse "$CHAPBOOK_ROOT"/etc/systemd/system/*.service ;;
    is-active|is-enabled) test -e "$CHAPBOOK_ROOT/ran" ;;
    restart) touch "$CHAPBOOK_ROOT/ran" ;;
    disable) rm -f "$CHAPBOOK_ROOT/ran" ;;
    show) cat "$CHAPBOOK_ROOT/$3" 2>/dev/null || true ;;
esac"#;

struct Host {
    place: Place,
    root: PathBuf,
}

impl Host {
    fn new() -> Host {
        let place = place(&[("systemctl", SYSTEMCTL), ("sleep", "exit 0")]);
        let root = place.path().join("root");
        for directory in PLACED {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        Host { place, root }
    }

    fn command(&self, contents: [&str; 3]) -> Command {
        for (name, content) in NAMES.iter().zip(contents) {
            self.place.file(name, content);
        }
        let mut command = Command::new("dash");
        let script = "/src/deploy/scripts/install.sh";
        command.arg(format!("{}{script}", env!("CARGO_MANIFEST_DIR")));
        command.args(NAMES.map(|name| self.place.path().join(name)));
        command.env("PATH", &self.place.variables[0].1);
        command.env("CHAPBOOK_ROOT", &self.root);
        command
    }

    /// Its exit code, and what is there afterwards.
    fn install(&self, contents: [&str; 3]) -> (Option<i32>, Vec<String>) {
        let done = self.command(contents).output().unwrap();
        (done.status.code(), self.there())
    }

    fn there(&self) -> Vec<String> {
        let paths = NAMES.iter().zip(PLACED);
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        paths
            .map(|(name, directory)| read(&self.root.join(directory).join(name)))
            .collect()
    }

    fn count(&self, wanted: &str) -> usize {
        let asked = log(&self.place);
        asked.iter().filter(|line| line.contains(wanted)).count()
    }
}

fn is_there(contents: [&str; 3]) -> Vec<String> {
    contents.map(str::to_owned).to_vec()
}

const GOOD: [&str; 3] = ["#!/bin/sh\nexit 0\n", "[a]", "[b]"];

#[test]
fn what_does_not_answer_gives_way_to_what_was_there() {
    let host = Host::new();
    assert_eq!(host.install(GOOD), (Some(0), is_there(GOOD)));
    let better = ["#!/bin/sh\nexit 0 # newer\n", "[a2]", "[b]"];
    assert_eq!(host.install(better), (Some(0), is_there(better)));
    let silent = ["#!/bin/sh\nexit 1\n", "[a3]", "[b3]"];
    assert_eq!(host.install(silent), (Some(1), is_there(better)));
    let refused = ["#!/bin/sh\nexit 0\n", "[refuse]", "[b4]"];
    assert_eq!(host.install(refused), (Some(1), is_there(better)));
    // The socket is stopped where it is another one, for the first and for what was refused: once
    // for the new one, once for the old.
    let stop = "systemctl stop chapbook.service chapbook.socket";
    assert_eq!(host.count(stop), 4);
    assert_eq!(host.count("systemctl restart chapbook.service"), 5);
    assert_eq!(host.count("systemctl disable"), 0);
}

#[test]
fn a_first_one_that_does_not_answer_leaves_nothing() {
    let host = Host::new();
    let silent = ["#!/bin/sh\nexit 1\n", "[a]", "[b]"];
    assert_eq!(host.install(silent), (Some(1), vec![String::new(); 3]));
    let disable = "systemctl disable --now chapbook.socket chapbook.service";
    assert_eq!(host.count(disable), 1);
    // Files that were there and did not run come back, and do not run.
    for (name, directory) in NAMES.iter().zip(PLACED) {
        fs::write(host.root.join(directory).join(name), "old").unwrap();
    }
    assert_eq!(host.install(silent), (Some(1), is_there(["old"; 3])));
    assert_eq!(host.count(disable), 2);
}

/// A file that cannot be placed, and signals while what does not answer is asked.
#[test]
fn one_that_is_cut_short_takes_itself_back() {
    let host = Host::new();
    assert_eq!(host.install(GOOD), (Some(0), is_there(GOOD)));
    let install = "case $* in *chapbook.socket.new) exit 1;; esac; exec /usr/bin/install \"$@\"";
    let full = place(&[("install", install), ("systemctl", SYSTEMCTL)]);
    let newer = ["#!/bin/sh\nexit 0 # newer\n", "[a2]", "[b2]"];
    let mut command = host.command(newer);
    let done = command.env("PATH", &full.variables[0].1).output().unwrap();
    assert_eq!(
        (done.status.code(), host.there()),
        (Some(1), is_there(GOOD))
    );
    for signal in ["HUP", "INT", "TERM"] {
        let hangs = "#!/bin/sh\ntouch \"$CHAPBOOK_ROOT/asked\"\n/usr/bin/sleep 0.1\nexit 1\n";
        let mut command = host.command([hangs, "[a3]", "[b3]"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null());
        // The one before may have been asked a second time before its signal came.
        let asked = host.root.join("asked");
        let _ = fs::remove_file(&asked);
        let mut child = child.spawn().unwrap();
        while !asked.exists() {
            assert_eq!(child.try_wait().unwrap(), None);
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let mut kill = Command::new("kill");
        kill.args([format!("-{signal}"), child.id().to_string()]);
        assert!(kill.status().unwrap().success());
        let ended = child.wait().unwrap();
        assert_eq!((ended.code(), ended.signal()), (Some(1), None), "{signal}");
        assert_eq!(host.there(), is_there(GOOD), "{signal}");
    }
}

/// It is asked where it listens, as it was told itself, or where its socket does.
#[test]
fn it_is_asked_as_it_was_told() {
    let says = "#!/bin/sh\necho \"$CHAPBOOK_LISTEN $CHAPBOOK_PORT $CHAPBOOK_PROXY_PROTOCOL\" \
                >>\"$CHAPBOOK_ROOT/said\"\n";
    let host = Host::new();
    let variables = [
        ("CHAPBOOK_LISTEN", "127.0.0.1:9000"),
        ("CHAPBOOK_PROXY_PROTOCOL", "v2"),
    ];
    let mut service = Service::start(&variables);
    let pid = format!("MainPID={}\n", service.0.id());
    for (unit, told, expected) in [
        ("chapbook.service", &*pid, "127.0.0.1:9000  v2"),
        ("chapbook.service", "MainPID=0\n", "  "),
        (
            "chapbook.socket",
            "Listen=[::]:8081 (Stream)\n",
            "[::]:8081  ",
        ),
        (
            "chapbook.socket",
            "ListenDatagram=[::]:1\nListenStream=[::]:8082\n",
            "[::]:8082  ",
        ),
        (
            "chapbook.socket",
            "Listen=/run/a (Stream)\nListen=x (Stream)\n",
            "unix:/run/a  ",
        ),
    ] {
        // The third word of `systemctl show --property NAME UNIT` is NAME.
        let name = if unit == "chapbook.socket" {
            "Listen"
        } else {
            "MainPID"
        };
        fs::write(host.root.join(name), told).unwrap();
        let _ = fs::remove_file(host.root.join("said"));
        assert_eq!(host.install([says, "[a]", "[b]"]).0, Some(0));
        let said = fs::read_to_string(host.root.join("said")).unwrap();
        assert_eq!(said, format!("{expected}\n"));
    }
    service.0.kill().unwrap();
    service.0.wait().unwrap();
}

struct Service(Child);

impl Service {
    fn start(variables: &[(&str, &str)]) -> Service {
        let mut command = Command::new("sleep");
        command.arg("60").envs(variables.iter().copied());
        Service(command.spawn().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
    }
}
