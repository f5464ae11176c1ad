//! The commands as they are typed: usage, exit codes, and what a process shows of itself.

use std::process::{Command, Stdio};

use crate::Place;
use crate::image::Image;
use crate::server::{Reply, Server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_registry");

#[test]
fn wrong_usage_is_told_before_anything_is_done() {
    let server = Server::plain();
    let place = Place::new();
    let file = place.file("image.tar", Image::new("amd64").both());
    let file = file.to_str().unwrap();
    let a = &*server.name("a:v1");
    let digest = format!("{}@sha256:{}", server.name("a"), "0".repeat(64));
    let cases: &[(&[&str], &str)] = &[
        (&[], "see cargo xtask push --help"),
        (&["push", file], "see cargo xtask push --help"),
        (&["pull", a], "see cargo xtask push --help"),
        (&["push", file, a, "--wrong"], "--wrong"),
        (
            &["push", file, a, "--media-types", "both"],
            "`both`: keep, docker or oci",
        ),
        (
            &["push", file, a, "--mount-from", "A"],
            "to mount from is malformed",
        ),
        (
            &["push", file, a, "--mount-from", "a:v1"],
            "to mount from is malformed",
        ),
        (&["push", file, &digest], "name no digest"),
        (&["push", file, "ghcr.io/A:v1"], "repository is malformed"),
        (&["push", file, "ghcr.io/a:-"], "tag is malformed"),
        (&["push", file, "u:hunter2@ghcr.io/a"], "credentials"),
        (
            &["push", file, &server.name("a"), "--tags-only"],
            "needs a tag",
        ),
        (&["retag", a], "see cargo xtask push --help"),
        (&["index", a], "see cargo xtask push --help"),
        (&["index", a, "sha256:00"], "64 lower-case"),
        (&["index", &digest, "sha256:00"], "name no digest"),
        (&["retag", a, "b/c"], "the tag is malformed"),
        (
            &["retag", &server.name("a"), "b"],
            "retag wants NAME@sha256:… or NAME:TAG",
        ),
        (&["inspect", "ghcr.io/a@sha256:00"], "64 lower-case"),
        (&["push", file, a, "--user", "u"], "no password"),
        (
            &["push", file, a, "--password-stdin"],
            "no usable password on standard input",
        ),
    ];
    for (arguments, cause) in cases {
        let (code, line) = place.try_run(arguments).unwrap_err();
        assert!(
            code == 2 && line.contains(cause),
            "{arguments:?}: {code} {line}"
        );
    }
    let place = place
        .variable("CHAPBOOK_REGISTRY_USER", "u")
        .variable("CHAPBOOK_REGISTRY_PASSWORD", "hunter2");
    let (_, line) = place
        .try_run(&["push", file, a, "ghcr.io/a:v1"])
        .unwrap_err();
    assert!(line.contains("one registry only"), "{line}");
    assert_eq!(server.lines(), [""; 0]);
    assert!(
        Place::new()
            .run(&["push", "--help"])
            .starts_with("usage: cargo xtask push")
    );
}

/// Standard output is the digest, standard error is empty when it is no terminal; the password is
/// on no command line.
#[test]
fn a_process_shows_the_digest_and_no_secret() {
    let (place, image) = (Place::new(), Image::new("amd64"));
    let file = place.file("image.tar", image.both());
    let server = Server::new(|seen| {
        let shown = seen.field("authorization") == Some("Basic dTpodW50ZXIy");
        (!shown).then(|| Reply::status(401).field("WWW-Authenticate", "Basic realm=\"a\""))
    });
    let run = |password: &str| {
        let mut command = Command::new(PROGRAM);
        command.arg("push").arg(&file).arg(server.name("poems:v1"));
        command.args(["--user", "u", "--password-stdin"]);
        command.env_clear().stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // While it waits for the password.
        let shown = std::fs::read(format!("/proc/{}/cmdline", child.id()));
        let shown = String::from_utf8(shown.unwrap_or_default()).unwrap();
        assert!(!shown.contains(password), "{shown}");
        let mut stdin = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, password.as_bytes()).unwrap();
        drop(stdin);
        let done = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    };
    let digest = format!("{}@{}\n", server.name("poems"), image.digest());
    assert_eq!(run("hunter2"), (Some(0), digest, String::new()));
    let (code, out, error) = run("hunter3-wrong");
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(
        error.starts_with("xtask: failed to push `127.0.0.1:"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1);
    assert!(!error.contains("hunter3"), "{error}");
}
