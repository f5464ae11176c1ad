//! What executables are made of: told, held to the rules, and built again without a network.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod others;
#[path = "../../../tests/it/runnable.rs"]
mod runnable;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use runnable::make_runnable;

fn root() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
}

fn xtask(words: &[&str]) -> Command {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.args(words).current_dir(root());
    xtask
}

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{}\n{out}{err}", output.status)
}

fn succeeded(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Says loudly that a test did not run; where CI has the tools, that is a failure.
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
    let ours = std::env::var_os("CHAPBOOK_CI_TOOLS").is_some();
    assert!(!ours, "CI has to have what this needs: {why}");
}

#[test]
fn wrong_words_are_wrong() {
    for (words, why) in [
        (&["sbom", "-x"][..], "`-x` is not known here"),
        (&["deny", "x"], "`x` is not known here"),
        (&["bundle"], "`-o DIR`"),
        (&["bundle", "-o"], "`-o` is not known here, or not whole"),
        (
            &["bundle", "-o", ""],
            "`-o` is not known here, or not whole",
        ),
        (&["archives", "dir"], "DIR and VERSION"),
        (&["archives", "dir", "../v"], "`../v` is no VERSION"),
        (&["static"], "one DIR"),
        (&["static", "--wrong", "dir"], "`--wrong` is not known here"),
    ] {
        let output = xtask(words).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{words:?}: {}",
            said(&output)
        );
        let said = said(&output);
        assert!(said.contains("\nusage: cargo xtask"), "{words:?}: {said}");
        assert!(said.contains(why), "{words:?}: {said}");
    }
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("bundle");
    let unknown = ["bundle", "-o", place.to_str().unwrap(), "--commit", "none"];
    let said_of_it = said(&xtask(&unknown).output().unwrap());
    let cause = "there is no commit `none` here: failed to run `git`: exit status: 1";
    assert!(said_of_it.contains(cause), "{said_of_it}");
    let without_git = xtask(&unknown).env("PATH", "/nowhere").output().unwrap();
    assert!(said(&without_git).contains("failed to run `git`: No such file"));
    for name in ["sbom", "deny", "bundle"] {
        assert!(succeeded(&mut xtask(&[name, "--help"])).contains(name));
    }
}

#[test]
fn packages_are_as_deny_toml_wants_them() {
    assert!(succeeded(&mut xtask(&["deny"])).contains("packages are as"));
}

#[test]
fn the_same_sources_have_the_same_bill_of_materials() {
    let one = succeeded(&mut xtask(&["sbom"]));
    assert_eq!(one, succeeded(&mut xtask(&["sbom"])));
    let document: Value = serde_json::from_str(&one).unwrap();
    // § CycloneDX 1.6, and what actions/attest wants beside name and version of the format.
    let serial = document["serialNumber"].as_str().unwrap();
    assert!(
        serial.starts_with("urn:uuid:") && serial.len() == 45,
        "{serial}"
    );
    let components = document["components"].as_array().unwrap();
    let named = |name: &str| {
        components
            .iter()
            .find(|component| component["name"] == name)
    };
    assert_eq!(named("tiny_http").unwrap()["scope"], "required");
    assert_eq!(named("include_dir_macros").unwrap()["scope"], "excluded");
    assert!(named("tempfile").is_some(), "the compiler's");
    assert!(named("spdx").is_none(), "xtask's");
    assert!(named("rustls").is_none(), "of a feature that is off");
    assert!(named("windows-sys").is_none(), "of another system");
    let fetching = succeeded(&mut xtask(&["sbom", "--features", "default,fetch"]));
    assert!(fetching.contains("\"pkg:cargo/rustls@"));
    // Everything that is named is there, and everything from elsewhere has its digest.
    let mut names: Vec<&str> = components
        .iter()
        .map(|one| one["bom-ref"].as_str().unwrap())
        .collect();
    names.push(
        document["metadata"]["component"]["bom-ref"]
            .as_str()
            .unwrap(),
    );
    for edges in document["dependencies"].as_array().unwrap() {
        let all = edges["dependsOn"]
            .as_array()
            .unwrap()
            .iter()
            .chain([&edges["ref"]]);
        for name in all {
            assert!(names.contains(&name.as_str().unwrap()), "{name}");
        }
    }
    for component in components {
        let digest = component["hashes"][0]["content"]
            .as_str()
            .unwrap_or_default();
        let is_ours = ["sitepack", "remote"].contains(&component["name"].as_str().unwrap());
        assert_eq!(digest.len(), if is_ours { 0 } else { 64 }, "{component}");
        assert!(
            component["licenses"][0]["expression"].is_string(),
            "{component}"
        );
    }
}

/// A machine that has compiled xtask alone lacks some of chapbook's crates: they are fetched before
/// they are asked for. Which those are, depends on what the machine has; so a stand-in tells.
#[test]
fn crates_are_there_before_they_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    let stand_in = directory.path().join("cargo");
    let log = directory.path().join("log");
    let cargo = std::env::var("CARGO").unwrap();
    let script = format!(
        "#!/bin/sh\necho \"$*\" >>{}\nexec {cargo} \"$@\"\n",
        log.display()
    );
    fs::write(&stand_in, script).unwrap();
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
    make_runnable(&stand_in);
    succeeded(xtask(&["sbom", "--target", "aarch64-unknown-linux-musl"]).env("CARGO", &stand_in));
    let asked = fs::read_to_string(&log).unwrap();
    let mut asked = asked.lines();
    let fetch = "fetch --quiet --locked --target aarch64-unknown-linux-musl";
    assert_eq!(asked.next(), Some(fetch));
    assert!(asked.all(|line| line.starts_with("tree ")));
}

/// Two builds for size, several minutes. Moved between them, so that no directory is in it.
#[test]
#[ignore = "compiles twice: four minutes of two cores"]
fn a_bundle_builds_itself_again_without_a_network() {
    let unshare = match may_unshare() {
        Ok(words) => words,
        Err(why) => return skipped(&why),
    };
    let directory = tempfile::tempdir().unwrap();
    let (made, moved) = (
        directory.path().join("made"),
        directory.path().join("moved"),
    );
    let name = made.to_str().unwrap();
    let other = directory.path().join("other");
    others::good(&other);
    let mut bundle = xtask(&["bundle", "-o", name, "--with", other.to_str().unwrap()]);
    succeeded(bundle.env("CARGO_TARGET_DIR", directory.path().join("target")));
    let again = xtask(&["bundle", "-o", name]).output().unwrap();
    assert!(said(&again).contains("it exists"), "{}", said(&again));
    fs::rename(&made, &moved).unwrap();

    is_whole(&moved, &other);

    // A cargo that has downloaded nothing.
    let home = directory.path().join("home");
    fs::create_dir(&home).unwrap();
    let alone = |words: &[&str], directory: &Path| {
        let mut command = Command::new("unshare");
        command.args(unshare).args(words).current_dir(directory);
        command.env("CARGO_HOME", &home);
        command
    };
    let rebuild = ["sh", "rebuild.sh"];
    assert!(succeeded(&mut alone(&rebuild, &moved)).contains("the same as bin/chapbook"));
    // What INSTRUCTIONS.md says to push the image with.
    let push = ["cargo", "xtask", "push", "--help"];
    let mut push = alone(&push, &moved.join("source"));
    push.env("CARGO_TARGET_DIR", directory.path().join("target/xtask"));
    assert!(succeeded(&mut push).contains("usage: cargo xtask push"));

    let changed = moved.join("source/README.md");
    fs::write(&changed, "changed").unwrap();
    let output = alone(&rebuild, &moved).output().unwrap();
    assert!(!output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("source/README.md: FAILED"),
        "{}",
        said(&output)
    );
}

/// What was made here, and what another machine left.
fn is_whole(moved: &Path, other: &Path) {
    succeeded(
        Command::new("sha256sum")
            .args(["--check", "--quiet", "SHA256SUMS"])
            .current_dir(moved),
    );
    for (there, here) in [
        ("bin/chapbook-aarch64", "chapbook"),
        ("chapbook-aarch64.tar", "image.tar"),
    ] {
        let carried = fs::read(moved.join(there)).unwrap();
        assert_eq!(carried, fs::read(other.join(here)).unwrap());
    }
    let instructions = fs::read_to_string(moved.join("INSTRUCTIONS.md")).unwrap();
    assert!(instructions.contains("| `bin/chapbook-aarch64`, "));
    let is_filled = |name| !instructions.contains(&format!("@{name}@"));
    assert!(["OTHERS", "COMMIT"].into_iter().all(is_filled));
    let image = fs::read_to_string(moved.join("kit/compose/compose.yaml")).unwrap();
    assert!(image.contains("localhost/chapbook@sha256:"), "{image}");
    let executable = moved.join("bin/chapbook");
    let told = fs::read_to_string(moved.join("sbom.cdx.json")).unwrap();
    assert_eq!(
        told,
        succeeded(Command::new(&executable).args(["version", "--sbom"]))
    );
    packages_are_found(&executable, &told);
}

/// What `cargo auditable`'s own reader finds, is what the executable tells.
fn packages_are_found(executable: &Path, told: &str) {
    let info = auditable_info::json_from_file(executable, auditable_info::Limits::default());
    let info: Value = serde_json::from_str(&info.unwrap()).unwrap();
    let told: Value = serde_json::from_str(told).unwrap();
    let all = info.get("packages").and_then(Value::as_array).unwrap();
    let components = told.get("components").and_then(Value::as_array);
    assert_eq!(all.len(), components.unwrap().len() + 1);
    assert_eq!(
        all.iter().filter(|package| package["root"] == true).count(),
        1
    );
}

/// How to be without a network here: as anybody, or as root where that is not permitted.
fn may_unshare() -> Result<&'static [&'static str], String> {
    let ways: [&[&str]; 2] = [&["--map-root-user", "--net"], &["--net"]];
    let mut why = String::new();
    for words in ways {
        let output = Command::new("unshare").args(words).arg("true").output();
        let output = output.map_err(|error| format!("`unshare` (util-linux): {error}"))?;
        if output.status.success() {
            return Ok(words);
        }
        why = said(&output);
    }
    Err(format!("namespaces are not permitted: {why}"))
}
