//! The respawn guard: a start that fails takes a while, unless somebody waits for it.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::server::chapbook;

/// The executable as a supervisor starts it.
fn supervised(arguments: &[&str]) -> Command {
    let mut command = chapbook();
    command.env_remove("CHAPBOOK_RESPAWN_PAUSE").args(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn seconds(mut command: Command) -> (Option<i32>, f64) {
    let started = Instant::now();
    let status = command.status().unwrap();
    (status.code(), started.elapsed().as_secs_f64())
}

const FAILS: [&str; 3] = ["serve", "--listen", "192.0.2.1:1"];

#[test]
fn a_start_that_fails_takes_two_seconds_where_nobody_looks() {
    let (code, took) = seconds(supervised(&FAILS));
    assert_eq!(code, Some(2));
    assert!((1.9..5.0).contains(&took), "{took}");
    let (code, took) = seconds(supervised(&["--port", "http"]));
    assert_eq!(code, Some(2));
    assert!((1.9..5.0).contains(&took), "{took}");
}

#[test]
fn it_takes_none_in_other_commands_nor_when_told_so() {
    let mut off = supervised(&FAILS);
    off.env("CHAPBOOK_RESPAWN_PAUSE", "0");
    let mut usage = supervised(&["--port", "http"]);
    usage.env("CHAPBOOK_RESPAWN_PAUSE", "0");
    for command in [
        off,
        usage,
        supervised(&[&FAILS[..], &["--respawn-pause", "0"]].concat()),
        supervised(&["cat", "/nowhere"]),
        supervised(&["frobnicate"]),
        supervised(&["healthcheck", "http://127.0.0.1:1/"]),
    ] {
        let said = format!("{command:?}");
        let (code, took) = seconds(command);
        assert!(
            matches!(code, Some(1 | 2)) && took < 1.5,
            "{said}: {code:?}, {took}"
        );
    }
}

fn until_it_pauses(child: &mut Child) {
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(child.try_wait().unwrap(), None, "it does not pause");
}

#[test]
fn a_signal_ends_the_pause() {
    for signal in ["-TERM", "-INT"] {
        let mut child = supervised(&FAILS).spawn().unwrap();
        until_it_pauses(&mut child);
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        let signalled = Instant::now();
        assert_eq!(child.wait().unwrap().code(), Some(2));
        assert!(
            signalled.elapsed() < Duration::from_secs(1),
            "{:?}",
            signalled.elapsed()
        );
    }
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_terminal_there_is_none() {
    if Command::new("script").arg("--version").output().is_err() {
        return crate::site::skipped_for_want_of("script");
    }
    let serve = format!("{} {}", env!("CARGO_BIN_EXE_chapbook"), FAILS.join(" "));
    let mut command = Command::new("script");
    command
        .args(["-qec", &serve, "/dev/null"])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let (code, took) = seconds(command);
    assert_eq!(code, Some(2));
    assert!(took < 1.5, "{took}");
}
