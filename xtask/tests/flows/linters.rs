//! What others know of workflows, scripts and Dockerfiles. Each linter is shown the files as they
//! are, and then a broken copy of each mistake that it is there for.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{ci_files, is_circle, read, root, said, tool, tracked};

const CI: &str = ".github/workflows/ci.yml";
const RELEASE: &str = ".github/workflows/release.yml";
const CIRCLE: &str = ".circleci/config.yml";

/// A mistake: in this file, this text, in whose place that one stands.
type Mistake = (&'static str, &'static str, &'static str);

/// Runs a linter over the files, which pass, and over a copy with each mistake, which does not.
fn lint(name: &str, words: &[&str], files: &[String], mistakes: &[Mistake]) {
    let Some(program) = tool(name) else { return };
    let passes = |directory: &Path| {
        let mut linter = Command::new(&program);
        let done = linter
            .args(words)
            .args(files)
            .current_dir(directory)
            .output();
        let done = done.unwrap_or_else(|error| panic!("{name}: {error}"));
        (done.status.success(), said(&done))
    };
    assert!(!files.is_empty(), "{name}");
    let (passed, text) = passes(root());
    assert!(passed, "{name}: {text}");
    for (file, from, to) in mistakes {
        let copy = tempfile::tempdir().unwrap();
        for name in files.iter().map(String::as_str).chain([".hadolint.yaml"]) {
            let path = copy.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, read(name)).unwrap();
        }
        let text = read(file);
        assert!(text.contains(from), "{file} has no `{from}`");
        fs::write(copy.path().join(file), text.replacen(from, to, 1)).unwrap();
        let (passed, text) = passes(copy.path());
        assert!(!passed, "{name} takes `{to}` in {file}: {text}");
    }
}

fn workflows() -> Vec<String> {
    let mut files = ci_files();
    files.retain(|name| !is_circle(name));
    files
}

#[test]
fn actionlint() {
    let mistakes = [
        (CI, "github.ref }}", "githob.ref }}"),
        (CI, "contents: read", "contents: reed"),
        (RELEASE, "needs: verify", "needs: verfy"),
        (RELEASE, "steps.push.outputs", "stops.push.outputs"),
        (RELEASE, "matrix.runner", "matrix.ranner"),
    ];
    lint("actionlint", &[], &workflows(), &mistakes);
}

#[test]
fn zizmor() {
    let mistakes = [
        (CI, "persist-credentials: false", "fetch-depth: 1"),
        (CI, "permissions: {}", "permissions: write-all"),
        (
            CI,
            "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1",
            "actions/checkout@v7",
        ),
        (
            CI,
            "cargo xtask ci fmt clippy deny lint",
            "echo ${{ github.event.pull_request.title }}",
        ),
        (CI, "  pull_request:", "  pull_request_target:"),
    ];
    let words = ["--offline", "--no-progress", "--persona=pedantic"];
    lint("zizmor", &words, &workflows(), &mistakes);
}

#[test]
fn schemas() {
    let schema = |name: &'static str, files: &[String], mistakes: &[Mistake]| {
        let words = ["--builtin-schema", name];
        lint("check-jsonschema", &words, files, mistakes);
    };
    let typing = (CI, "runs-on: ubuntu-24.04", "run-on: ubuntu-24.04");
    schema("vendor.github-workflows", &workflows(), &[typing]);
    let timeless = (CI, "    timeout-minutes: 60\n", "");
    let timeouts = "custom.github-workflows-require-timeout";
    schema(timeouts, &workflows(), &[timeless]);
    let circle = [
        (CIRCLE, "requires: [build]", "requires: build"),
        (CIRCLE, "type: boolean", "type: bool"),
        (CIRCLE, "no_output_timeout", "no_output_timeuot"),
    ];
    schema("vendor.circle-ci", &[CIRCLE.to_owned()], &circle);
    let dependabot = ".github/dependabot.yml";
    let weekly = (dependabot, "interval: weekly", "interval: often");
    schema("vendor.dependabot", &[dependabot.to_owned()], &[weekly]);
}

#[test]
fn shellcheck() {
    let is_script = |name: &String| {
        let head = fs::read(root().join(name)).unwrap();
        name.ends_with(".sh") || head.starts_with(b"#!/bin/sh")
    };
    let mut scripts = tracked();
    scripts.retain(is_script);
    for known in [".ci/run", "build/static.sh"] {
        assert!(scripts.iter().any(|script| script == known), "{known}");
    }
    let mistakes = [
        (".ci/run", "\"$(dirname \"$0\")/..\"", "$(dirname $0)/.."),
        ("build/static.sh", "set -eu\n", "set -euo pipefail\n"),
    ];
    lint("shellcheck", &[], &scripts, &mistakes);
}

#[test]
fn hadolint() {
    let mistakes = [
        ("Dockerfile", "WORKDIR /chapbook", "WORKDIR chapbook"),
        ("Dockerfile", "COPY . .", "ADD . ."),
        (
            "Dockerfile",
            "ENTRYPOINT [\"/chapbook\"]",
            "ENTRYPOINT /chapbook",
        ),
    ];
    let words = ["--config", ".hadolint.yaml"];
    lint("hadolint", &words, &["Dockerfile".to_owned()], &mistakes);
}
