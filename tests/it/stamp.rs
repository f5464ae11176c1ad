//! What an executable says of its own making, from throw-away repositories.

use std::fs;
use std::path::Path;
use std::process::Command;

#[path = "../../build/stamp.rs"]
mod of;

use of::Stamp;

/// Runs git as nobody in particular: no configuration of this machine's.
fn git(directory: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.current_dir(directory)
        .args(["-c", "user.name=A", "-c", "user.email=a@a.example"])
        .args(["-c", "commit.gpgSign=false", "-c", "tag.gpgSign=false"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_COMMITTER_DATE", "784111777 +0000");
    let done = git.output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {done:?}");
}

fn stamp(directory: &Path, environment: &[(&str, &str)]) -> Result<Stamp, String> {
    Stamp::of(directory, "1.2.3", &|name| {
        let found = environment.iter().find(|(key, _)| *key == name)?;
        Some(found.1.to_owned())
    })
}

fn repository() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    git(root.path(), &["init", "-q", "-b", "main"]);
    fs::write(root.path().join("file"), "one").unwrap();
    git(root.path(), &["add", "."]);
    git(root.path(), &["commit", "-qm", "one"]);
    root
}

#[test]
fn git_is_asked() {
    let root = repository();
    let root = root.path();
    let plain = stamp(root, &[]).unwrap();
    let commit = plain.commit.clone().unwrap();
    assert_eq!(commit.len(), 40);
    assert!(commit.starts_with(&plain.build), "{plain:?}");
    assert_eq!(plain.time, Some(784_111_777));

    git(root, &["tag", "v1.2.3"]);
    assert_eq!(stamp(root, &[]).unwrap().build, "v1.2.3");
    git(root, &["switch", "-qc", "topic/a"]);
    assert_eq!(stamp(root, &[]).unwrap().build, "v1.2.3,topic/a");
    fs::write(root.join("file"), "two").unwrap();
    assert_eq!(stamp(root, &[]).unwrap().build, "v1.2.3-dirty,topic/a");
    git(root, &["commit", "-qam", "two"]);
    let ahead = stamp(root, &[]).unwrap().build;
    assert!(ahead.starts_with("v1.2.3-1-g"), "{ahead}");
    git(root, &["switch", "-q", "--detach", "v1.2.3"]);
    assert_eq!(stamp(root, &[]).unwrap().build, "v1.2.3,detached");

    // A directory inside somebody else's repository is not that repository.
    let inside = root.join("inside");
    fs::create_dir(&inside).unwrap();
    assert_eq!(stamp(&inside, &[]).unwrap().build, "1.2.3-barebuild");
    assert!(Stamp::inputs(root).iter().all(|path| path.exists()));
    assert!(Stamp::inputs(root).len() >= 2);
    assert_eq!(Stamp::inputs(&inside), Vec::<std::path::PathBuf>::new());
}

#[test]
fn what_was_told_comes_before_git() {
    let root = repository();
    let bare = tempfile::tempdir().unwrap();
    let version = ("APP_VERSION", "v9.9.9-rc1");
    let epoch = ("SOURCE_DATE_EPOCH", "86400");
    let told = stamp(root.path(), &[version, epoch]).unwrap();
    assert_eq!(
        (told.build.as_str(), told.time),
        ("v9.9.9-rc1", Some(86_400))
    );
    let told = stamp(bare.path(), &[version]).unwrap();
    assert_eq!((told.build.as_str(), told.time), ("v9.9.9-rc1", None));
    let told = stamp(bare.path(), &[epoch]).unwrap();
    assert_eq!((told.build.as_str(), told.commit), ("1.2.3-at-86400", None));
    let revision = "0".repeat(40);
    let told = stamp(root.path(), &[("APP_REVISION", &revision)]).unwrap();
    assert_eq!(told.commit, Some(revision));
    let told = stamp(bare.path(), &[]).unwrap();
    assert_eq!((told.build.as_str(), told.time), ("1.2.3-barebuild", None));
}

#[test]
fn what_is_told_must_fit() {
    let bare = tempfile::tempdir().unwrap();
    for (name, value) in [
        ("APP_VERSION", "one\ncargo::warning=two"),
        ("APP_VERSION", "one two"),
        ("APP_VERSION", &"1".repeat(129)),
        ("APP_REVISION", "0123456"),
        ("APP_REVISION", &"g".repeat(40)),
        ("SOURCE_DATE_EPOCH", "yesterday"),
        ("SOURCE_DATE_EPOCH", "-1"),
    ] {
        let error = stamp(bare.path(), &[(name, value)]).unwrap_err();
        assert!(error.starts_with(name), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}
