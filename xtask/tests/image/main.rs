//! `cargo xtask image` with real engines, and a builder image made of this machine's compiler.
//!
//! Compiling in a container takes minutes, so one image is built, and asked everything; what needs
//! another build stops at a stage before the compiler, or finds its dependencies in the cache.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod checkout;
mod docker;
#[path = "../../../tests/engines/dockerd.rs"]
mod dockerd;
mod machine;
mod proxy;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use checkout::Checkout;
use docker::{Docker, said};
use proxy::Proxy;

/// The most that an image of the default build may take, unpacked and as a gzip layer: what it
/// takes, and little more. 4 MB and 2 are wanted: docs/decisions/0021.
const UNPACKED_BYTES_MAX: u64 = 4_740_000;
const PACKED_BYTES_MAX: usize = 2_300_000;

/// What every build here is told.
const COMMON: [&str; 6] = [
    "--engine",
    "docker",
    "env-DOCKER_BUILDER_IMAGE=builder:test",
    "env-EXTRACT_RUST_VERSION_FROM_LABEL=example.rustc",
    "env-DOCKER_APP_VERSION=v1.2.3",
    "env-SOURCE_DATE_EPOCH=784111777",
];

/// Says loudly that a test did not run; where CI has the tools, that is a failure.
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
    let ours = std::env::var_os("CHAPBOOK_CI_TOOLS").is_some();
    assert!(!ours, "CI has to have what this needs: {why}");
}

#[test]
fn an_image_from_scratch_is_built_and_runs() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::create_dir(root.join("docker")).unwrap();
    let docker = match Docker::start(&root.join("docker")) {
        Ok(docker) => docker,
        Err(why) => return skipped(&why),
    };
    let builder = root.join("builder");
    machine::complete(&builder);
    docker.import(&builder, "builder:test", "example.rustc=1.95.0-test");
    docker.told(&["tag", "builder:test", "alpine:test"]);
    fs::remove_dir_all(&builder).unwrap();

    let one = Checkout::new(root.join("one"), "022").vendored();
    a_proxy_reaches_the_build_and_not_the_image(&docker, &one);
    let offline = ["env-DOCKER_TAG=one", "env-DIND_PERSIST_FILE=out/one.tar"];
    let words = [&COMMON[..], &offline, &["--", "--network", "none"]].concat();
    let done = one.built(&docker.host(), &words);
    assert!(done.status.success(), "{}", said(&done));
    it_is_what_was_asked_for(&docker);
    it_is_one_small_file(&docker, root);
    assert!(root.join("one/out/one.tar").is_file());
    assert!(!root.join("one/out/one.tar.part").exists());
    it_runs_with_nothing(&docker, &one);
    another_checkout_gives_the_same_bytes(&docker, root);
    a_missing_data_set_gives_no_image(&docker, &one);
    // Gigabytes, which stay if anything of it is still mounted.
    drop(docker);
    directory.close().unwrap();
}

/// Predefined arguments: what runs in the build sees them, and nobody after it.
fn a_proxy_reaches_the_build_and_not_the_image(docker: &Docker, checkout: &Checkout) {
    let proxy = Proxy::start();
    let address = format!("http://user:pass-phrase@{}/", proxy.address);
    let told = format!("env-DOCKER_http_proxy={address}");
    let told_too = format!("env-DOCKER_HTTPS_PROXY={address}");
    let asks = "env-DOCKER_BUILDER_PREPARE=cd /tmp; CARGO_NET_RETRY=0 cargo install none || true";
    let stage = ["env-MAKE_DOCKER_TARGET=prepared", "env-DOCKER_TAG=proxy"];
    let words = [
        &COMMON[..],
        &stage,
        &[&*told, &told_too, asks],
        &["--", "--network", "host"],
    ];
    let done = checkout.built(&docker.host(), &words.concat());
    assert!(done.status.success(), "{}", said(&done));
    let asked = proxy.asked();
    assert!(asked.contains("CONNECT "), "{asked}");
    let name = "chapbook:target-prepared-proxy";
    let history = docker.told(&["history", "--no-trunc", name]) + &docker.told(&["inspect", name]);
    assert!(history.contains("cargo install none"), "{history}");
    assert!(!history.contains("pass-phrase"), "{history}");
}

fn it_is_what_was_asked_for(docker: &Docker) {
    let config = |format: &str| {
        let format = format!("{{{{json .Config.{format}}}}}");
        docker.told(&["image", "inspect", "--format", &format, "chapbook:one"])
    };
    for (field, expected) in [
        ("User", "\"65532:65532\""),
        ("Entrypoint", "[\"/chapbook\"]"),
        ("Cmd", "null"),
        ("ExposedPorts", "{\"8080/tcp\":{}}"),
        ("StopSignal", "\"SIGTERM\""),
        (
            "Healthcheck.Test",
            "[\"CMD\",\"/chapbook\",\"healthcheck\"]",
        ),
        ("Volumes", "null"),
    ] {
        assert_eq!(config(field), expected, "{field}");
    }
    let labels = config("Labels");
    for label in [
        "\"org.opencontainers.image.title\":\"chapbook\"",
        "\"org.opencontainers.image.licenses\":\"BSD-2-Clause\"",
        "\"org.opencontainers.image.version\":\"v1.2.3\"",
        "\"org.opencontainers.image.created\":\"1994-11-06T08:49:37Z\"",
        "\"chapbook.rustc\":\"1.95.0-test\"",
        "\"chapbook.builder.image\":\"builder:test\"",
        "\"chapbook.runtime.base\":\"scratch\"",
        "\"chapbook.features\":\"default\"",
        "\"chapbook.data.source\":\"data\"",
        "\"chapbook.data.digest\":\"sha256:",
    ] {
        assert!(labels.contains(label), "{label}: {labels}");
    }
    assert!(!labels.contains("base.name"), "{labels}");
}

/// The executable of an image.
fn executable(docker: &Docker, image: &str, to: &Path) -> Vec<u8> {
    let container = docker.told(&["create", "--network", "host", image]);
    docker.told(&[
        "cp",
        &format!("{container}:/chapbook"),
        to.to_str().unwrap(),
    ]);
    docker.told(&["rm", &container]);
    fs::read(to).unwrap()
}

fn it_is_one_small_file(docker: &Docker, root: &Path) {
    let format = "{{json .RootFS.Layers}}";
    let layers = docker.told(&["image", "inspect", "--format", format, "chapbook:one"]);
    assert_eq!(layers.matches("sha256:").count(), 1, "{layers}");
    let list = "for layer in $(tar -tf out/one.tar | grep layer.tar); do \
                tar -xOf out/one.tar $layer | tar -tvf -; done";
    let mut shell = Command::new("sh");
    let listed = shell
        .args(["-euc", list])
        .current_dir(root.join("one"))
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(
        listed.starts_with("-r-xr-xr-x ") && listed.trim().ends_with(" chapbook"),
        "{listed}"
    );
    let file = root.join("executable");
    let bytes = executable(docker, "chapbook:one", &file);
    assert!(
        bytes.len() as u64 <= UNPACKED_BYTES_MAX,
        "{} bytes",
        bytes.len()
    );
    let packed = Command::new("gzip")
        .arg("-9c")
        .arg(&file)
        .output()
        .unwrap()
        .stdout;
    assert!(
        packed.len() <= PACKED_BYTES_MAX,
        "{} bytes packed",
        packed.len()
    );
    eprintln!("{} bytes, {} as gzip", bytes.len(), packed.len());
    let headers = machine::told("readelf", &["-ld", file.to_str().unwrap()]);
    assert!(
        !headers.contains("INTERP") && !headers.contains("NEEDED"),
        "{headers}"
    );
}

/// Read-only, no capabilities: it answers, is healthy, and ends when it is told.
fn it_runs_with_nothing(docker: &Docker, checkout: &Checkout) {
    let port = free_port();
    let words = [
        &format!("env-EXTRA_DOCKER_RUN_ARGS=--network host --env PORT={port} --name it-runs"),
        &format!("env-DOCKER_PORT={port}"),
        "env-DOCKER_TAG=one",
    ];
    let words = [&["run"], &COMMON[..2], &words[..]].concat();
    let mut run = checkout.image(&docker.host(), &words);
    let mut run = run.stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(run.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    assert_eq!(url.trim(), format!("http://127.0.0.1:{port}/"));
    assert!(get(port, "/poetry/").starts_with("HTTP/1.1 200 "));
    let healthy = docker.told(&["exec", "it-runs", "/chapbook", "healthcheck"]);
    assert_eq!(healthy, "");
    let host = docker.told(&["inspect", "--format", "{{json .HostConfig}}", "it-runs"]);
    for part in [
        "\"ReadonlyRootfs\":true",
        "\"CapDrop\":[\"ALL\"]",
        "\"SecurityOpt\":[\"no-new-privileges\"]",
        "\"AutoRemove\":true",
    ] {
        assert!(host.contains(part), "{part}: {host}");
    }
    let start = Instant::now();
    docker.told(&["stop", "it-runs"]);
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    assert!(run.wait().unwrap().success());
}

/// In another directory, under another umask, with other times: the dependencies are in the
/// cache, and the executable is the same. On another base there is a shell beside it.
fn another_checkout_gives_the_same_bytes(docker: &Docker, root: &Path) {
    let two = Checkout::new(root.join("another/two"), "077").vendored();
    let base = [
        "env-DOCKER_TAG=two",
        "env-DOCKER_RUNTIME_BASE_IMAGE=alpine:test",
    ];
    let readme = two.root.join("src/a-file-that-is-new");
    fs::write(readme, "").unwrap();
    let words = [&COMMON[..], &base, &["--", "--network", "none"]].concat();
    let done = two.built(&docker.host(), &words);
    let told = said(&done);
    assert!(done.status.success(), "{told}");
    assert!(!told.contains("Compiling brotli"), "{told}");
    let first = fs::read(root.join("executable")).unwrap();
    let second = executable(docker, "chapbook:two", &root.join("second"));
    assert!(
        first == second,
        "{} and {} bytes",
        first.len(),
        second.len()
    );
    let format = "{{index .Config.Labels \"org.opencontainers.image.base.name\"}}";
    let label = docker.told(&["image", "inspect", "--format", format, "chapbook:two"]);
    assert_eq!(label, "alpine:test");
    let shell = [
        "run",
        "--rm",
        "--network",
        "host",
        "--entrypoint",
        "/bin/sh",
        "chapbook:two",
    ];
    let words = [&shell[..], &["-c", "/chapbook verify && echo whole"]].concat();
    assert!(docker.told(&words).contains("whole"));
}

fn a_missing_data_set_gives_no_image(docker: &Docker, checkout: &Checkout) {
    let tagged = |name: &str| !docker.told(&["images", "-q", name]).is_empty();
    let other = ["env-DOCKER_TAG=other", "env-DOCKER_DATA_DIGEST=sha256:00"];
    let done = checkout.built(&docker.host(), &[&COMMON[..], &other].concat());
    assert_eq!(done.status.code(), Some(1));
    assert!(said(&done).contains("failed to take the data set `data`: its digest is sha256:"));
    assert!(!tagged("chapbook:other"));
    fs::remove_dir_all(checkout.root.join("data")).unwrap();
    let words = [&COMMON[..], &["env-DOCKER_TAG=missing"]].concat();
    let done = checkout.built(&docker.host(), &words);
    assert_eq!(done.status.code(), Some(2));
    let mut bare = docker.command(&["build", "-t", "chapbook:missing", "."]);
    bare.args([
        "--build-arg",
        "BUILDER_IMAGE=builder:test",
        "--network",
        "none",
    ]);
    let done = bare
        .current_dir(&checkout.root)
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .unwrap();
    assert!(!done.status.success());
    assert!(
        said(&done).contains("failed to find the data set `data`"),
        "{}",
        said(&done)
    );
    assert!(!tagged("chapbook:missing"));
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn get(port: u16, target: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Buildah takes the Dockerfile and the knobs, as far as a builder without a compiler leads.
#[test]
fn buildah_builds_from_the_same_dockerfile() {
    if Command::new("buildah").arg("version").output().is_err() {
        return skipped("buildah is not installed");
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let storage = format!(
        "[storage]\ndriver = \"vfs\"\ngraphroot = \"{0}/graph\"\nrunroot = \"{0}/run\"\n",
        root.display()
    );
    fs::write(root.join("storage.conf"), storage).unwrap();
    let environment = [
        (
            "CONTAINERS_STORAGE_CONF",
            root.join("storage.conf").into_os_string(),
        ),
        ("BUILDAH_ISOLATION", "chroot".into()),
    ];
    let buildah = |words: &[&str]| {
        let mut command = Command::new("buildah");
        let done = command
            .args(words)
            .envs(environment.clone())
            .output()
            .unwrap();
        assert!(done.status.success(), "buildah {words:?}: {}", said(&done));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    let builder = root.join("builder");
    machine::small(&builder);
    let container = buildah(&["from", "scratch"]);
    buildah(&["add", "--quiet", &container, builder.to_str().unwrap(), "/"]);
    buildah(&["config", "--label", "example.rustc=1.2.3", &container]);
    buildah(&["commit", "--quiet", &container, "localhost/builder:test"]);
    let checkout = Checkout::new(root.join("one"), "022");
    let words = [
        "--engine",
        "buildah",
        "env-DOCKER_BUILDER_IMAGE=localhost/builder:test",
        "env-EXTRACT_RUST_VERSION_FROM_LABEL=example.rustc",
        "env-MAKE_DOCKER_TARGET=manifests",
        "env-DOCKER_PROJECT=localhost/chapbook",
        "env-DOCKER_TAG=one",
        "env-SOURCE_DATE_EPOCH=784111777",
        "env-DIND_PERSIST_FILE=out/one.tar",
    ];
    let mut image = checkout.image("", &words);
    let done = image.envs(environment.clone()).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert!(checkout.root.join("out/one.tar").is_file());
    let image = "localhost/chapbook:target-manifests-one";
    let format = "{{.OCIv1.Created}}";
    let created = buildah(&["inspect", "--type", "image", "--format", format, image]);
    assert!(created.starts_with("1994-11-06 08:49:37"), "{created}");
    let wrong = [&words[..3], &["env-EXTRACT_RUST_VERSION_FROM_LABEL=none"]].concat();
    let done = checkout
        .image("", &wrong)
        .envs(environment)
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2), "{}", said(&done));
    assert!(
        said(&done).contains("has no label `none`"),
        "{}",
        said(&done)
    );
}
