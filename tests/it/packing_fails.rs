//! What cannot be packed: one line that names it, exit 2, no half of a file, and what was there
//! stays.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::archives;
use crate::runnable::make_runnable;
use crate::server::PATIENCE;
use crate::workshop::{Workshop, said};

/// A workshop where `out` is precious.
fn workshop() -> Workshop {
    let workshop = Workshop::new();
    workshop.write("out", b"precious");
    workshop
}

/// It failed as it should.
fn refused(workshop: &Workshop, done: &Output, message: &str) {
    let said = said(done);
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(said.contains(message), "{said}, not {message}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(workshop.read("out"), b"precious", "{message}");
    let names = workshop.names();
    assert!(
        !names.iter().any(|name| name.ends_with(".part")),
        "{names:?}"
    );
}

/// Something is done to a site.
type Harm = fn(&Path);

#[test]
fn sources_that_cannot_be_read_are_named() {
    let harms: [(Harm, &str); 9] = [
        (
            |site| fs::remove_dir_all(site).unwrap(),
            "`site`: No such file",
        ),
        (empty, "`site`: there are no files in it"),
        (
            |site| symlink("..", site.join("docs/up")).unwrap(),
            "`site/docs/up`: the link",
        ),
        (
            |site| symlink("b", site.join("b")).unwrap(),
            "`site/b`: Too many levels",
        ),
        (
            |site| symlink("/etc", site.join("b")).unwrap(),
            "`site/b`: the link leads out",
        ),
        (
            |site| symlink("gone", site.join("b")).unwrap(),
            "`site/b`: No such file",
        ),
        (
            |site| drop(UnixListener::bind(site.join("b")).unwrap()),
            "`site/b`: it is neither",
        ),
        (name_in_latin_1, "its name is not UTF-8"),
        (
            |site| fs::write(site.join("a\nb"), "").unwrap(),
            "control character in its name",
        ),
    ];
    for (harm, message) in harms {
        let workshop = workshop();
        harm(&workshop.path("site"));
        let done = workshop.chapbook(&["pack", "site", "-o", "out"]).output();
        refused(&workshop, &done.unwrap(), message);
    }
}

fn empty(site: &Path) {
    fs::remove_dir_all(site).unwrap();
    fs::create_dir(site).unwrap();
}

fn name_in_latin_1(site: &Path) {
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.html");
    fs::write(site.join(name), "").unwrap();
}

/// As a user who is not root, whom nothing stops.
#[test]
fn files_that_may_not_be_read_are_named() {
    let workshop = workshop();
    let executable = workshop.path("chapbook");
    fs::copy(env!("CARGO_BIN_EXE_chapbook"), &executable).unwrap();
    make_runnable(&executable);
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&workshop.path(""), 0o777);
    mode(&workshop.path("site/main.css"), 0);
    let mut command = workshop.packed("chapbook", &["pack", "site", "-o", "out"]);
    if fs::metadata(&executable).unwrap().uid() == 0 {
        command.uid(65_534);
    }
    match command.output() {
        Ok(done) => refused(&workshop, &done, "`site/main.css`: Permission denied"),
        Err(error) => crate::site::skipped(&format!("there is no running as nobody: {error}")),
    }
}

#[test]
fn damaged_archives_are_named() {
    let whole = workshop();
    for name in ["a.tar", "a.tar.gz", "a.tar.zst", "a.zip"] {
        archives::write(&whole.path("site"), &whole.path(name));
        let bytes = whole.read(name);
        whole.write(name, &bytes[..bytes.len() / 2]);
        let done = whole.chapbook(&["pack", name, "-o", "out"]).output();
        refused(&whole, &done.unwrap(), &format!("`{name}`: "));
    }
    let done = whole.chapbook(&["pack", "gone.zip", "-o", "out"]).output();
    refused(&whole, &done.unwrap(), "`gone.zip`: No such file");
    let mut alone = whole.chapbook(&["pack", "a.tar", "-o", "none/out"]);
    alone.env("TMPDIR", whole.path("nowhere"));
    refused(&whole, &alone.output().unwrap(), "`none/out`: No such file");
}

#[test]
fn remote_sources_say_what_they_need() {
    let workshop = workshop();
    let digest = "00".repeat(32);
    let image = format!("oci://a.example/b@sha256:{digest}");
    let with_digest = ["https://a.example/a.zip", "--sha256", &digest];
    for (arguments, message) in [
        (
            &["https://a.example/a.zip"][..],
            "a remote source needs its sha256",
        ),
        (&with_digest, "--features fetch"),
        (&[&*image], "--features fetch"),
    ] {
        if cfg!(feature = "fetch") && message == "--features fetch" {
            continue;
        }
        let arguments = [&["pack", "-o", "out"], arguments].concat();
        let done = workshop.chapbook(&arguments).output().unwrap();
        refused(&workshop, &done, message);
    }
}

#[test]
fn places_that_cannot_be_written_are_named() {
    let workshop = workshop();
    let _socket = UnixListener::bind(workshop.path("socket")).unwrap();
    for (file, message) in [
        ("none/out", "`none/out`: No such file"),
        ("site", "`site`: is a directory"),
        ("socket", "`socket`: it is there, and is not a file"),
        ("..", "`..`: it is not the name of a file"),
        ("site/out", "`site/out`: it would lie in the site"),
    ] {
        let done = workshop.chapbook(&["pack", "site", "-o", file]).output();
        refused(&workshop, &done.unwrap(), message);
    }
    assert!(workshop.path("socket").exists());
}

/// A bound on the length of files stands in for a full disk: once the copy of the executable does
/// not fit, and once the site does not.
#[test]
fn a_full_disk_is_told_of_the_file_that_does_not_fit() {
    let workshop = workshop();
    workshop.write("site/noise.png", &crate::sites::large()[..4 << 20]);
    let executable = env!("CARGO_BIN_EXE_chapbook");
    let length = fs::metadata(executable).unwrap().len();
    for bytes in [length / 2, length + (1 << 20)] {
        // POSIX counts in blocks of 512 bytes.
        let script = format!(
            "trap '' XFSZ; ulimit -f {}; exec '{executable}' pack site -o out",
            bytes / 512
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]).current_dir(workshop.path(""));
        let done = command.env("CHAPBOOK_CACHE", "off").output().unwrap();
        refused(&workshop, &done, "failed to pack `out`: File too large");
    }
}

#[test]
fn a_file_that_changes_meanwhile_is_named() {
    let workshop = workshop();
    let is_over = AtomicBool::new(false);
    let deadline = Instant::now() + PATIENCE;
    let log = workshop.path("site/log.txt");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut bytes = 0;
            while !is_over.load(Ordering::Relaxed) && Instant::now() < deadline {
                bytes = (bytes + 1) % 9_000;
                fs::write(&log, vec![b'x'; bytes]).unwrap();
            }
        });
        loop {
            let done = workshop.chapbook(&["pack", "site", "-o", "out"]).output();
            let done = done.unwrap();
            if !done.status.success() {
                is_over.store(true, Ordering::Relaxed);
                break refused(&workshop, &done, "`site/log.txt`: it changed");
            }
            // It was quick.
            workshop.write("out", b"precious");
            assert!(Instant::now() < deadline, "it never sees a change");
        }
    });
}

/// A pack that takes its time, once it has begun to write.
fn begun(workshop: &Workshop) -> Child {
    let child = workshop.chapbook(&["pack", "site", "-o", "out"]).spawn();
    let child = child.unwrap();
    let deadline = Instant::now() + PATIENCE;
    let part = workshop.path(".out.part");
    while !fs::metadata(&part).is_ok_and(|metadata| metadata.len() > 1 << 20) {
        assert!(Instant::now() < deadline, "it never begins");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

/// Text that takes seconds to be coded.
fn slow(workshop: &Workshop) {
    for number in 0..4 {
        let name = format!("site/slow-{number}.txt");
        workshop.write(&name, &crate::sites::large_text());
    }
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let done = Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(done.success());
}

#[test]
fn a_pack_that_is_killed_leaves_nothing_that_matters() {
    let workshop = workshop();
    slow(&workshop);
    let mut child = begun(&workshop);
    signal(&child, "-KILL");
    child.wait().unwrap();
    assert_eq!(workshop.read("out"), b"precious");
    assert_eq!(workshop.names(), [".out.part", "out", "site"]);
    for number in 0..4 {
        fs::remove_file(workshop.path(&format!("site/slow-{number}.txt"))).unwrap();
    }
    // Its permissions are nobody's concern, and it may be another name of another file.
    let nobody = fs::Permissions::from_mode(0o600);
    fs::set_permissions(workshop.path(".out.part"), nobody).unwrap();
    fs::hard_link(workshop.path(".out.part"), workshop.path("other")).unwrap();
    let other = workshop.read("other");
    workshop.pack(&["site", "-o", "out"]);
    assert_eq!(workshop.read("other"), other);
    fs::remove_file(workshop.path("other")).unwrap();
    assert_eq!(workshop.names(), ["out", "site"]);
    assert!(workshop.ask("out", &["verify"]).ends_with("as packed\n"));
}

#[test]
fn a_pack_that_is_interrupted_leaves_nothing() {
    let workshop = workshop();
    slow(&workshop);
    for name in ["-INT", "-TERM", "-HUP"] {
        let mut child = begun(&workshop);
        signal(&child, name);
        assert_eq!(child.wait().unwrap().code(), None, "{name}: by the signal");
        assert_eq!(workshop.read("out"), b"precious");
        assert_eq!(workshop.names(), ["out", "site"], "{name}");
    }
}

#[test]
fn one_of_two_packs_at_once_gives_way() {
    let workshop = workshop();
    slow(&workshop);
    let mut first = begun(&workshop);
    let done = workshop.chapbook(&["pack", "site", "-o", "out"]).output();
    let told = said(&done.unwrap());
    assert!(
        told.contains("`.out.part` is being written by another process"),
        "{told}"
    );
    assert!(
        File::open(workshop.path(".out.part")).is_ok(),
        "the first goes on"
    );
    signal(&first, "-TERM");
    first.wait().unwrap();
}

/// A server whose site is still being packed, with a cache; `before` is what runs it.
fn preparing(workshop: &Workshop, before: &[&str]) -> Child {
    let program = [before, &[env!("CARGO_BIN_EXE_chapbook")]].concat();
    let mut command = Command::new(program[0]);
    command
        .args(&program[1..])
        .args(["serve", "site", "--cache", "cache"])
        .args(["--listen", "127.0.0.1:0"])
        .current_dir(workshop.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !workshop.path("cache/coded").exists() {
        assert!(Instant::now() < deadline, "it never begins");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(200));
    child
}

fn assert_ends_at_once(workshop: &Workshop, child: Child, signalled: Instant, what: &str) {
    let done = child.wait_with_output().unwrap();
    let after = signalled.elapsed();
    assert_eq!(done.status.code(), Some(0), "{what}: {}", said(&done));
    assert!(after < Duration::from_secs(1), "{what}: after {after:?}");
    let told = said(&done);
    assert!(
        told.ends_with("\"ended before there was a site to serve\"}\n"),
        "{told}"
    );
    let cached = crate::archives::files(&workshop.path("cache"));
    let part = cached.iter().find(|(name, _)| name.ends_with(".part"));
    assert!(part.is_none(), "{what} leaves {part:?}");
    let _ = fs::remove_dir_all(workshop.path("cache"));
}

#[test]
fn a_server_that_still_packs_ends_at_once() {
    let workshop = workshop();
    slow(&workshop);
    for name in ["-TERM", "-INT"] {
        let child = preparing(&workshop, &[]);
        let signalled = Instant::now();
        signal(&child, name);
        assert_ends_at_once(&workshop, child, signalled, name);
    }
    assert_eq!(workshop.names(), ["out", "site"]);
}

/// PID 1 of a namespace of its own gets only the signals that it handles.
#[test]
fn so_it_does_as_pid_1() {
    let unshare = ["unshare", "--pid", "--fork", "--kill-child", "--user"];
    let unshare = [&unshare[..], &["--map-root-user"]].concat();
    let possible = Command::new(unshare[0])
        .args(&unshare[1..])
        .arg("true")
        .output();
    if !possible.is_ok_and(|done| done.status.success()) {
        return crate::site::skipped("unshare cannot make a PID namespace here");
    }
    let workshop = workshop();
    slow(&workshop);
    let child = preparing(&workshop, &unshare);
    let parent = child.id().to_string();
    let found = Command::new("pgrep")
        .args(["-P", &parent])
        .output()
        .unwrap();
    let pid = String::from_utf8(found.stdout).unwrap();
    let signalled = Instant::now();
    let done = Command::new("kill").args(["-TERM", pid.trim()]).status();
    assert!(done.unwrap().success());
    assert_ends_at_once(&workshop, child, signalled, "PID 1");
}
