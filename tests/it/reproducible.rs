//! The same input gives the same bytes, whatever the directory, its order, the times of the
//! files, the umask, the time zone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use sitepack::Digest;
use sitepack::compiler::Compiler;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/poems")
}

fn packed(directory: &Path) -> Vec<u8> {
    Compiler::new()
        .poems("/poetry/", directory)
        .compile()
        .unwrap()
        .bytes
}

/// Copies the poems in another order, with other times.
fn shuffled(root: &Path) {
    let mut files: Vec<PathBuf> = data()
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort_by_key(|file| std::cmp::Reverse(Digest::of(file.to_str().unwrap().as_bytes())));
    for (age, file) in (1..).zip(&files) {
        let copy = root.join(file.file_name().unwrap());
        fs::write(&copy, fs::read(file).unwrap()).unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(age * 86_400);
        fs::File::options()
            .write(true)
            .open(&copy)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
    }
}

#[test]
fn order_times_and_directory_do_not_matter() {
    let root = tempfile::tempdir().unwrap();
    shuffled(root.path());
    let one = packed(&data());
    assert!(one == packed(root.path()), "another order, other times");
    assert!(one == packed(&data()), "a second run");
    let variables = [
        "CHAPBOOK_SITE",
        "CHAPBOOK_CODINGS",
        "CHAPBOOK_BASE_URL",
        "SOURCE_DATE_EPOCH",
    ];
    if variables
        .iter()
        .all(|name| std::env::var_os(name).is_none())
        && !cfg!(feature = "zstd")
    {
        assert!(
            one == chapbook::embedded::bytes().unwrap(),
            "what build.rs made"
        );
    }
}

/// Not a test of its own: prints the digest for the one below.
#[test]
#[ignore = "run by umask_and_time_zone_do_not_matter"]
fn print_digest() {
    let root = tempfile::tempdir().unwrap();
    shuffled(root.path());
    println!("packed as {}", Digest::of(&packed(root.path())));
}

#[test]
fn umask_and_time_zone_do_not_matter() {
    let expected = format!("packed as {}", Digest::of(&packed(&data())));
    for (umask, zone, language) in [
        ("077", "Asia/Kolkata", "tr_TR.UTF-8"),
        ("000", "UTC+11", "C"),
    ] {
        let this = std::env::current_exe().unwrap();
        let script = format!("umask {umask}; exec \"$0\" --ignored --exact --nocapture \"$1\"");
        let done = Command::new("sh")
            .args(["-c", &script])
            .arg(this)
            .arg("reproducible::print_digest")
            .env("TZ", zone)
            .env("LC_ALL", language)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&done.stdout);
        assert!(printed.contains(&expected), "{umask} {zone}: {printed}");
    }
}
