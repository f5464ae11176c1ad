//! The rules that the CI files have given themselves, beyond what linters ask for. They read lines:
//! the files are ours, and linters have read them as YAML.

use std::collections::BTreeSet;
use std::process::Command;

use crate::{ci_files, is_circle, read, said};

/// What a `run:` may begin with: our one entry point, and what installs tools.
const INSTALLS_OR_CALLS: [&str; 11] = [
    "cargo xtask ",
    "cargo +1.95 xtask ",
    "rustup toolchain install ",
    "rustup component add ",
    "rustup default ",
    "cargo install --locked cargo-deny@",
    "sudo apt-get ",
    "apt-get ",
    "python3 -m venv target/ci-tools",
    "target/ci-tools/bin/pip install ",
    "cosign sign --yes \"$NAME@$DIGEST\"",
];

/// What it may be besides, as it stands, and why it is no command of xtask's.
const OTHERS: [(&str, &str); 25] = [
    (
        "sudo env \"PATH=$PATH\" \"HOME=$HOME\" CHAPBOOK_CI_TOOLS=1 \
         cargo xtask ci static containers bundle",
        "xtask, as root: an engine of Docker is started, and a network taken away",
    ),
    (
        "echo \"$PWD/target/ci-tools/bin\" >>\"$GITHUB_PATH\"",
        "installs: the tools are found by the next step",
    ),
    (
        "echo \"$ARCH=$(cat target/release-image/digest)\" >>\"$GITHUB_OUTPUT\"",
        "GitHub's way from job to job",
    ),
    ("image=\"$(cat index.txt)\"", "the same"),
    ("echo \"name=${image%@*}\" >>\"$GITHUB_OUTPUT\"", "the same"),
    (
        "echo \"digest=${image##*@}\" >>\"$GITHUB_OUTPUT\"",
        "the same",
    ),
    (
        "mkdir -p target/archives/amd64 target/archives/arm64",
        "docker cp makes no directory",
    ),
    (
        "docker create --platform linux/amd64 --name amd64 \
         \"ghcr.io/${GITHUB_REPOSITORY,,}@$AMD64\"",
        "takes a file out of an image, which the runner's engine can",
    ),
    (
        "docker create --platform linux/arm64 --name arm64 \
         \"ghcr.io/${GITHUB_REPOSITORY,,}@$ARM64\"",
        "the same",
    ),
    (
        "docker cp amd64:/chapbook target/archives/amd64/chapbook",
        "the same",
    ),
    (
        "docker cp arm64:/chapbook target/archives/arm64/chapbook",
        "the same",
    ),
    (
        "version=\"${GITHUB_REF_NAME%%+*}\"",
        "whether it is early, GitHub's expressions cannot tell",
    ),
    (
        "[ \"$version\" = \"${version%%-*}\" ] && early=false || early=true",
        "the same",
    ),
    (
        "gh release create \"$GITHUB_REF_NAME\" --verify-tag --prerelease=\"$early\" \
         --generate-notes target/archives/*.tar.gz \
         target/archives/sbom.cdx.json target/archives/SHA256SUMS",
        "GitHub's own client, on its runners",
    ),
    (
        "if [ -n \"$CIRCLE_TAG\" ]; then",
        "CircleCI has no condition on a tag within a job",
    ),
    ("fi", "the same"),
    (
        "circleci run oidc get --claims \"{\\\"aud\\\":\\\"$GOOGLE_AUDIENCE\\\"}\" \
         >\"$HOME/oidc-token\"",
        "a token is asked for by CircleCI's own program",
    ),
    (
        "gcloud iam workload-identity-pools create-cred-config \"$GOOGLE_PROVIDER\" \\",
        "Google's client turns it into an identity",
    ),
    (
        "--credential-source-file=\"$HOME/oidc-token\" --output-file=\"$HOME/google.json\"",
        "the same",
    ),
    (
        "gcloud auth login --brief --cred-file=\"$HOME/google.json\"",
        "the same",
    ),
    (
        "sh deploy/deploy.<< parameters.target >>.sh << parameters.tag >>",
        "a job without a checkout has no xtask: `cargo xtask deploy-scripts` wrote it",
    ),
    ("cargo xtask sbom >sbom.cdx.json", "a redirection"),
    (
        "cargo xtask sbom >target/archives/sbom.cdx.json",
        "a redirection",
    ),
    (
        "cargo xtask index \"ghcr.io/${GITHUB_REPOSITORY,,}\" \"$AMD64\" \"$ARM64\" >index.txt",
        "a redirection",
    ),
    (
        "cargo xtask deploy-scripts target/deploy --tar image.tar \
         --image \"$IMAGE@$(cat target/deploy/digest)\"",
        "a digest from a file",
    ),
];

/// The commands of a CI file, a line each.
fn commands(text: &str) -> Vec<&str> {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let mut found = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let rest = line.trim_start().trim_start_matches("- ");
        let command = ["run:", "command:"]
            .iter()
            .find_map(|key| rest.strip_prefix(key));
        let Some(command) = command.map(str::trim).filter(|command| !command.is_empty()) else {
            continue;
        };
        if !["|", ">", "|-", ">-"].contains(&command) {
            found.push(command);
            continue;
        }
        let outer = indent(line);
        while let Some(line) = lines.next_if(|line| indent(line) > outer || line.is_empty()) {
            found.push(line.trim());
        }
    }
    found
}

fn is_permitted(command: &str) -> bool {
    let mut begins = INSTALLS_OR_CALLS.iter();
    let is_plain = !command.contains([';', '|', '&', '`', '>', '<']) && !command.contains("$(");
    OTHERS.iter().any(|(known, _)| *known == command)
        || (is_plain && begins.any(|begin| command.starts_with(begin)))
}

/// What is wrong with a CI file.
fn problems(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for command in commands(text) {
        if !is_permitted(command) {
            found.push(format!("it runs `{command}`"));
        }
        if command.contains("${{") {
            found.push(format!("text of others is in `{command}`"));
        }
    }
    for (number, line) in (1..).zip(text.lines()) {
        for word in [
            "-latest",
            ":latest",
            "pull_request_target",
            "workflow_run",
            "inherit",
        ] {
            if line.contains(word) {
                found.push(format!("line {number} has `{word}`"));
            }
        }
    }
    found.extend(match is_circle(name) {
        true => circle(text),
        false => github(name, text),
    });
    found
}

fn github(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.lines().any(|line| line == "permissions: {}") {
        found.push("there is no `permissions: {}` at the top".to_owned());
    }
    for line in text.lines().filter(|line| line.contains("uses:")) {
        let used = line.split("uses:").nth(1).unwrap_or_default().trim();
        let (action, version) = used.split_once(" # v").unwrap_or((used, ""));
        let (action, hash) = action.split_once('@').unwrap_or((action, ""));
        let is_hash = hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_version = version.starts_with(|first: char| first.is_ascii_digit());
        if !is_hash || !is_version || hash.to_ascii_lowercase() != hash {
            found.push(format!("`{used}` is no hash with a version beside it"));
        }
        if name.contains("release") && action.contains("cache") {
            found.push("a release restores a cache".to_owned());
        }
    }
    let steps: Vec<&str> = text.split("\n      - ").collect();
    for step in steps
        .iter()
        .filter(|step| step.contains("actions/checkout@"))
    {
        if !step.contains("persist-credentials: false") {
            found.push("a checkout keeps its credentials".to_owned());
        }
    }
    let jobs = text.split("\njobs:\n").nth(1).unwrap_or_default();
    for (job, block) in blocks(jobs, "  ") {
        for key in ["permissions:", "timeout-minutes:", "runs-on:"] {
            let line = format!("    {key}");
            if !block.iter().any(|own| own.starts_with(&line)) {
                found.push(format!("the job {job} has no `{key}`"));
            }
        }
    }
    found
}

/// Who deploys has a context of its own, waits for the build and for others, and has a condition.
fn circle(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut contexts = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        let Some(list) = line.strip_prefix("context:") else {
            continue;
        };
        let name = list.trim().trim_matches(['[', ']']).trim();
        if name.is_empty() || name.contains([',', ' ']) {
            found.push(format!("`{line}` is not one context"));
        }
        if !contexts.insert(name) {
            found.push(format!("two jobs have the context {name}"));
        }
    }
    let workflows = text.split("\nworkflows:\n").nth(1).unwrap_or_default();
    for entry in workflows
        .split("      - ")
        .filter(|entry| entry.starts_with("deploy"))
    {
        let name = entry
            .lines()
            .find_map(|line| line.trim().strip_prefix("name: "));
        for key in [
            "context: [",
            "requires: [build",
            "serial-group: ",
            "filters: ",
        ] {
            if !entry.contains(key) {
                let name = name.unwrap_or("without a name");
                found.push(format!("the job {name} has no `{key}`"));
            }
        }
    }
    // § A scalar was what dummyapp had; the schema takes it, and CircleCI's documents do not.
    let paths = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("paths:"));
    for paths in paths.filter(|line| !line.starts_with("paths: [") || line.contains("[.")) {
        found.push(format!(
            "`{paths}` is no list of directories below the root"
        ));
    }
    if !text.contains("version: 2.1\n") {
        found.push("it is not of version 2.1".to_owned());
    }
    found
}

/// What stands at an indentation, and the lines below it.
fn blocks<'t>(text: &'t str, indent: &str) -> Vec<(&'t str, Vec<&'t str>)> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        let rest = line.strip_prefix(indent).unwrap_or_default();
        match rest.strip_suffix(':') {
            Some(name) if !name.starts_with([' ', '#']) => found.push((name, Vec::new())),
            Some(_) | None => {
                if let Some((_, lines)) = found.last_mut() {
                    lines.push(line);
                }
            }
        }
    }
    found
}

#[test]
fn the_files_keep_the_rules() {
    for name in ci_files() {
        let text = read(&name);
        assert_eq!(problems(&name, &text), Vec::<String>::new(), "{name}");
        assert!(commands(&text).len() > 2, "{name}");
    }
}

const CI: &str = ".github/workflows/ci.yml";
const RELEASE: &str = ".github/workflows/release.yml";
const CIRCLE: &str = ".circleci/config.yml";

/// Mistakes: in this file, for this text, that one, and what is said of it.
const MISTAKES: [(&str, &str, &str, &str); 22] = [
    (CI, "permissions: {}\n", "", "at the top"),
    (
        CI,
        "@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7",
        "@v7 # v7",
        "no hash",
    ),
    (CI, " # v7.0.1", "", "no hash"),
    (
        CI,
        "persist-credentials: false",
        "fetch-depth: 0",
        "credentials",
    ),
    (CI, "    timeout-minutes: 30\n", "", "`timeout-minutes:`"),
    (
        CI,
        "    permissions:\n",
        "    environment:\n",
        "`permissions:`",
    ),
    (
        CI,
        "cargo xtask ci fmt clippy deny lint",
        "cargo test",
        "it runs `cargo test`",
    ),
    (
        CI,
        "cargo xtask ci fmt clippy deny lint",
        "cargo xtask ci; curl",
        "it runs",
    ),
    (
        CI,
        "cargo xtask ci fmt clippy deny lint",
        "cargo xtask ${{ inputs.a }}",
        "text of others",
    ),
    (
        CI,
        "runs-on: ubuntu-24.04",
        "runs-on: ubuntu-latest",
        "-latest",
    ),
    (
        RELEASE,
        "image=\"$(cat index.txt)\"",
        "eval \"$NAME\"",
        "it runs `eval",
    ),
    (
        RELEASE,
        "docker/login-action@",
        "actions/cache@",
        "restores a cache",
    ),
    (
        CIRCLE,
        "          context: [chapbook-ghcr]\n",
        "",
        "context",
    ),
    (
        CIRCLE,
        "context: [chapbook-ghcr]",
        "context: [ chapbook-heroku ]",
        "two jobs have the context chapbook-heroku",
    ),
    (
        CIRCLE,
        "context: [chapbook-ghcr]",
        "context: [chapbook-ghcr, chapbook-other]",
        "is not one context",
    ),
    (CIRCLE, "          requires: [build]\n", "", "requires"),
    (CIRCLE, "          filters: *released\n", "", "filters"),
    (
        CIRCLE,
        "          serial-group:",
        "          group:",
        "serial-group",
    ),
    (CIRCLE, "paths: [deploy]", "paths: deploy", "no list"),
    (CIRCLE, "paths: [deploy]", "paths: [.]", "no list"),
    (CIRCLE, "cimg/base:current", "cimg/base:latest", ":latest"),
    (CIRCLE, "sh deploy/deploy.", "sh deploy/other.", "it runs"),
];

#[test]
fn a_broken_copy_does_not() {
    for (name, from, to, expected) in MISTAKES {
        let text = read(name);
        assert!(text.contains(from), "{name} has no `{from}`");
        let found = problems(name, &text.replacen(from, to, 1)).join("\n");
        assert!(found.contains(expected), "{name}, `{to}`: {found}");
    }
}

/// What is permitted is also run: a line that no file has any more is no exception.
#[test]
fn every_exception_is_in_use() {
    let texts: Vec<String> = ci_files().iter().map(|name| read(name)).collect();
    let all: BTreeSet<&str> = texts.iter().flat_map(|text| commands(text)).collect();
    for (line, reason) in OTHERS {
        assert!(all.contains(line) && !reason.is_empty(), "{line}");
    }
    for begin in INSTALLS_OR_CALLS {
        assert!(all.iter().any(|line| line.starts_with(begin)), "{begin}");
    }
}

#[test]
fn steps_and_compilers_are_those_there_are() {
    let list = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["ci", "--list"])
        .output();
    let list = String::from_utf8(list.unwrap().stdout).unwrap();
    let steps: BTreeSet<&str> = list
        .lines()
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.trim_start_matches(['*', ' ']).split(' ').next())
        .collect();
    assert!(steps.contains("fmt") && steps.contains("msrv"), "{steps:?}");
    let manifest = read("Cargo.toml");
    let oldest = manifest.split("rust-version = \"").nth(1).unwrap();
    let oldest = oldest.split('"').next().unwrap();
    for name in ci_files() {
        for command in commands(&read(&name)) {
            let (_, words) = command.split_once(" xtask ci").unwrap_or_default();
            for step in words.split_whitespace() {
                assert!(steps.contains(step), "{name}: {step}");
            }
            for word in command
                .split_whitespace()
                .filter(|word| word.contains("1."))
            {
                let word = word.trim_start_matches('+');
                let is_package = word.contains(['=', '@']);
                assert!(word == oldest || is_package, "{name}: {command}");
            }
            if command.starts_with("cargo install ") {
                assert!(list.contains(command), "{name}: {command}");
            }
        }
    }
}

/// What `cargo xtask WORD --help` says, which every command has.
fn help(words: &[&str]) -> String {
    let mut told = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let told = told.args(words).arg("--help").output().unwrap();
    assert!(told.status.success(), "{words:?}: {}", said(&told));
    String::from_utf8(told.stdout).unwrap()
}

#[test]
fn commands_and_options_are_those_there_are() {
    let all = help(&[]);
    let mut seen = BTreeSet::new();
    for name in ci_files() {
        let text = read(&name);
        let typed = commands(&text);
        let typed = typed.iter().filter_map(|line| line.split_once(" xtask "));
        for (_, typed) in typed {
            let (word, rest) = typed.split_once(' ').unwrap_or((typed, ""));
            let is_told = |listed: &str| listed.trim_end_matches(',') == word;
            assert!(all.split_whitespace().any(is_told), "{name}: {typed}");
            let own = help(&[word]);
            for option in rest
                .split_whitespace()
                .filter(|word| word.starts_with("--"))
            {
                assert!(own.contains(option), "{name}: {typed}");
            }
            seen.insert(word.to_owned());
        }
    }
    assert!(seen.len() > 6 && seen.contains("verify-tag"), "{seen:?}");
}
