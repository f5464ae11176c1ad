//! The sandbox from inside: this program starts itself, enters, and tries.
//!
//! Not a part of `it`, whose tests run on threads of their own: the sandbox is entered where one
//! thread runs, and there is no way back. Each try is a process. Outside of the sandbox it must
//! succeed, or the test would show nothing.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    inside::run();
}

#[cfg(target_os = "linux")]
mod inside {
    use std::collections::BTreeMap;
    use std::fs::{self, File};
    use std::io;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::path::{Path, PathBuf};
    use std::process::{Command, Output, exit};

    use chapbook::sandbox::{Hold, Mode, Needs, Part, Sandbox, enter};
    use rustix::process::{Pid, Uid};

    /// How a child is told what to do: `MODE NEEDS DENIED TRY DIRECTORY PORT OTHER-PORT`.
    const TOLD: &str = "SANDBOX_TEST_TOLD";

    /// Exit codes of a child that tried.
    const DID: i32 = 0;
    const REFUSED: i32 = 3;
    const NOT_ENTERED: i32 = 4;

    /// The signal that ends a process for what it must never call.
    const SIGSYS: i32 = 31;

    pub(super) fn run() {
        if let Ok(told) = std::env::var(TOLD) {
            child(&told);
        }
        let is_strict_here = whole_here();
        for (name, test) in [
            ("what_serving_does_not_need_is_refused", refused as fn()),
            ("what_is_named_is_permitted_and_nothing_else", named),
            ("what_a_system_lacks_is_told", lacking),
            ("root_stays_only_for_what_is_closed_to_others", staying),
            ("other_threads_are_noticed", threads),
        ] {
            if !is_strict_here && name != "what_a_system_lacks_is_told" {
                continue;
            }
            test();
            println!("test {name} ... ok");
        }
    }

    /// Whether this system has all of the sandbox. If not, most of this cannot be tested.
    fn whole_here() -> bool {
        let place = Place::new();
        let done = place.ask("strict", "nothing", "-", "nothing");
        if done.status.code() == Some(DID) {
            return true;
        }
        let why = String::from_utf8_lossy(&done.stderr).into_owned();
        let tools = std::env::var_os("CHAPBOOK_CI_TOOLS");
        assert!(tools.is_none(), "no strict sandbox here: {why}");
        eprintln!("SKIPPED: there is no strict sandbox here: {why}");
        false
    }

    /// A directory with files, and two listeners.
    struct Place {
        root: tempfile::TempDir,
        one: TcpListener,
        other: TcpListener,
    }

    impl Place {
        fn new() -> Place {
            let root = tempfile::tempdir().unwrap();
            for name in ["in", "out"] {
                fs::create_dir(root.path().join(name)).unwrap();
                fs::write(root.path().join(name).join("file"), "text").unwrap();
            }
            let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
            Place {
                root,
                one: listen(),
                other: listen(),
            }
        }

        /// Has a child enter the sandbox and try something.
        fn ask(&self, mode: &str, needs: &str, denied: &str, what: &str) -> Output {
            let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
            let (one, other) = (port(&self.one), port(&self.other));
            let directory = self.root.path().display();
            let told = format!("{mode} {needs} {denied} {what} {directory} {one} {other}");
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.env(TOLD, told).output().unwrap()
        }

        /// The same; what came of it: `did`, `killed`, or why not.
        fn outcome(&self, mode: &str, needs: &str, what: &str) -> String {
            let done = self.ask(mode, needs, "-", what);
            let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
            match (done.status.code(), done.status.signal()) {
                (Some(DID), _) => "did".to_owned(),
                (Some(REFUSED), _) => said,
                (None, Some(SIGSYS)) => "killed".to_owned(),
                end => panic!("{what} in {mode}: {end:?}: {said}"),
            }
        }
    }

    fn child(told: &str) -> ! {
        let [mode, needs, denied, what, directory, one, other] = {
            let words: Vec<&str> = told.split(' ').collect();
            <[&str; 7]>::try_from(words).unwrap()
        };
        let directory = Path::new(directory);
        let [one, other] = [one, other].map(|port| port.parse().unwrap());
        deny(denied);
        let mode = Mode::ALL.into_iter().find(|known| known.name() == mode);
        let before = File::open(directory.join("out/file")).unwrap();
        match enter(mode.unwrap(), &needed(needs, directory, one)) {
            Ok(sandbox) => print!("{}", sandbox.json()),
            Err(lack) => {
                eprint!("{lack}");
                exit(NOT_ENTERED);
            }
        }
        match attempt(what, directory, (one, other), &before) {
            Ok(()) => exit(DID),
            Err(error) => {
                eprint!("{error}");
                exit(REFUSED);
            }
        }
    }

    fn needed(needs: &str, directory: &Path, port: u16) -> Needs {
        let within = || vec![directory.join("in")];
        match needs {
            "nothing" => Needs::default(),
            "read" => Needs {
                read: within(),
                ..Needs::default()
            },
            "write" => Needs {
                write: within(),
                ..Needs::default()
            },
            "remove" => Needs {
                remove: within(),
                ..Needs::default()
            },
            "connect" => Needs {
                connect: vec![port],
                ..Needs::default()
            },
            _ => panic!("{needs}"),
        }
    }

    fn attempt(what: &str, directory: &Path, ports: (u16, u16), before: &File) -> io::Result<()> {
        let within = |name: &str| -> PathBuf { directory.join("in").join(name) };
        let connect = |port: u16| TcpStream::connect(("127.0.0.1", port)).map(drop);
        match what {
            "nothing" => Ok(()),
            "read-open" => before.read_exact_at(&mut [0; 4], 0),
            "thread" => std::thread::spawn(|| ()).join().map_err(|_| failed()),
            "thread-open" => {
                let path = within("file");
                let opened = std::thread::spawn(|| File::open(path).map(drop));
                opened.join().map_err(|_| failed())?
            }
            "open-inside" => File::open(within("file")).map(drop),
            "open-outside" => File::open(directory.join("out/file")).map(drop),
            "list-inside" => fs::read_dir(within("")).map(drop),
            "list-outside" => fs::read_dir(directory.join("out")).map(drop),
            "make-inside" => File::create(within("new")).map(drop),
            "make-outside" => File::create(directory.join("out/new")).map(drop),
            "remove-inside" => fs::remove_file(within("file")),
            "remove-outside" => fs::remove_file(directory.join("out/file")),
            "connect" => connect(ports.0),
            "connect-elsewhere" => connect(ports.1),
            "listen" => TcpListener::bind("127.0.0.1:0").map(drop),
            "datagram" => UdpSocket::bind("127.0.0.1:0").map(drop),
            "spawn" => Command::new("/bin/true").status().map(drop),
            "exec" => Err(Command::new("/bin/true").exec()),
            "ptrace" => nix::sys::ptrace::traceme().map_err(io::Error::from),
            "signal" => Ok(rustix::process::test_kill_process(parent())?),
            "root" => Ok(rustix::thread::set_thread_uid(Uid::ROOT)?),
            "chroot" => Ok(rustix::process::chroot("/")?),
            "code" => memmap2::MmapMut::map_anon(4096)?.make_exec().map(drop),
            _ => panic!("{what}"),
        }
    }

    fn failed() -> io::Error {
        io::Error::other("the thread failed")
    }

    fn parent() -> Pid {
        rustix::process::getppid().unwrap()
    }

    /// Makes a system of this process that has not got some calls.
    fn deny(denied: &str) {
        use seccompiler::{SeccompAction, SeccompFilter, TargetArch, apply_filter};
        let call = match denied {
            "-" => return,
            "landlock" => libc::SYS_landlock_create_ruleset,
            "seccomp" => libc::SYS_seccomp,
            "capabilities" => libc::SYS_capset,
            "user" => libc::SYS_setresuid,
            _ => panic!("{denied}"),
        };
        let filter = SeccompFilter::new(
            BTreeMap::from([(call, Vec::new())]),
            SeccompAction::Allow,
            SeccompAction::Errno(libc::EPERM.unsigned_abs()),
            TargetArch::try_from(std::env::consts::ARCH).unwrap(),
        );
        let program: seccompiler::BpfProgram = filter.unwrap().try_into().unwrap();
        apply_filter(&program).unwrap();
    }

    fn refused() {
        let not_there = "Function not implemented (os error 38)";
        let is_root = rustix::process::getuid().is_root();
        for (what, as_root, expected) in [
            ("read-open", false, "did"),
            ("thread", false, "did"),
            ("thread-open", false, not_there),
            ("open-inside", false, not_there),
            ("list-inside", false, not_there),
            ("make-inside", false, not_there),
            ("remove-inside", false, not_there),
            ("connect", false, not_there),
            ("listen", false, not_there),
            ("datagram", false, not_there),
            ("spawn", false, not_there),
            ("signal", false, not_there),
            ("code", false, not_there),
            ("root", true, not_there),
            ("exec", false, "killed"),
            ("ptrace", false, "killed"),
            ("chroot", true, "killed"),
        ] {
            let place = Place::new();
            assert_eq!(place.outcome("strict", "nothing", what), expected, "{what}");
            if is_root || !as_root {
                let outside = Place::new().outcome("off", "nothing", what);
                assert_eq!(outside, "did", "{what} outside of the sandbox");
            }
        }
    }

    /// Here the calls are permitted, and Landlock has to tell one place from another.
    fn named() {
        let closed = "Permission denied (os error 13)";
        let none = "Function not implemented (os error 38)";
        for (needs, what, expected) in [
            ("read", "open-inside", "did"),
            ("read", "list-inside", "did"),
            ("read", "open-outside", closed),
            ("read", "list-outside", closed),
            ("read", "make-inside", closed),
            ("read", "remove-inside", none),
            ("write", "make-inside", "did"),
            ("write", "remove-inside", "did"),
            ("write", "make-outside", closed),
            ("write", "remove-outside", closed),
            ("write", "open-outside", closed),
            ("remove", "remove-inside", "did"),
            ("remove", "remove-outside", closed),
            ("remove", "open-inside", none),
            ("connect", "connect", "did"),
            ("connect", "connect-elsewhere", closed),
            ("connect", "listen", none),
            ("connect", "datagram", none),
        ] {
            let place = Place::new();
            // Whoever root becomes is to be kept out by Landlock, not by the owner of a file.
            open_to_all(place.root.path());
            let outcome = place.outcome("strict", needs, what);
            assert_eq!(outcome, expected, "{what}, {needs}");
        }
    }

    fn open_to_all(directory: &Path) {
        for name in ["", "in", "out"] {
            let all = fs::Permissions::from_mode(0o777);
            fs::set_permissions(directory.join(name), all).unwrap();
        }
    }

    fn lacking() {
        let is_root = rustix::process::getuid().is_root();
        for (denied, part) in [
            ("landlock", Part::Landlock),
            ("seccomp", Part::Seccomp),
            ("user", Part::User),
        ] {
            if part == Part::User && !is_root {
                continue;
            }
            let place = Place::new();
            let best = place.ask("best-effort", "nothing", denied, "nothing");
            assert_eq!(best.status.code(), Some(DID), "without {denied}");
            let told: serde_json::Value = serde_json::from_slice(&best.stdout).unwrap();
            let of_it = told["parts"][part.name()].as_str().unwrap();
            assert!(of_it.starts_with("unavailable ("), "{told}");
            let strict = place.ask("strict", "nothing", denied, "nothing");
            assert_eq!(strict.status.code(), Some(NOT_ENTERED), "without {denied}");
            let why = String::from_utf8(strict.stderr).unwrap();
            assert!(why.contains(part.name()) && !why.contains('\n'), "{why}");
        }
        // Capabilities go with root: a refusal to drop what is gone (systemd's filters do so) is
        // no lack.
        let gone = Place::new().ask("strict", "nothing", "capabilities", "nothing");
        assert_eq!(gone.status.code(), Some(DID));
    }

    fn staying() {
        if !rustix::process::getuid().is_root() {
            return eprintln!("SKIPPED: this is not root");
        }
        for needs in ["read", "write", "remove"] {
            let place = Place::new();
            let alone = fs::Permissions::from_mode(0o700);
            fs::set_permissions(place.root.path(), alone).unwrap();
            let best = place.ask("best-effort", needs, "-", "nothing");
            let told: serde_json::Value = serde_json::from_slice(&best.stdout).unwrap();
            let user = told["parts"]["user"].as_str().unwrap();
            let directory = place.root.path().join("in");
            let why = format!(
                "partly (still root: `{}` is closed to 65532)",
                directory.display()
            );
            assert_eq!(user, why);
            assert_eq!(told["parts"]["capabilities"], "on");
            let strict = place.ask("strict", needs, "-", "nothing");
            assert_eq!(strict.status.code(), Some(NOT_ENTERED), "{needs}");
        }
    }

    /// This thread waits for one that waits for it: it must not be let in alone.
    fn threads() {
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let waiting = std::thread::spawn(move || told.recv());
        let lack = enter(Mode::Strict, &Needs::default()).unwrap_err();
        assert!(lack.contains("other threads"), "{lack}");
        let sandbox = enter(Mode::BestEffort, &Needs::default()).unwrap();
        let is_off = |(_, hold): (Part, &Hold)| matches!(hold, Hold::Unavailable(_));
        assert!(sandbox.parts().all(is_off), "{sandbox}");
        assert_ne!(sandbox, Sandbox::default());
        drop(tell);
        let _ = waiting.join();
    }
}
