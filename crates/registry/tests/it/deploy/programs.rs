//! What is run: stand-ins on PATH write down their arguments, variables and standard input.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::Place;
use crate::image::Image;
use crate::runnable::make_runnable;

/// A name by its digest.
fn image() -> String {
    format!("ghcr.io/me/poems@{}", Image::new("amd64").digest())
}

/// A place whose PATH has scripts first; each writes `NAME ARGUMENT…`, and what it reads, to `log`.
pub(super) fn place(scripts: &[(&str, &str)]) -> Place {
    let place = Place::new();
    let log = place.path().join("log");
    let directory = place.path().join("bin");
    fs::create_dir(&directory).unwrap();
    for (name, script) in scripts {
        let head = format!(
            "#!/bin/sh\n{{ echo \"${{DOCKER_HOST:+$DOCKER_HOST }}{name} $*\"; }} >>'{}'\n",
            log.display()
        );
        let path = directory.join(name);
        fs::write(&path, format!("{head}{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        make_runnable(&path);
    }
    let path = format!("{}:/usr/bin:/bin", directory.display());
    place.variable("PATH", path)
}

/// What was run, with the kit's directory as KIT.
pub(super) fn log(place: &Place) -> Vec<String> {
    let text = fs::read_to_string(place.path().join("log")).unwrap_or_default();
    let line = |line: &str| {
        let words = line.split(' ').map(|word| match word.rfind("/kit") {
            Some(at) => format!("KIT{}", &word[at + 4..]),
            None => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect()
}

/// What stands in for the executable writes no kit: its programs are stand-ins, too.
const KIT: &str = "exit 0";

/// Where the stand-in for the executable is.
fn chapbook(place: &Place) -> String {
    let path = fs::canonicalize(place.path().join("bin/chapbook")).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn clouds_and_clusters_are_told_by_their_programs() {
    let image = image();
    let kit = format!("chapbook kit KIT --image {image}");
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["cloud-run", "--region", "europe-west1", "--project", "p"],
            &[
                "gcloud run services replace KIT/cloud-run/service.yaml --region europe-west1 \
               --project p --quiet",
            ],
        ),
        (
            &[
                "kubernetes",
                "--overlay",
                "production",
                "--context",
                "a:b/c",
            ],
            &[
                "kubectl --context a:b/c apply -k KIT/kubernetes/overlays/production",
                "kubectl --context a:b/c rollout status deployment/chapbook -n chapbook \
               --timeout=300s",
            ],
        ),
        (
            &["compose", "--host", "u@example.com"],
            &[
                "ssh://u@example.com docker compose -f KIT/compose/compose.yaml up -d --wait \
               --wait-timeout 300",
            ],
        ),
    ];
    for (typed, expected) in cases {
        let programs = ["gcloud", "kubectl", "docker"].map(|name| (name, "exit 0"));
        let place = place(&[&programs[..], &[("chapbook", KIT)]].concat());
        let chapbook = chapbook(&place);
        let given = ["--image", &*image, "--chapbook", &chapbook];
        let typed = [&["deploy"], *typed, &given].concat();
        assert_eq!(place.run(&typed), format!("{image}\n"));
        let expected = [&[&*kit], *expected].concat();
        assert_eq!(log(&place), expected);
        // The same lines, and nothing run.
        fs::remove_file(place.path().join("log")).unwrap();
        let printed = place.run(&[&typed[..], &["--dry-run"]].concat());
        let lines: Vec<String> = expected
            .iter()
            .map(|line| match line.split_once(" docker") {
                Some((host, rest)) => format!("$ DOCKER_HOST={host} docker{rest}"),
                None => match line.strip_prefix("chapbook ") {
                    Some(rest) => format!("$ {chapbook} {rest}"),
                    None => format!("$ {line}"),
                },
            })
            .collect();
        assert_eq!(printed.lines().collect::<Vec<_>>(), lines);
        assert_eq!(log(&place), [""; 0]);
    }
}

#[test]
fn a_program_that_fails_ends_it() {
    let (image, kit) = (image(), ("chapbook", KIT));
    let fails = |place: &Place| {
        let chapbook = chapbook(place);
        let typed = ["deploy", "kubernetes", "--image", &image];
        place.fails(&[&typed[..], &["--chapbook", &chapbook]].concat())
    };
    let failing = place(&[kit, ("kubectl", "exit 3")]);
    let line = fails(&failing);
    assert!(
        line.contains("`kubectl`: it ended with exit status: 3"),
        "{line}"
    );
    assert_eq!(log(&failing).len(), 2, "no rollout is waited for");
    let mut hanging = place(&[kit, ("kubectl", "exec sleep 60")]);
    hanging.limits.whole = std::time::Duration::from_millis(500);
    let line = fails(&hanging);
    assert!(
        line.contains("`kubectl`: it took more than 500ms"),
        "{line}"
    );
    // What it leaves behind has its output: it is not waited for.
    let mut leaving = place(&[("gcloud", "sleep 3 & echo hunter2")]);
    leaving.limits.whole = std::time::Duration::from_millis(500);
    let name = image.replacen("ghcr.io/me", "europe-docker.pkg.dev/p/r", 1);
    let line = leaving.fails(&["deploy", "artifact-registry", "--image", &name]);
    assert!(
        line.contains("`gcloud`: it ended, and its output did not"),
        "{line}"
    );
    let line = place(&[kit]).fails(&["deploy", "compose", "--image", &image]);
    assert!(
        line.contains("`docker`: ") || line.contains("`cargo`: "),
        "{line}"
    );
    // A name alone is no file here, whatever PATH says; neither is a directory.
    for wrong in ["chapbook", "no-such-program", "/"] {
        let typed = ["deploy", "systemd", "--chapbook", wrong];
        let (code, line) = place(&[kit]).try_run(&typed).unwrap_err();
        assert!(
            code == 2 && line.contains(&format!("`{wrong}`: ")),
            "{line}"
        );
    }
}

/// What is spoken here is nobody else's: not even a program's that runs beside it.
#[test]
fn programs_find_no_secret_in_their_environment() {
    let place = place(&[("chapbook", KIT), ("docker", "env >>\"$0\".env")]);
    let path = &place.variables[0].1;
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_registry"))
        .args(["deploy", "compose", "--image", &image(), "--chapbook"])
        .arg(chapbook(&place))
        .env("PATH", path)
        .env("HEROKU_API_KEY", "hunter2")
        .env("CHAPBOOK_REGISTRY_PASSWORD", "hunter2")
        .env("KEPT", "yes")
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let seen = fs::read_to_string(place.path().join("bin/docker.env")).unwrap();
    assert!(
        seen.contains("KEPT=yes") && !seen.contains("hunter2"),
        "{seen}"
    );
}

/// gcloud's token is the registry's password, and on no command line.
#[test]
fn googles_token_comes_by_a_pipe() {
    use crate::server::{Reply, Seen, Server};
    // `oauth2accesstoken:hunter2`
    let basic = "Basic b2F1dGgyYWNjZXNzdG9rZW46aHVudGVyMg==";
    let server = Server::new(move |seen: &Seen| {
        let is_known = seen.field("authorization") == Some(basic);
        let refused = || Reply::status(401).field("WWW-Authenticate", "Basic realm=\"a\"");
        (!is_known).then(refused)
    });
    let place = place(&[("gcloud", "echo hunter2")]);
    let image = Image::new("amd64");
    let file = place.file("image.tar", image.both());
    let name = format!("{}@{}", server.name("p/r/poems"), image.digest());
    let typed = ["deploy", "artifact-registry", "--image", &name];
    place.run(&[&typed[..], &["--tar", file.to_str().unwrap()]].concat());
    assert_eq!(log(&place), ["gcloud auth print-access-token"]);
    assert!(
        server
            .kept(&format!("p/r/poems/manifests/{}", image.digest()))
            .is_some()
    );
    let empty = self::place(&[("gcloud", "exit 0")]);
    assert!(
        empty
            .fails(&typed)
            .contains("`gcloud`: it printed no token")
    );
}

#[test]
fn a_host_gets_the_executable_and_its_units() {
    let ssh = "case \"$2\" in mktemp) echo /tmp/chapbook.0123456789;; esac; [ \"$2\" != sudo ] || \
               cat >\"$(dirname \"$0\")/../stdin\"";
    let scp = "cp \"$2\" \"$(dirname \"$0\")/../${2##*/}\"";
    // Started here, it would fail: it may be for another processor.
    let place = place(&[("chapbook", "exit 1"), ("ssh", ssh), ("scp", scp)]);
    let chapbook = chapbook(&place);
    let typed = [
        "deploy",
        "systemd",
        "--chapbook",
        &chapbook,
        "--host",
        "u@h",
    ];
    assert_eq!(place.run(&typed), "");
    let there = "/tmp/chapbook.0123456789";
    let expected = [
        "ssh u@h mktemp -d /tmp/chapbook.XXXXXXXXXX".to_owned(),
        format!("scp -q {chapbook} u@h:{there}/chapbook"),
        format!("scp -q KIT/systemd/chapbook.service u@h:{there}/chapbook.service"),
        format!("scp -q KIT/systemd/chapbook.socket u@h:{there}/chapbook.socket"),
        format!(
            "ssh u@h sudo -n sh -s -- {there}/chapbook {there}/chapbook.service \
             {there}/chapbook.socket"
        ),
        format!("ssh u@h rm -rf {there}"),
    ];
    assert_eq!(log(&place), expected);
    let script = fs::read_to_string(place.path().join("stdin")).unwrap();
    assert_eq!(
        script,
        include_str!("../../../src/deploy/scripts/install.sh")
    );
    // The kit's own units.
    for unit in ["chapbook.service", "chapbook.socket"] {
        let ours = format!("{}/../../deploy/systemd/{unit}", env!("CARGO_MANIFEST_DIR"));
        let sent = fs::read(place.path().join(unit)).unwrap();
        assert_eq!(sent, fs::read(ours).unwrap());
    }
    // A host that says something else makes no command of it.
    let evil = self::place(&[("ssh", "echo '/tmp/chapbook.0;reboot'")]);
    let line = evil.fails(&typed);
    assert!(line.contains("which is none"), "{line}");
    assert_eq!(log(&evil).len(), 1);
}
