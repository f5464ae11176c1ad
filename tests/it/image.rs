//! `chapbook image`, as a user meets it. The executable of the tests is linked dynamically, which
//! an image says it may be; `tests/engines` has static ones, and runs them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use sitepack::Digest;

use crate::server::{chapbook, executable};
use crate::workshop::{Workshop, said};

/// Where nothing is but what is made there.
fn room() -> Workshop {
    Workshop::with(&[("index.html", "<!DOCTYPE html><title>x</title>\n")])
}

fn image(workshop: &Workshop, arguments: &[&str]) -> Output {
    let all = [&["image", "--allow-dynamic"], arguments].concat();
    let mut command = workshop.chapbook(&all);
    command.env_remove("SOURCE_DATE_EPOCH").output().unwrap()
}

/// The members of a tar: names and contents.
fn members(mut tar: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    while tar.iter().take(512).any(|byte| *byte != 0) {
        let name = tar[..100].split(|byte| *byte == 0).next().unwrap();
        let length = std::str::from_utf8(&tar[124..135]).unwrap();
        let length = usize::from_str_radix(length, 8).unwrap();
        let name = String::from_utf8(name.to_vec()).unwrap();
        found.push((name, tar[512..512 + length].to_vec()));
        tar = &tar[512 + length.next_multiple_of(512)..];
    }
    found
}

/// The configuration of an image, by way of Docker's `manifest.json`, and its one layer's tar.
fn opened(tar: &[u8]) -> (Value, Vec<u8>) {
    use std::io::Read as _;
    let members = members(tar);
    let content = |name: &str| &members.iter().find(|(known, _)| known == name).unwrap().1;
    let saved: Value = serde_json::from_slice(content("manifest.json")).unwrap();
    let config = content(saved[0]["Config"].as_str().unwrap());
    let layer = content(saved[0]["Layers"][0].as_str().unwrap());
    let mut plain = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(&**layer);
    decoder.read_to_end(&mut plain).unwrap();
    (serde_json::from_slice(config).unwrap(), plain)
}

/// It failed as it should, and left nothing.
fn refused(workshop: &Workshop, done: &Output, message: &str) {
    let told = said(done);
    assert_eq!(done.status.code(), Some(2), "{told}");
    assert!(told.contains(message), "{told}, not {message}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(done.stdout.is_empty());
    let names = workshop.names();
    assert!(
        !names.iter().any(|name| name.contains("image.tar")),
        "{names:?}"
    );
}

#[test]
fn an_image_has_one_file_and_says_what_it_is() {
    let workshop = room();
    workshop.pack(&["site", "-o", "packed"]);
    let arguments = [
        "--tag",
        "a.example/b:1",
        "--label",
        "a=b",
        "-o",
        "image.tar",
    ];
    let all = [&["image", "--allow-dynamic"], &arguments[..]].concat();
    let done = workshop.packed("packed", &all).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(workshop.names(), ["image.tar", "packed", "site"]);
    let (config, layer) = opened(&workshop.read("image.tar"));
    let [(name, content)] = &members(&layer)[..] else {
        panic!("several files")
    };
    assert_eq!((&**name, &layer[100..107]), ("chapbook", &b"0000555"[..]));
    assert!(*content == workshop.read("packed"));
    let version = workshop.ask_json("packed", &["version", "--json"]);
    let features: Vec<&str> = chapbook::about::features().collect();
    let mount = &version["site"]["provenance"]["mounts"][0];
    let labels = &config["config"]["Labels"];
    for (key, value) in [
        ("a", "b".into()),
        ("chapbook.build", version["build"].clone()),
        ("chapbook.engine", version["engine"].clone()),
        ("chapbook.features", features.join(",").into()),
        ("chapbook.rustc", version["rustc"].clone()),
        ("chapbook.site.sha256", version["site"]["sha256"].clone()),
        ("chapbook.site.source", "directory".into()),
        ("chapbook.site.source.sha256", mount["sha256"].clone()),
        ("chapbook.target", version["target"].clone()),
        (
            "org.opencontainers.image.created",
            "1970-01-01T00:00:00Z".into(),
        ),
        ("org.opencontainers.image.licenses", "BSD-2-Clause".into()),
        ("org.opencontainers.image.title", "chapbook".into()),
        (
            "org.opencontainers.image.revision",
            version["commit"].clone(),
        ),
        (
            "org.opencontainers.image.version",
            version["version"].clone(),
        ),
    ] {
        assert_eq!(labels[key], value, "{key}");
    }
    let run = &config["config"];
    assert_eq!(run["Entrypoint"], json!(["/chapbook"]));
    assert_eq!(run["ExposedPorts"], json!({ "8080/tcp": {} }));
    assert_eq!(
        run["Healthcheck"]["Test"],
        json!(["CMD", "/chapbook", "healthcheck"])
    );
    assert_eq!(
        (&run["StopSignal"], &run["WorkingDir"]),
        (&"SIGTERM".into(), &"/".into())
    );
    let told = said(&done);
    assert!(
        told.contains("wrote `image.tar`: a.example/b:1, linux/"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn the_same_input_gives_the_same_image() {
    let mut found = Vec::new();
    for (umask, zone, language) in [
        ("077", "Asia/Kolkata", "tr_TR.UTF-8"),
        ("000", "UTC+11", "C"),
    ] {
        let workshop = room();
        let script = format!(
            "umask {umask}; exec '{}' image --allow-dynamic -o image.tar",
            env!("CARGO_BIN_EXE_chapbook")
        );
        let done = Command::new("sh")
            .args(["-c", &script])
            .current_dir(workshop.path(""))
            .envs([
                ("TZ", zone),
                ("LC_ALL", language),
                ("SOURCE_DATE_EPOCH", "784111777"),
            ])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", said(&done));
        found.push(workshop.read("image.tar"));
        let mut pipe = chapbook();
        pipe.args(["image", "--allow-dynamic", "-o", "-"])
            .env("SOURCE_DATE_EPOCH", "784111777");
        found.push(pipe.output().unwrap().stdout);
    }
    assert!(found.iter().all(|bytes| *bytes == found[0]));
    let (config, layer) = opened(&found[0]);
    assert_eq!(config["created"], "1994-11-06T08:49:37Z");
    let time = std::str::from_utf8(&layer[136..147]).unwrap();
    assert_eq!(u64::from_str_radix(time, 8), Ok(784_111_777));
}

/// Of another executable only its site is read: what it was built from, it would have to be run.
#[test]
fn another_executable_is_read_and_not_run() {
    let workshop = room();
    workshop.pack(&["site", "-o", "packed"]);
    let done = image(&workshop, &["--base", "packed", "-o", "image.tar"]);
    assert!(
        said(&done).contains("`packed` is not run"),
        "{}",
        said(&done)
    );
    let (config, layer) = opened(&workshop.read("image.tar"));
    assert!(members(&layer)[0].1 == workshop.read("packed"));
    let labels = &config["config"]["Labels"];
    let version = workshop.ask_json("packed", &["version", "--json"]);
    assert_eq!(labels["chapbook.site.sha256"], version["site"]["sha256"]);
    assert_eq!(labels["chapbook.rustc"], Value::Null);
    assert_eq!(labels["org.opencontainers.image.version"], Value::Null);
    let plain = env!("CARGO_BIN_EXE_chapbook");
    let done = image(&workshop, &["--base", plain, "-o", "image.tar"]);
    assert!(done.status.success(), "{}", said(&done));
    let (config, _) = opened(&workshop.read("image.tar"));
    assert_eq!(
        config["config"]["Labels"]["chapbook.site.sha256"],
        Value::Null
    );
}

/// An executable of chapbook with other bytes in its header.
fn changed(workshop: &Workshop, name: &str, at: usize, bytes: &[u8]) {
    let mut file = fs::read(env!("CARGO_BIN_EXE_chapbook")).unwrap();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    workshop.write(name, &file);
}

#[test]
fn what_could_not_start_becomes_no_image() {
    let workshop = room();
    workshop.write("text", b"#!/bin/sh\n");
    workshop.write("empty", b"");
    changed(&workshop, "mach-o", 0, b"\xcf\xfa\xed\xfe");
    changed(&workshop, "freebsd", 7, &[9]);
    changed(&workshop, "avr", 18, &[83]);
    workshop.pack(&["site", "-o", "packed"]);
    let whole = workshop.read("packed");
    workshop.write("lost", &whole[..whole.len() - 100]);
    let length = whole.len();
    let mut damaged = whole;
    let head = damaged
        .windows(8)
        .rposition(|bytes| bytes == b"chapbook")
        .unwrap();
    assert!(length - head < 200, "the trailer");
    damaged[head] ^= 1;
    workshop.write("damaged", &damaged);
    // Nobody writes to it: whoever opened it would wait for ever.
    let made = Command::new("mkfifo").arg(workshop.path("fifo")).status();
    assert!(made.unwrap().success());
    for (base, message) in [
        ("text", "`text` is no executable of chapbook"),
        ("empty", "`empty` is no executable of chapbook"),
        ("gone", "failed to read `gone`: No such file"),
        ("site", "failed to read `site`: "),
        ("fifo", "failed to read `fifo`: it is no file"),
        (
            "mach-o",
            "image of `mach-o`: it is no ELF file, and images are for Linux",
        ),
        ("freebsd", "image of `freebsd`: it is for another system"),
        (
            "avr",
            "image of `avr`: it is for a processor that images have no name for",
        ),
        (
            "lost",
            "image of `lost`: the site that was packed into it is gone",
        ),
        (
            "damaged",
            "image of `damaged`: the site that was packed into it is gone",
        ),
    ] {
        let done = image(&workshop, &["--base", base, "-o", "image.tar"]);
        refused(&workshop, &done, message);
    }
    let dynamic = workshop
        .chapbook(&["image", "-o", "image.tar"])
        .output()
        .unwrap();
    // Where it is linked dynamically: a test of a static build finds nothing to refuse.
    if !dynamic.status.success() {
        refused(&workshop, &dynamic, "build/static.sh");
    }
    let lost = executable(&workshop.path("packed"))
        .arg("image")
        .output()
        .unwrap();
    refused(&workshop, &lost, "image needs -o FILE.tar");
}

#[test]
fn wrong_names_labels_and_platforms_are_one_line() {
    let workshop = room();
    workshop.write("site/other", b"");
    let other = if cfg!(target_arch = "x86_64") {
        "linux/arm64"
    } else {
        "linux/amd64"
    };
    let long = format!("a:{}", "1".repeat(129));
    for (arguments, message) in [
        (["--platform", other], "it is for linux/"),
        (["--platform", "windows/amd64"], "images are for Linux"),
        (["--tag", "A"], "--tag `A`: "),
        (["--tag", "a:b:c"], "--tag `a:b:c`: "),
        (["--tag", &long], "a tag is 1 to 128 letters"),
        (["--label", "a"], "--label `a`: a label is KEY=VALUE"),
        (
            ["--label", "org.opencontainers.image.licence=MIT"],
            "OCI has no label",
        ),
        (
            ["--label", "a=b\nc"],
            "a label's value has no control characters",
        ),
        (
            ["--media-types", "v1"],
            "--media-types `v1`: it is either oci or docker",
        ),
    ] {
        let done = image(&workshop, &[&arguments[..], &["-o", "image.tar"]].concat());
        refused(&workshop, &done, message);
    }
}

#[test]
fn targets_that_cannot_be_written_are_named_and_kept() {
    let workshop = room();
    for (file, message) in [
        (
            "none/image.tar",
            "failed to write `none/image.tar`: No such file",
        ),
        ("site", "failed to write `site`: is a directory"),
        (
            "/dev/full",
            "failed to write `/dev/full`: it is there, and is not a file",
        ),
    ] {
        refused(&workshop, &image(&workshop, &["-o", file]), message);
    }
    // A bound on the length of files stands in for a full disk.
    workshop.write("precious", b"precious");
    let script = format!(
        "trap '' XFSZ; ulimit -f 200; exec '{}' image --allow-dynamic -o precious",
        env!("CARGO_BIN_EXE_chapbook")
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(workshop.path(""));
    let done = command.output().unwrap();
    refused(
        &workshop,
        &done,
        "failed to write `precious`: File too large",
    );
    assert_eq!(workshop.read("precious"), b"precious");
    assert_eq!(workshop.names(), ["precious", "site"]);
    if Path::new("/dev/full").exists() {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = workshop.chapbook(&["image", "--allow-dynamic", "-o", "-"]);
        let done = command.stdout(Stdio::from(full)).output().unwrap();
        assert_eq!(done.status.code(), Some(1));
        assert!(said(&done).contains("failed to write to standard output: No space"));
    }
}

/// What an executable of hundreds of megabytes needs is no more than what a small one does.
#[cfg(target_os = "linux")]
#[test]
fn memory_is_bounded() {
    let workshop = room();
    let mut noise = Vec::new();
    while noise.len() < 64 << 20 {
        let seed = Digest::of(&(noise.len() as u64).to_le_bytes());
        noise.extend_from_slice(&seed.0.repeat(1 << 15));
    }
    workshop.write("site/noise.png", &noise);
    workshop.pack(&["site", "-o", "packed", "--codings", "identity"]);
    let script = format!(
        "ulimit -d 60000; exec '{}' image --allow-dynamic --base packed -o image.tar",
        env!("CARGO_BIN_EXE_chapbook")
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(workshop.path(""));
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    let (_, layer) = opened(&workshop.read("image.tar"));
    assert!(layer.len() > 64 << 20);
}
