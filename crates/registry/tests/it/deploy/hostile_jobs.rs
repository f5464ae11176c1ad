//! The scripts of `deploy-scripts` in jobs that mean no good, or whose shell or output is odd.

use std::fs;
use std::process::{Command, Stdio};

use super::scripts::{SKOPEO, calls, run, written};
use crate::image::Image;

const SECRETS: [(&str, &str); 3] = [
    ("CHAPBOOK_REGISTRY_USER", "u"),
    ("CHAPBOOK_REGISTRY_PASSWORD", "hunter2"),
    ("HEROKU_API_KEY", "hunter2"),
];

#[test]
fn words_are_words() {
    let place = written("ghcr.io/me/poems", &["--app", "poems"], SKOPEO);
    for (target, name, value) in [
        ("ghcr", "CHAPBOOK_DEPLOY_NAME", "127.0.0.1:5.evil.example/x"),
        ("ghcr", "CHAPBOOK_DEPLOY_NAME", "127.0.0.1:/x"),
        ("ghcr", "CHAPBOOK_DEPLOY_NAME", "ghcr.io/"),
        ("ghcr", "CHAPBOOK_DEPLOY_NAME", "ghcr.io//x"),
        ("ghcr", "CHAPBOOK_DEPLOY_NAME", "ghcr.io/../x"),
        ("heroku", "CHAPBOOK_HEROKU_REGISTRY", "127.0.0.1:1.evil"),
        ("heroku", "CHAPBOOK_HEROKU_API", "http://127.0.0.1:1.evil"),
        ("heroku", "CHAPBOOK_DEPLOY_APP", ".."),
        ("heroku", "CHAPBOOK_DEPLOY_PROCESS", " "),
        // No pattern of files that lie where it runs.
        ("heroku", "CHAPBOOK_DEPLOY_PROCESS", "[a-z]*"),
    ] {
        let variables = [&SECRETS[..], &[(name, value)]].concat();
        let script = format!("deploy.{target}.sh");
        let (code, error) = run(&place, &script, &[], &variables, "").unwrap_err();
        assert_eq!(code, Some(1), "{value}: {error}");
        assert!(error.contains(name), "{value}: {error}");
    }
    assert_eq!(calls(&place), [""; 0]);
}

/// Neither a shell that shows or exports everything, nor one whose reader has gone.
#[test]
fn nothing_is_shown_or_left() {
    let skopeo = format!("env >>\"$(dirname \"$0\")/../env\"; {SKOPEO}");
    let place = written("ghcr.io/me/poems", &[], &skopeo);
    let work = place.path().join("work");
    fs::create_dir(&work).unwrap();
    let script = place.path().join("out/deploy.ghcr.sh");
    let asked = |line: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", line, "sh"]).arg(&script);
        let (_, path) = &place.variables[0];
        command.env_clear().env("PATH", path).envs(SECRETS);
        command.env("TMPDIR", &work).stdin(Stdio::null());
        command.output().unwrap()
    };
    let digest = Image::new("amd64").digest();
    for line in ["exec dash -a \"$1\"", "exec dash -x \"$1\""] {
        let done = asked(line);
        let [out, error] = [&done.stdout, &done.stderr].map(|text| String::from_utf8_lossy(text));
        assert_eq!(out, format!("ghcr.io/me/poems@{digest}\n"), "{error}");
        assert!(!error.contains("hunter2"), "{line}: {error}");
    }
    let told = fs::read_to_string(place.path().join("env")).unwrap();
    assert!(
        told.contains("PATH=") && !told.contains("hunter2"),
        "{told}"
    );
    // The reader has gone before anything is written.
    let done = asked("{ sleep 0.2; exec dash \"$1\"; } | true");
    assert!(done.status.success());
    assert_eq!(work.read_dir().unwrap().count(), 0);
}

/// An image that has the name of a script would be written over.
#[test]
fn an_image_is_no_script() {
    let place = written("ghcr.io/me/poems", &[], SKOPEO);
    let image = Image::new("amd64");
    let name = format!("ghcr.io/me/poems@{}", image.digest());
    let directory = place.path().join("two");
    for file in ["MANIFEST", "deploy.ghcr.sh"] {
        let tar = place.file(file, image.both());
        let directory = directory.to_str().unwrap();
        let typed = ["deploy-scripts", directory, "--image", &name, "--tar"];
        let typed = [&typed[..], &[tar.to_str().unwrap()]].concat();
        let (code, line) = place.try_run(&typed).unwrap_err();
        assert!(code == 2 && line.contains("malformed"), "{line}");
    }
    assert!(!directory.exists());
}
