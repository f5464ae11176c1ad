//! What is run: stand-ins on PATH write down their arguments, variables and standard input.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::Place;
use crate::image::Image;

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

/// Writes a kit as far as it is wanted here.
const KIT: &str = "mkdir -p \"$2/systemd\" && echo unit >\"$2/systemd/chapbook.service\" && \
                   echo socket >\"$2/systemd/chapbook.socket\"";

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
            &["kubernetes", "--overlay", "production", "--context", "c"],
            &[
                "kubectl --context c apply -k KIT/kubernetes/overlays/production",
                "kubectl --context c rollout status deployment/chapbook -n chapbook --timeout=300s",
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
        let given = ["--image", &*image, "--chapbook", "chapbook"];
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
                None => format!("$ {line}"),
            })
            .collect();
        assert_eq!(printed.lines().collect::<Vec<_>>(), lines);
        assert_eq!(log(&place), [""; 0]);
    }
}

#[test]
fn a_program_that_fails_ends_it() {
    let (image, kit) = (image(), ("chapbook", KIT));
    let typed = [
        "deploy",
        "kubernetes",
        "--image",
        &image,
        "--chapbook",
        "chapbook",
    ];
    let failing = place(&[kit, ("kubectl", "exit 3")]);
    let line = failing.fails(&typed);
    assert!(
        line.contains("`kubectl`: it ended with exit status: 3"),
        "{line}"
    );
    assert_eq!(log(&failing).len(), 2, "no rollout is waited for");
    let mut hanging = place(&[kit, ("kubectl", "exec sleep 60")]);
    hanging.limits.whole = std::time::Duration::from_millis(500);
    let line = hanging.fails(&typed);
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
    let typed = ["deploy", "systemd", "--chapbook", "no-such-program"];
    let line = place(&[]).fails(&typed);
    assert!(
        line.contains("`no-such-program`: it is not installed"),
        "{line}"
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
    let place = place(&[("chapbook", KIT), ("ssh", ssh), ("scp", "exit 0")]);
    let typed = [
        "deploy",
        "systemd",
        "--chapbook",
        "chapbook",
        "--host",
        "u@h",
    ];
    assert_eq!(place.run(&typed), "");
    let there = "/tmp/chapbook.0123456789";
    let expected = [
        "chapbook kit KIT --image localhost/chapbook:none".to_owned(),
        "ssh u@h mktemp -d /tmp/chapbook.XXXXXXXXXX".to_owned(),
        format!("scp -q chapbook u@h:{there}/chapbook"),
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
    // A host that says something else makes no command of it.
    let evil = self::place(&[("chapbook", KIT), ("ssh", "echo '/tmp/chapbook.0;reboot'")]);
    let line = evil.fails(&typed);
    assert!(line.contains("which is none"), "{line}");
    assert_eq!(log(&evil).len(), 2);
}

/// The script that a host runs, in a root of its own: what does not answer gives way, and so does
/// what systemd does not take.
#[test]
fn what_does_not_answer_gives_way_to_what_was_there() {
    // It takes no unit that says so.
    let systemctl =
        "[ \"$1\" != enable ] || ! grep -q refuse \"$CHAPBOOK_ROOT\"/etc/systemd/system/*.service";
    let place = place(&[
        ("systemctl", systemctl),
        ("sleep", "exit 0"),
        ("sudo", "exec \"$@\""),
    ]);
    let root = place.path().join("root");
    let placed = ["usr/local/bin", "etc/systemd/system", "etc/systemd/system"];
    for directory in placed {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    let install = |contents: [&str; 3]| {
        let names = ["chapbook", "chapbook.service", "chapbook.socket"];
        for (name, content) in names.iter().zip(contents) {
            place.file(name, content);
        }
        let mut command = std::process::Command::new("dash");
        let script = "/src/deploy/scripts/install.sh";
        command.arg(format!("{}{script}", env!("CARGO_MANIFEST_DIR")));
        command.args(names.map(|name| place.path().join(name)));
        let mut variables = place.variables.iter();
        let (_, path) = variables.find(|(name, _)| name == "PATH").unwrap();
        let done = command.env("PATH", path).env("CHAPBOOK_ROOT", &root);
        let done = done.output().unwrap();
        let now = names
            .iter()
            .zip(placed)
            .map(|(name, directory)| fs::read_to_string(root.join(directory).join(name)).unwrap());
        (done.status.code(), now.collect::<Vec<String>>())
    };
    let is_there = |contents: [&str; 3]| contents.map(str::to_owned).to_vec();
    let good = ["#!/bin/sh\nexit 0\n", "[a]", "[b]"];
    assert_eq!(install(good), (Some(0), is_there(good)));
    let better = ["#!/bin/sh\nexit 0 # newer\n", "[a2]", "[b]"];
    assert_eq!(install(better), (Some(0), is_there(better)));
    let silent = ["#!/bin/sh\nexit 1\n", "[a3]", "[b3]"];
    assert_eq!(install(silent), (Some(1), is_there(better)));
    let refused = ["#!/bin/sh\nexit 0\n", "[refuse]", "[b4]"];
    assert_eq!(install(refused), (Some(1), is_there(better)));
    // The socket is stopped where it is another one, for the first and for what was refused: once
    // for the new one, once for the old.
    let asked = log(&place);
    let count = |wanted: &str| asked.iter().filter(|line| *line == wanted).count();
    assert_eq!(count("systemctl stop chapbook.service chapbook.socket"), 4);
    assert_eq!(count("systemctl restart chapbook.service"), 5);
}
