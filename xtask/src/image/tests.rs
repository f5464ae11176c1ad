//! Knobs, Dockerfile and document say the same; and what each knob does to the command.

use std::collections::BTreeSet;
use std::fs;

use super::engine::Engine;
use super::knobs::{ARGUMENTS, OTHERS, PROXIES, is_known};
use super::plan::{self, Facts};
use super::settings::Settings;
use super::{Failure, root};

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The names behind a word at the beginning of lines.
fn named<'a>(text: &'a str, word: &str) -> BTreeSet<&'a str> {
    let name = |line: &'a str| line.strip_prefix(word)?.split('=').next();
    text.lines().filter_map(name).collect()
}

#[test]
fn every_argument_of_the_dockerfile_is_a_knob_and_the_reverse() {
    let text = read("Dockerfile");
    let known: BTreeSet<&str> = ARGUMENTS.iter().map(|known| known.name).collect();
    assert_eq!(named(&text, "ARG "), known);
    // Declared, a proxy's address would stay in the history.
    assert!(
        PROXIES
            .iter()
            .all(|proxy| !text.contains(&format!("ARG {proxy}")))
    );
    let site = read("crates/sitepack/src/compiler/environment.rs");
    let site = site.split("#[cfg(test)]").next().unwrap();
    for name in site.split('"').filter(|text| text.starts_with("CHAPBOOK_")) {
        assert!(known.contains(name), "build.rs reads {name}");
    }
}

#[test]
fn an_argument_has_one_default() {
    let text = read("Dockerfile");
    let mut lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("ARG "))
        .collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), ARGUMENTS.len(), "{lines:#?}");
}

#[test]
fn every_knob_is_documented() {
    let text = read("docs/image.md");
    let rows: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let arguments = ARGUMENTS
        .iter()
        .map(|known| format!("DOCKER_{}", known.name));
    let others = OTHERS.iter().map(|name| (*name).to_owned());
    for name in arguments.chain(others) {
        assert!(rows.contains(&*name), "docs/image.md has no row for {name}");
    }
    let knobs = rows.iter().filter(|name| name.starts_with("DOCKER_"));
    for name in knobs {
        assert!(is_known(name), "docs/image.md: {name}");
    }
}

fn facts() -> Facts {
    Facts {
        version: "v1.2.3,topic/a".to_owned(),
        revision: Some("0123".to_owned()),
        seconds: Some(784_111_777),
        source: None,
        data: Some("sha256:00".to_owned()),
        rust: None,
        name: "chapbook:tag".to_owned(),
    }
}

fn settings(words: &[&str]) -> Settings {
    let settings = Settings::read(words, |_| None);
    settings.unwrap_or_else(|failure| panic!("{words:?}: {failure:?}"))
}

fn planned(engine: &str, words: &[&str]) -> String {
    let engine = Engine::named(engine).unwrap();
    let build = plan::build(&settings(words), &facts(), &engine).unwrap();
    build.to_string()
}

#[test]
fn without_a_knob_it_tells_what_is_known() {
    let told = "--tag chapbook:tag --file Dockerfile --build-arg APP_VERSION=v1.2.3,topic/a \
                --build-arg APP_REVISION=0123 --build-arg APP_CREATED=1994-11-06T08:49:37Z \
                --build-arg SOURCE_DATE_EPOCH=784111777 --build-arg DATA_DIGEST=sha256:00 .";
    for (engine, build) in [
        ("docker", "docker build"),
        ("/opt/docker", "/opt/docker build"),
        (
            "podman",
            "podman build --format docker --timestamp 784111777",
        ),
        (
            "buildah",
            "buildah bud --layers --format docker --timestamp 784111777",
        ),
    ] {
        assert_eq!(planned(engine, &[]), format!("{build} {told}"));
    }
}

#[test]
fn each_knob_turns_what_it_says() {
    for known in &ARGUMENTS {
        let expected = format!("--build-arg {}=x1", known.name);
        let word = format!("env-DOCKER_{}=x1", known.name);
        assert!(planned("docker", &[&word]).contains(&expected), "{word}");
        if let Some(also) = known.also {
            let word = format!("env-{also}=x1");
            assert!(planned("docker", &[&word]).contains(&expected), "{word}");
        }
    }
    for (word, expected) in [
        ("env-MAKE_DOCKER_TARGET=build", "--target build"),
        (
            "env-EXTRA_DOCKER_BUILD_ARGS=--no-cache --pull",
            " --no-cache --pull .",
        ),
        (
            "env-DOCKER_RUNTIME_BASE_IMAGE=alpine",
            "--label org.opencontainers.image.base.name=alpine",
        ),
        (
            "env-BUILD_TAGS=default fetch",
            "--build-arg 'FEATURES=default fetch'",
        ),
        (
            "env-DOCKER_http_proxy=http://a:b@c/",
            "--build-arg http_proxy ",
        ),
    ] {
        let planned = planned("docker", &[word]);
        assert!(planned.contains(expected), "{word}: {planned}");
        assert!(!planned.contains("a:b@c"), "{planned}");
    }
    let rest = planned("docker", &["--", "--network", "none"]);
    assert!(rest.ends_with(" --network none ."), "{rest}");
}

#[test]
fn the_command_line_comes_before_the_environment() {
    let environment = |name: &str| match name {
        "DOCKER_PORT" => Some("1".to_owned()),
        "DOCKER_BUILDER_VARIANT" => Some(String::new()),
        "DOCKER_HOST" => Some("unix:///x".to_owned()),
        "DOCKER_CMD" => Some("podman".to_owned()),
        _ => None,
    };
    let read = |words: &[&str]| Settings::read(words, environment).unwrap();
    assert_eq!(read(&[]).argument("PORT"), Some("1"));
    assert_eq!(read(&["env-DOCKER_PORT=2"]).argument("PORT"), Some("2"));
    assert_eq!(read(&["env-DOCKER_PORT="]).argument("PORT"), None);
    assert_eq!(read(&[]).argument("BUILDER_VARIANT"), None);
    let kind = |words: &[&str]| format!("{:?}", read(words).engine().unwrap().kind);
    assert_eq!(kind(&[]), "Podman");
    assert_eq!(kind(&["--engine", "buildah"]), "Buildah");
    assert!(!read(&["env-DRY_RUN=0"]).dry_run && read(&["env-DRY_RUN=1"]).dry_run);
}

#[test]
fn names_are_made_of_project_stage_version_and_features() {
    for (words, expected) in [
        (&[][..], "chapbook:v1.2.3_topic_a"),
        (
            &["env-BUILD_TAGS=default fetch"],
            "chapbook:v1.2.3_topic_a-default-fetch",
        ),
        (
            &["env-DOCKER_TAG_SUFFIX=alpine"],
            "chapbook:v1.2.3_topic_a-alpine",
        ),
        (
            &["env-DOCKER_TAG=x", "env-DOCKER_TAG_SUFFIX=y"],
            "chapbook:x",
        ),
        (
            &["env-DOCKER_PROJECT=a.example/b", "env-DOCKER_TAG=x"],
            "a.example/b:x",
        ),
        (
            &["env-MAKE_DOCKER_TARGET=build", "env-DOCKER_TAG=x"],
            "chapbook:target-build-x",
        ),
    ] {
        let name = plan::name(&settings(words), "v1.2.3,topic/a").unwrap();
        assert_eq!(name, expected, "{words:?}");
    }
    for tag in ["-a", ".a", "a b", "a:b", &"a".repeat(129)] {
        let word = format!("env-DOCKER_TAG={tag}");
        let refused = plan::name(&settings(&[&word]), "1");
        assert!(matches!(refused, Err(Failure::Unusable(_))), "{tag}");
    }
}

#[test]
fn what_is_no_knob_is_refused() {
    for words in [
        &["env-DOCKER_NOTHING=1"][..],
        &["env-DOCKER_HOST=1"],
        &["env-DOCKER_PORT"],
        &["--tag", "x"],
        &["--engine"],
    ] {
        let refused = Settings::read(words, |_| None);
        assert!(matches!(refused, Err(Failure::Unusable(_))), "{words:?}");
    }
    assert!(Engine::named("kaniko").is_err());
    let missing = settings(&["env-DOCKER_CHAPBOOK_SITE=no/such"]);
    let unread = Facts::find(&missing, &Engine::named("docker").unwrap());
    assert!(matches!(unread, Err(Failure::Unusable(message)) if message.contains("no/such")));
    let label = settings(&["env-EXTRACT_RUST_VERSION_FROM_LABEL=a"]);
    let unread = Facts::find(&label, &Engine::named("docker").unwrap());
    assert!(matches!(unread, Err(Failure::Unusable(_))));
}

/// The Dockerfile's own commands tell the same digest; they are GNU's.
#[cfg(target_os = "linux")]
#[test]
fn a_shell_tells_the_same_digest() {
    use std::process::Command;

    use super::data;

    let workshop = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("a.txt", "a"),
        ("B/b.txt", "b"),
        ("B c/b", ""),
        (".hidden/x", "x"),
        (".well-known/y", "y"),
    ] {
        let path = workshop.path().join("site").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let site = workshop.path().join("site");
    std::os::unix::fs::symlink("a.txt", site.join("link")).unwrap();
    std::os::unix::fs::symlink("B", site.join("linked")).unwrap();
    let text = read("Dockerfile");
    let start = text.find("find -L \"$1\"").unwrap();
    let end = start + text[start..].find(")\"").unwrap();
    let find = text[start..end].replace("\\\n", "\n").replace('\n', " ");
    for source in ["site", "site/a.txt"] {
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", &find, "sh", source])
            .current_dir(workshop.path());
        let told = String::from_utf8(shell.output().unwrap().stdout).unwrap();
        let digest = data::digest(workshop.path(), source).unwrap();
        assert_eq!(
            told,
            format!("{}  -\n", digest.trim_start_matches("sha256:"))
        );
    }
    std::os::unix::fs::symlink("..", site.join("B/round")).unwrap();
    let error = data::digest(workshop.path(), "site").unwrap_err();
    assert!(error.to_string().contains("go round"), "{error}");
}
