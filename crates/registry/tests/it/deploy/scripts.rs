//! `deploy-scripts`: what it writes is run by dash, with stand-ins whose arguments are compared,
//! and then by the programs themselves, against a registry and Heroku's two services.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::programs::{log, place};
use crate::debian::{HTPASSWD, Registry, TOOL};
use crate::image::{DOCKER, Image, digest};
use crate::server::{Reply, Seen, Server};
use crate::{Place, has};

/// skopeo, as far as scripts ask it: it prints the manifest and takes what it is given.
pub(super) const SKOPEO: &str = "d=$(dirname \"$0\")/..; case \"$1\" in \
                                 inspect) case \"$*\" in *docker:*) exit 1;; esac; \
                                 cat \"$d/manifest\";; \
                                 login) { cat; echo; } >>\"$d/passwords\";; esac";

/// Scripts for an image under a name, and the stand-ins that they find.
pub(super) fn written(name: &str, options: &[&str], skopeo: &str) -> Place {
    let place = place(&[
        ("skopeo", skopeo),
        ("sleep", "exit 0"),
        ("gcloud", "if [ \"$1\" = auth ]; then echo hunter2; fi"),
    ]);
    let image = Image::new("amd64");
    place.file("manifest", &image.manifest);
    let file = place.file("image.tar", image.both());
    let name = format!("{name}@{}", image.digest());
    let directory = place.path().join("out");
    let directory = directory.to_str().unwrap();
    let typed = ["deploy-scripts", directory, "--image", &name];
    let typed = [&typed[..], &["--tar", file.to_str().unwrap()], options].concat();
    assert_eq!(place.run(&typed), format!("{directory}\n"));
    place
}

/// Runs one; what it prints, or how it ends.
pub(super) fn run(
    place: &Place,
    script: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
    stdin: &str,
) -> Result<String, (Option<i32>, String)> {
    let mut command = Command::new("dash");
    command
        .arg(place.path().join("out").join(script))
        .args(arguments);
    let (_, path) = place
        .variables
        .iter()
        .find(|(name, _)| name == "PATH")
        .unwrap();
    command
        .env_clear()
        .env("PATH", path)
        .envs(variables.iter().copied());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // One that ends early does not read.
    let _ = pipe.write_all(stdin.as_bytes());
    drop(pipe);
    let done = child.wait_with_output().unwrap();
    let [out, error] = [done.stdout, done.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(!format!("{out}{error}").contains("hunter2"), "{out}{error}");
    place.file("error", &error);
    match done.status.success() {
        true => Ok(out),
        false => Err((done.status.code(), error)),
    }
}

/// What skopeo read.
fn passwords(place: &Place) -> String {
    fs::read_to_string(place.path().join("passwords")).unwrap()
}

/// What was run, with the temporary directory as TMP; no argument is a secret.
pub(super) fn calls(place: &Place) -> Vec<String> {
    let lines = log(place);
    assert!(!lines.join("\n").contains("hunter2"), "{lines:?}");
    let line = |line: String| {
        let words = line.split(' ').map(|word| {
            let word = word.replace(&place.path().display().to_string(), "HERE");
            match word.starts_with("/tmp/tmp.") {
                true => "TMP/auth.json".to_owned(),
                false => word,
            }
        });
        words.collect::<Vec<_>>().join(" ")
    };
    lines.into_iter().map(line).collect()
}

#[test]
fn scripts_are_sound_and_listed() {
    if !has("shellcheck") || !has("dash") {
        return;
    }
    let options = ["--app", "poems", "--region", "r", "--project", "p"];
    let place = written("ghcr.io/me/poems", &options, SKOPEO);
    let out = place.path().join("out");
    let names = || {
        let entries = out
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    let targets = [
        "artifact-registry",
        "cloud-run",
        "dockerhub",
        "ghcr",
        "heroku",
    ];
    let scripts = targets.map(|target| format!("deploy.{target}.sh"));
    let file = ["image.tar".to_owned()];
    let expected = [&["MANIFEST".to_owned()], &scripts[..], &file].concat();
    assert_eq!(names(), expected);
    let mut sums = Command::new("sha256sum");
    sums.args(["--strict", "-c", "MANIFEST"]).current_dir(&out);
    assert!(sums.output().unwrap().status.success());
    let listed = fs::read_to_string(out.join("MANIFEST")).unwrap();
    assert_eq!(listed.lines().count(), 6);
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/src/deploy/scripts/install.sh");
    let scripts = scripts.map(|name| out.join(name));
    for script in scripts
        .iter()
        .map(|path| path.as_path())
        .chain([ours.as_ref()])
    {
        let text = fs::read_to_string(script).unwrap();
        for word in [
            "NAME",
            "DIGEST",
            "CONFIG",
            "TAR",
            "APP",
            "PROCESSES",
            "REGION",
        ] {
            assert!(!text.contains(&format!("@{word}@")), "{text}");
        }
        for (program, option) in [("shellcheck", "--norc"), ("dash", "-n")] {
            let done = Command::new(program)
                .arg(option)
                .arg(script)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&done.stdout);
            assert!(
                done.status.success(),
                "{program} {}: {said}",
                script.display()
            );
        }
    }
}

/// A second time changes nothing.
#[test]
fn the_file_may_lie_there_already() {
    let options = ["--app", "poems"];
    let place = written("ghcr.io/me/poems", &options, SKOPEO);
    let out = place.path().join("out");
    let listed = fs::read_to_string(out.join("MANIFEST")).unwrap();
    let name = format!("ghcr.io/me/poems@{}", Image::new("amd64").digest());
    let typed = ["deploy-scripts", out.to_str().unwrap(), "--image", &name];
    let tar = ["--tar", "image.tar"];
    place.run(&[&typed[..], &tar, &options].concat());
    assert_eq!(out.read_dir().unwrap().count(), 7);
    assert_eq!(fs::read_to_string(out.join("MANIFEST")).unwrap(), listed);
    let (code, line) = place.try_run(&typed).unwrap_err();
    assert!(
        code == 2 && line.contains("--tar FILE is missing"),
        "{line}"
    );
    let other = format!("ghcr.io/me/poems@{}", Image::new("arm64").digest());
    let typed = ["deploy-scripts", typed[1], "--image", &other];
    let (code, line) = place.try_run(&[&typed[..], &tar].concat()).unwrap_err();
    assert!(code == 2 && line.contains("was named"), "{line}");
}

#[test]
fn a_registry_is_told_by_skopeo() {
    let digest = Image::new("amd64").digest();
    let user = ("CHAPBOOK_REGISTRY_USER", "u");
    let password = ("CHAPBOOK_REGISTRY_PASSWORD", "hunter2");
    let renamed = ("CHAPBOOK_DEPLOY_NAME", "docker.io/me/poems");
    let google = "europe-docker.pkg.dev/p/r/poems";
    for (name, script, variables, stdin, who) in [
        (
            "ghcr.io/me/poems",
            "ghcr",
            &[user][..],
            "hunter2\n",
            "u ghcr.io",
        ),
        (
            "me/poems",
            "dockerhub",
            &[user, password],
            "",
            "u docker.io",
        ),
        (
            google,
            "artifact-registry",
            &[],
            "",
            "oauth2accesstoken europe-docker.pkg.dev",
        ),
        (
            google,
            "artifact-registry",
            &[user],
            "hunter2",
            "u europe-docker.pkg.dev",
        ),
        ("127.0.0.1:1/a", "ghcr", &[user], "hunter2", "u 127.0.0.1:1"),
        // Of another registry than the target's: the job's variables say which.
        (
            "ghcr.io/a",
            "dockerhub",
            &[user, renamed],
            "hunter2",
            "u docker.io",
        ),
    ] {
        let place = written(name, &[], SKOPEO);
        let script = format!("deploy.{script}.sh");
        let printed = run(&place, &script, &["v1"], variables, stdin).unwrap();
        let name = [name, renamed.1][usize::from(who.ends_with("docker.io"))];
        assert_eq!(printed, format!("{name}@{digest}\n"));
        assert_eq!(calls(&place), asked(who, &format!("{name}@{digest}")));
        assert_eq!(passwords(&place), "hunter2\n");
    }
}

/// What is run for a user at a registry; one of this machine is asked without TLS.
fn asked(who: &str, image: &str) -> Vec<String> {
    let (user, registry) = who.split_once(' ').unwrap();
    let (name, _) = image.split_once('@').unwrap();
    let (tls, copy) = match registry.starts_with("127.") {
        true => (
            " --tls-verify=false",
            " --src-tls-verify=false --dest-tls-verify=false",
        ),
        false => ("", ""),
    };
    let authority = "--authfile TMP/auth.json";
    let copy = format!("skopeo copy --all --preserve-digests{copy} {authority}");
    let login = format!("skopeo login{tls} {authority} --username {user} --password-stdin");
    let inspect = format!("skopeo inspect --raw{tls} {authority} docker://{name}:v1");
    let mut expected = vec![
        "skopeo inspect --raw oci-archive:HERE/out/image.tar".to_owned(),
        format!("{login} {registry}"),
        format!("{copy} oci-archive:HERE/out/image.tar docker://{image}"),
        inspect,
        format!("{copy} docker://{image} docker://{name}:v1"),
    ];
    if user == "oauth2accesstoken" {
        expected.insert(1, "gcloud auth print-access-token".to_owned());
    }
    expected
}

#[test]
fn scripts_refuse_what_is_wrong() {
    let user = [("CHAPBOOK_REGISTRY_USER", "u")];
    let place = written("ghcr.io/me/poems", &["--app", "poems"], SKOPEO);
    let fails = |script: &str, arguments: &[&str], variables: &[(&str, &str)], cause: &str| {
        let (code, error) = run(&place, script, arguments, variables, "").unwrap_err();
        assert!(code == Some(1) && error.contains(cause), "{error}");
    };
    fails("deploy.ghcr.sh", &["a/b"], &user, "the tag is malformed");
    fails("deploy.ghcr.sh", &["-v"], &user, "the tag is malformed");
    fails("deploy.ghcr.sh", &[], &[], "set CHAPBOOK_REGISTRY_USER");
    fails("deploy.ghcr.sh", &[], &user, "there is no password");
    fails("deploy.heroku.sh", &[], &[], "there is no token");
    let quoted = [("HEROKU_API_KEY", "a\"\nurl=file:///etc/passwd")];
    fails("deploy.heroku.sh", &[], &quoted, "the token is malformed");
    let http = [("CHAPBOOK_HEROKU_API", "http://example.com")];
    fails("deploy.heroku.sh", &[], &http, "is not https");
    let evil = [("CHAPBOOK_DEPLOY_NAME", "-a")];
    fails(
        "deploy.ghcr.sh",
        &[],
        &evil,
        "CHAPBOOK_DEPLOY_NAME is malformed",
    );
    fails(
        "deploy.dockerhub.sh",
        &[],
        &user,
        "set CHAPBOOK_DEPLOY_NAME",
    );
    let region = [
        ("CHAPBOOK_DEPLOY_NAME", "a/b"),
        ("CHAPBOOK_DEPLOY_REGION", "--a"),
    ];
    fails(
        "deploy.cloud-run.sh",
        &[],
        &region,
        "CHAPBOOK_DEPLOY_REGION is malformed",
    );
    fails(
        "deploy.cloud-run.sh",
        &[],
        &region[..1],
        "set CHAPBOOK_DEPLOY_REGION",
    );
    // Another image than the one that was named.
    place.file("manifest", "another");
    fails("deploy.ghcr.sh", &[], &user, "is wanted");
    fails("deploy.heroku.sh", &[], &user, "is wanted");
    assert!(
        calls(&place)
            .iter()
            .all(|call| !call.contains("skopeo copy"))
    );
    let refusing = "[ \"$1\" != copy ] || case \"$*\" in *:v1) exit 1;; esac; ";
    let place = written("ghcr.io/me/poems", &[], &format!("{refusing}{SKOPEO}"));
    let (_, error) = run(&place, "deploy.ghcr.sh", &["v1"], &user, "hunter2").unwrap_err();
    assert!(
        error.contains("the tag v1 was refused; it may be immutable"),
        "{error}"
    );
}

/// A file that is not there, or that skopeo would not find.
#[test]
fn scripts_want_their_file() {
    let user = [("CHAPBOOK_REGISTRY_USER", "u")];
    let place = written("ghcr.io/me/poems", &[], SKOPEO);
    let fails = |script: &str, cause: &str| {
        let (code, error) = run(&place, script, &[], &user, "").unwrap_err();
        assert!(code == Some(1) && error.contains(cause), "{error}");
    };
    // skopeo would take what follows the colon for a tag.
    let [out, colon] = ["out", "a:b"].map(|name| place.path().join(name));
    fs::rename(&out, &colon).unwrap();
    std::os::unix::fs::symlink(&colon, &out).unwrap();
    fails("../a:b/deploy.ghcr.sh", "with a colon in its name");
    fs::remove_file(out.join("image.tar")).unwrap();
    fails("deploy.ghcr.sh", "there is no ");
    assert_eq!(calls(&place), [""; 0]);
}

/// No other host than the target's is told a password, whatever a job's variables say; nor is what
/// a program finds in its environment.
#[test]
fn no_other_host_sees_a_password() {
    let variables = [
        ("CHAPBOOK_REGISTRY_USER", "u"),
        ("CHAPBOOK_REGISTRY_PASSWORD", "hunter2"),
        ("HEROKU_API_KEY", "hunter2"),
        // As if a job had exported them.
        ("password", "x"),
        ("token", "x"),
    ];
    let skopeo = format!("env >>\"$(dirname \"$0\")/../env\"; {SKOPEO}");
    let place = written("ghcr.io/me/poems", &["--app", "poems"], &skopeo);
    let evil = [
        ("ghcr", "evil.example/x"),
        ("ghcr", "me/poems"),
        ("ghcr", "ghcr.io:443/me/poems"),
        ("ghcr", "evil.example:127.0.0.1:80/x"),
        ("ghcr", "127.0.0.1.evil.example/x"),
        ("dockerhub", "ghcr.io/me/poems"),
        ("dockerhub", "localhost"),
        ("artifact-registry", "x-docker.pkg.dev.evil.example/p/r/x"),
        ("artifact-registry", "evil.example:x-docker.pkg.dev/p/r/x"),
        ("ghcr", "ghcr.io/me/poems:v1"),
    ];
    for (target, name) in evil {
        let renamed = [&variables[..], &[("CHAPBOOK_DEPLOY_NAME", name)]].concat();
        let script = format!("deploy.{target}.sh");
        let (_, error) = run(&place, &script, &[], &renamed, "").unwrap_err();
        let is_told = [" is not at ", "is malformed"]
            .iter()
            .any(|cause| error.contains(cause));
        assert!(is_told, "{name}: {error}");
    }
    assert_eq!(calls(&place), [""; 0]);
    for (name, value) in [
        ("CHAPBOOK_HEROKU_API", "http://127.0.0.1:80@evil.example"),
        ("CHAPBOOK_HEROKU_API", "https://evil.example/path"),
        ("CHAPBOOK_HEROKU_REGISTRY", "evil.example"),
        ("CHAPBOOK_HEROKU_REGISTRY", "127.0.0.1:80@evil.example"),
    ] {
        let elsewhere = [&variables[..], &[(name, value)]].concat();
        let (_, error) = run(&place, "deploy.heroku.sh", &[], &elsewhere, "").unwrap_err();
        assert!(error.contains(name), "{error}");
    }
    assert_eq!(calls(&place), [""; 0]);
    // Docker's registry has many names, and is asked by one.
    for name in [
        "me/poems",
        "index.docker.io/me/poems",
        "registry-1.docker.io/me/poems",
    ] {
        let renamed = [&variables[..], &[("CHAPBOOK_DEPLOY_NAME", name)]].concat();
        let printed = run(&place, "deploy.dockerhub.sh", &[], &renamed, "").unwrap();
        assert!(printed.starts_with("docker.io/me/poems@"), "{printed}");
    }
    assert!(
        calls(&place)
            .iter()
            .any(|call| call.ends_with("--password-stdin docker.io"))
    );
    let seen = fs::read_to_string(place.path().join("env")).unwrap();
    assert!(
        seen.contains("PATH=") && !seen.contains("hunter2"),
        "{seen}"
    );
}

/// What the scripts would refuse is refused when they are written.
#[test]
fn what_scripts_cannot_use_is_not_written() {
    let (place, image) = (Place::new(), Image::new("amd64"));
    let file = place.file("image.tar", image.both());
    let saved = place.file("saved.tar", image.docker());
    let directory = place.path().join("out");
    let named = |name: &str| format!("{name}@{}", image.digest());
    let write = |name: &str, tar: &std::path::Path, more: &[&str]| {
        let (directory, tar) = (directory.to_str().unwrap(), tar.to_str().unwrap());
        let typed = ["deploy-scripts", directory, "--image", name, "--tar", tar];
        place.try_run(&[&typed[..], more].concat())
    };
    let good = named("GHCR.io/me/poems");
    for (name, more, cause) in [
        (&*named("[::1]:5000/poems"), &[][..], "letters, digits"),
        (&good, &["--app", "a@b"], "--app `a@b` is malformed"),
        (&good, &["--process", "a b"], "--process `a b` is malformed"),
        (&good, &["--region", ".x"], "--region `.x` is malformed"),
    ] {
        let (code, line) = write(name, &file, more).unwrap_err();
        assert!(code == 2 && line.contains(cause), "{line}");
    }
    // What stands in scripts for something else.
    let (code, line) = write(&good, &place.file("@APP@.tar", image.both()), &[]).unwrap_err();
    assert!(
        code == 2 && line.contains("@APP@.tar` is malformed"),
        "{line}"
    );
    // Docker's form has no manifest: one is made, and has its own digest.
    let (code, line) = write(&good, &saved, &[]).unwrap_err();
    assert!(code == 2, "{line}");
    let made = line.split("it holds ").nth(1).unwrap();
    let made = format!("ghcr.io/me/poems@{}", made.split(',').next().unwrap());
    let (code, line) = write(&made, &saved, &[]).unwrap_err();
    assert!(code == 2 && line.contains("oci-archive:"), "{line}");
    assert!(!directory.exists());
    let listed = write(&good, &file, &["--dry-run"]).unwrap();
    assert!(!directory.exists());
    write(&good, &file, &[]).unwrap();
    let script = fs::read_to_string(directory.join("deploy.ghcr.sh")).unwrap();
    assert!(script.contains("${CHAPBOOK_DEPLOY_NAME:-ghcr.io/me/poems}"));
    let mut listed: Vec<&str> = listed
        .lines()
        .map(|l| l.rsplit('/').next().unwrap())
        .collect();
    listed.sort_unstable();
    let there = fs::read_dir(&directory).unwrap();
    let mut there: Vec<String> = there
        .map(|one| one.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    assert_eq!(listed, there);
}

/// Ours gives way, and what is somebody else's does not.
#[test]
fn a_second_build_takes_the_place_of_the_first() {
    let place = written("ghcr.io/me/poems", &["--app", "poems"], SKOPEO);
    let directory = place.path().join("out");
    let write = |name: &str, options: &[&str]| {
        let (directory, tar) = (directory.to_str().unwrap(), place.path().join("image.tar"));
        let typed = [
            "deploy-scripts",
            directory,
            "--app",
            "poems",
            "--image",
            name,
        ];
        let tar = ["--tar", tar.to_str().unwrap()];
        place.try_run(&[&typed[..], &tar, options].concat())
    };
    // The file that was typed counts, and not the one that is there.
    let other = Image::new("arm64");
    place.file("image.tar", other.both());
    let name = format!("ghcr.io/me/poems@{}", other.digest());
    write(&name, &[]).unwrap();
    assert_eq!(fs::read(directory.join("image.tar")).unwrap(), other.both());
    let list = directory.join("MANIFEST");
    let ours = fs::read(&list).unwrap();
    for theirs in [&b"theirs"[..], b"\xff"] {
        fs::write(&list, theirs).unwrap();
        for options in [&[][..], &["--dry-run"]] {
            let (code, line) = write(&name, options).unwrap_err();
            assert!(
                code == 2 && line.contains("MANIFEST`: it is somebody else's"),
                "{line}"
            );
        }
        assert_eq!(fs::read(&list).unwrap(), theirs);
    }
    fs::write(&list, ours).unwrap();
    // It is none for Heroku, whose script says so.
    let place = self::place(&[("skopeo", "exit 0"), ("curl", "exit 1")]);
    fs::rename(&directory, place.path().join("out")).unwrap();
    let key = [("HEROKU_API_KEY", "hunter2")];
    let (_, error) = run(&place, "deploy.heroku.sh", &[], &key, "").unwrap_err();
    assert!(error.contains("not of linux/amd64"), "{error}");
}

#[test]
fn cloud_run_is_told_by_gcloud() {
    let options = ["--region", "europe-west1", "--project", "p"];
    let name = "europe-docker.pkg.dev/p/r/poems";
    let place = written(name, &options, SKOPEO);
    let name = format!("{name}@{}", Image::new("amd64").digest());
    assert_eq!(
        run(&place, "deploy.cloud-run.sh", &[], &[], "").unwrap(),
        format!("{name}\n")
    );
    let words = "--region europe-west1 --quiet --project p";
    let expected = format!("gcloud run deploy chapbook --image {name} {words}");
    assert_eq!(calls(&place), [expected]);
}

/// curl itself asks an API here: one that is pending twice, and others that fail.
#[test]
fn heroku_is_told_by_skopeo_and_curl() {
    if has("curl") {
        heroku_ends();
    }
}

fn heroku_ends() {
    let config = digest(&Image::new("amd64").config);
    for (end, stack, cause) in [
        ("succeeded", "container", ""),
        ("failed", "container", "release v8: failed"),
        ("same", "container", "nothing was released"),
        ("untold", "container", "the releases of poems are not told"),
        ("refused", "container", "the release was refused"),
        ("pending", "container", "not told, or still pending"),
        // What it was answered is lost, and so is a look; another release follows.
        ("breaks", "container", ""),
        ("succeeded", "heroku-24", "the stack of poems is another"),
        ("404", "", "there is no application poems"),
        ("401", "", "the token is refused"),
        ("503", "", "poems is not told"),
        ("short", "container", "or not all of it"),
    ] {
        let streams = streams();
        let api = api(end, stack, streams.url("/streams/0?t0ken=1&a=b"));
        let options = ["--app", "poems", "--process", "web", "--process", "worker"];
        let place = written("ghcr.io/me/poems", &options, SKOPEO);
        let variables = [
            ("HEROKU_API_KEY", "hunter2"),
            ("CHAPBOOK_HEROKU_API", &api.url("")),
        ];
        let done = run(&place, "deploy.heroku.sh", &[], &variables, "");
        if !cause.is_empty() {
            let (code, error) = done.unwrap_err();
            assert!(code == Some(1) && error.contains(cause), "{error}");
            let told = error.matches("release v8 of poems: pending\n").count();
            assert_eq!(told, if end == "pending" { 29 } else { 0 }, "{error}");
            continue;
        }
        assert!(done.unwrap().starts_with("ghcr.io/me/poems@sha256:"));
        // What moves a cursor is left out; the address of the stream is on no command line.
        let said = fs::read_to_string(place.path().join("error")).unwrap();
        let lines: Vec<&str> = said
            .lines()
            .filter(|line| !line.starts_with("curl: "))
            .collect();
        assert_eq!(lines, ["migrating[2J", "release v8 of poems"]);
        let calls = calls(&place);
        let copy = "skopeo copy --format v2s2 --authfile TMP/auth.json \
                    oci-archive:HERE/out/image.tar docker://registry.heroku.com/poems";
        let copies = ["web", "worker"].map(|process| format!("{copy}/{process}:latest"));
        assert_eq!(calls[2..4], copies);
        assert!(calls[1].ends_with("--username _ --password-stdin registry.heroku.com"));
        let seen = api.seen();
        let patch = seen.iter().find(|seen| seen.method == "PATCH").unwrap();
        let update = |process| format!(r#"{{"type":"{process}","docker_image":"{config}"}}"#);
        let expected = format!(r#"{{"updates":[{},{}]}}"#, update("web"), update("worker"));
        assert_eq!(String::from_utf8_lossy(&patch.content), expected);
        assert_eq!(
            seen[1].field("range"),
            Some("version ..; max=1, order=desc")
        );
    }
}

/// What a release phase prints: not there at first.
fn streams() -> Server {
    let asked = std::sync::atomic::AtomicU32::new(0);
    Server::new(move |seen: &Seen| {
        assert_eq!(seen.field("authorization"), None);
        let is_first = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        Some(match is_first {
            true => Reply::status(404),
            false => Reply::ok("migrating\x1b[2J\n"),
        })
    })
}

/// A Platform API that ends in one way or another.
fn api(end: &'static str, stack: &'static str, stream: String) -> Server {
    let looks = std::sync::atomic::AtomicU32::new(0);
    Server::new(move |seen: &Seen| {
        assert_eq!(seen.field("authorization"), Some("Bearer hunter2"));
        let accept = seen.field("accept").unwrap();
        assert_eq!(
            accept,
            "application/vnd.heroku+json; version=3.docker-releases"
        );
        let release = |version: u32, status: &str| {
            let slug = r#""slug":{"id":"s"},"app":{"name":"poems"}"#;
            let stream = match status {
                "pending" => format!("\"output_stream_url\":\"{stream}\""),
                _ => "\"output_stream_url\":null".to_owned(),
            };
            let words = format!("\"version\": {version}, \"status\": \"{status}\"");
            format!("{{{slug}, {stream}, {words}}}")
        };
        let list = |version, status| format!("[\n{}\n]", release(version, status));
        Some(Reply::ok(match (seen.path(), end) {
            ("/apps/poems", "short") => return Some(Reply::ok("{\"id\":")),
            ("/apps/poems", "404" | "401" | "503") => {
                return Some(Reply::status(end.parse().unwrap()));
            }
            ("/apps/poems", _) => {
                format!(r#"{{"id":"x","build_stack": {{"id":"y", "name": "{stack}"}}}}"#)
            }
            ("/apps/poems/formation", "refused") => return Some(Reply::status(422)),
            ("/apps/poems/formation", "breaks") => return Some(Reply::status(502)),
            ("/apps/poems/formation", _) => "[]".to_owned(),
            (_, "untold") => return Some(Reply::status(500)),
            (path, _) => match (
                looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
                end,
            ) {
                (0, _) | (_, "same") => list(7, "succeeded"),
                (1, "breaks") => list(7, "succeeded"),
                (2, "breaks") => return Some(Reply::status(503)),
                (3, "breaks") | (1, _) => list(8, "pending"),
                (4, "breaks") => return Some(Reply::status(503)),
                _ => {
                    // By its own name: others may follow it.
                    assert_eq!(path, "/apps/poems/releases/8");
                    release(8, if end == "breaks" { "succeeded" } else { end })
                }
            },
        }))
    })
}

/// skopeo itself, against Debian's registry, which wants a password, and speaks without TLS. A
/// stand-in adds the one option for machines that have no policy of their own.
#[test]
fn skopeo_pushes_by_digest_and_converts() {
    if !has("skopeo") || !has(TOOL) {
        return;
    }
    let through = "exec /usr/bin/skopeo --insecure-policy \"$@\"";
    let keeper = Place::new()
        .variable("CHAPBOOK_REGISTRY_USER", "u")
        .variable("CHAPBOOK_REGISTRY_PASSWORD", "p");
    // Heroku's user has the same password.
    let htpasswd = keeper.file(
        "htpasswd",
        format!("{HTPASSWD}{}", HTPASSWD.replace("u:", "_:")),
    );
    let auth = format!(
        "auth: {{htpasswd: {{realm: poems, path: '{}'}}}}\n",
        htpasswd.display()
    );
    let registry = Registry::start(keeper.path(), &auth);
    let image = Image::new("amd64");
    let name = registry.name("me/poems");
    let place = written(&name, &["--app", "poems"], through);
    let user = [("CHAPBOOK_REGISTRY_USER", "u")];
    let printed = run(&place, "deploy.ghcr.sh", &["v1"], &user, "p\n").unwrap();
    assert_eq!(printed, format!("{name}@{}\n", image.digest()));
    let told = keeper.run(&["inspect", &format!("{name}:v1"), "--json"]);
    assert!(told.contains(&image.digest()), "{told}");
    let (_, error) = run(&place, "deploy.ghcr.sh", &[], &user, "hunter3").unwrap_err();
    assert!(!error.contains("hunter3"), "{error}");
    // For Heroku: Docker's words, the same configuration. The release has its own test.
    let api = Server::new(|seen: &Seen| {
        let stack = r#"{"build_stack":{"name":"container"}}"#;
        Some(match seen.path() {
            "/apps/poems" => Reply::ok(stack),
            _ => Reply::status(500),
        })
    });
    let variables = [
        ("CHAPBOOK_HEROKU_API", &*api.url("")),
        ("CHAPBOOK_HEROKU_REGISTRY", &registry.address),
    ];
    let (_, error) = run(&place, "deploy.heroku.sh", &[], &variables, "p").unwrap_err();
    assert!(error.contains("releases of poems are not told"), "{error}");
    let latest = registry.name("poems/web:latest");
    let told = keeper.run(&["inspect", &latest, "--json"]);
    assert!(
        told.contains(DOCKER) && told.contains(&digest(&image.config)),
        "{told}"
    );
}
