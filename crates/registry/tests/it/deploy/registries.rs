//! `ghcr`, `dockerhub`, `artifact-registry`: digests, tags, and a writer that cannot take away.

use crate::Place;
use crate::image::Image;
use crate::server::{Reply, Seen, Server, delete};

/// An image in a file, and its name in a registry, by its digest.
fn named(place: &Place, server: &Server) -> (String, String) {
    let image = Image::new("amd64");
    let file = place.file("image.tar", image.both());
    let name = format!("{}@{}", server.name("me/poems"), image.digest());
    (file.to_str().unwrap().to_owned(), name)
}

#[test]
fn a_file_is_pushed_and_named() {
    let (server, place) = (Server::plain(), Place::new());
    let (file, name) = named(&place, &server);
    let deploy = ["deploy", "ghcr", "--image", &name];
    let tar = ["--tar", &file, "--tag", "v1", "--tag", "stable"];
    let printed = place.run(&[&deploy[..], &tar].concat());
    assert_eq!(printed, format!("{name}\n"));
    let image = Image::new("amd64");
    for tag in ["v1", "stable", &image.digest()] {
        let (kept, _) = server.kept(&format!("me/poems/manifests/{tag}")).unwrap();
        assert_eq!(kept, image.manifest, "{tag}");
    }
    // What is there is named without a file, and no blob is asked for.
    let before = server.lines().len();
    place.run(&[&deploy[..], &["--tag", "v2"]].concat());
    let lines = server.lines()[before..].join("\n");
    assert!(server.kept("me/poems/manifests/v2").is_some());
    assert!(!lines.contains("/blobs/"), "{lines}");
}

#[test]
fn another_image_than_the_named_one_is_not_sent() {
    let (server, place) = (Server::plain(), Place::new());
    let (file, _) = named(&place, &server);
    let other = Image::new("arm64").digest();
    let name = format!("{}@{other}", server.name("me/poems"));
    for target in ["ghcr", "heroku"] {
        let app: &[&str] = if target == "heroku" {
            &["--app", "poems"]
        } else {
            &[]
        };
        let typed = ["deploy", target, "--image", &name, "--tar", &file];
        let (code, line) = place.try_run(&[&typed[..], app].concat()).unwrap_err();
        assert_eq!(code, 2, "{line}");
        assert!(line.contains(&format!("{other} was named")), "{line}");
    }
    assert_eq!(server.lines(), [""; 0]);
    let missing = place.fails(&["deploy", "ghcr", "--image", &name]);
    assert!(
        missing.contains("404") && missing.contains("--tar FILE"),
        "{missing}"
    );
}

/// § A tag that means another image is refused with 409, 403 or 400: told for what it is.
#[test]
fn immutable_tags_are_told() {
    for status in [400, 403, 409] {
        let server = Server::new(move |seen: &Seen| {
            let is_taken = seen.method == "PUT" && seen.path().ends_with("/manifests/v1");
            is_taken.then(|| Reply::error(status, "DENIED", "tag v1 is immutable"))
        });
        let place = Place::new();
        let (file, name) = named(&place, &server);
        let other = Image::new("arm64");
        let kind = crate::image::OCI;
        server.keep("me/poems/manifests/v1", kind, &other.manifest);
        let typed = [
            "deploy",
            "dockerhub",
            "--image",
            &name,
            "--tar",
            &file,
            "--tag",
            "v1",
        ];
        let line = place.fails(&typed);
        // Kept by hand, it states no digest, as some registries do: the refusal alone is told.
        assert!(line.contains("tag v1 is immutable"), "{line}");
        let digest = Image::new("amd64").digest();
        assert!(
            server
                .kept(&format!("me/poems/manifests/{digest}"))
                .is_some()
        );
    }
    let is_full = std::sync::atomic::AtomicBool::new(false);
    let server = Server::new(move |seen: &Seen| {
        let is_tag = seen.method == "PUT" && seen.path().ends_with("/manifests/v1");
        let was_full = is_tag && is_full.swap(true, std::sync::atomic::Ordering::Relaxed);
        was_full.then(|| Reply::error(409, "DENIED", "tag v1 is immutable"))
    });
    let place = Place::new();
    let first = Image::new("arm64");
    let file = place.file("first.tar", first.both());
    let name = format!("{}@{}", server.name("me/poems"), first.digest());
    let deploy = |name: &str, file: &str| {
        place.try_run(&[
            "deploy", "ghcr", "--image", name, "--tar", file, "--tag", "v1",
        ])
    };
    deploy(&name, file.to_str().unwrap()).unwrap();
    deploy(&name, file.to_str().unwrap()).expect("the tag means it already");
    let (file, name) = named(&place, &server);
    let (code, line) = deploy(&name, &file).unwrap_err();
    assert_eq!(code, 1);
    let meant = format!("tag `v1`: it means {}", first.digest());
    assert!(
        line.contains(&meant) && line.contains("may be immutable"),
        "{line}"
    );
}

/// A token service that grants to push, and not to take away, is enough; nothing else is asked of
/// it, and its registry refuses what was not granted.
#[test]
fn a_writer_that_cannot_take_away_is_enough() {
    let tokens = Server::new(|seen: &Seen| {
        let is_least = seen.target.ends_with("scope=repository:me/poems:pull,push");
        let token = if is_least { "t0ken" } else { "none" };
        Some(Reply::ok(format!(r#"{{"token":"{token}"}}"#)))
    });
    let realm = format!(r#"Bearer realm="{}",service="a""#, tokens.url("/token"));
    let server = Server::new(move |seen: &Seen| {
        let refused = Reply::status(401).field("WWW-Authenticate", &*realm);
        match seen.field("authorization") {
            Some("Bearer t0ken") if seen.method == "DELETE" => {
                Some(Reply::error(403, "DENIED", "not granted"))
            }
            Some("Bearer t0ken" | "Bearer 0wner") => None,
            _ => Some(refused),
        }
    });
    let place = Place::new()
        .variable("CHAPBOOK_REGISTRY_USER", "u")
        .variable("CHAPBOOK_REGISTRY_PASSWORD", "hunter2");
    let (file, name) = named(&place, &server);
    place.run(&[
        "deploy", "ghcr", "--image", &name, "--tar", &file, "--tag", "v1",
    ]);
    assert!(server.seen().iter().all(|seen| seen.method != "DELETE"));
    let address = server.address.to_string();
    let path = "me/poems/manifests/v1";
    assert_eq!(delete(&address, path, "Bearer t0ken"), 403);
    assert!(server.kept(path).is_some(), "what was pushed stays");
    assert_eq!(delete(&address, path, "Bearer 0wner"), 202);
    assert!(server.kept(path).is_none(), "but for somebody who may");
}

#[test]
fn a_dry_run_tells_all_and_does_nothing() {
    let (server, mut place) = (Server::plain(), Place::new());
    place.stdin = "hunter2".to_owned();
    let (file, name) = named(&place, &server);
    let typed = [
        "deploy",
        "artifact-registry",
        "--image",
        &name,
        "--tar",
        &file,
    ];
    let printed = place.run(&[&typed[..], &["--tag", "v1", "--dry-run"]].concat());
    let base = server.url("/v2/me/poems");
    let image = Image::new("amd64");
    for line in [
        "$ gcloud auth print-access-token".to_owned(),
        format!("HEAD {base}/blobs/{}", crate::image::digest(&image.config)),
        format!(
            "POST {base}/blobs/uploads/, and PUT {} bytes",
            image.config.len()
        ),
        format!("PUT {base}/manifests/{} ", image.digest()),
        format!("HEAD {base}/manifests/v1"),
        format!("PUT {base}/manifests/v1, the same bytes, unless it means them"),
    ] {
        assert!(printed.contains(&line), "{line} in {printed}");
    }
    assert_eq!(server.lines(), [""; 0]);
}

#[test]
fn wrong_usage_is_told_before_anything_is_done() {
    let (server, place) = (Server::plain(), Place::new());
    let (file, name) = named(&place, &server);
    let far = format!("ghcr.io/me/poems@{}", Image::new("amd64").digest());
    let port = far.replace("ghcr.io", "ghcr.io:444");
    let cases: &[(&[&str], &str)] = &[
        (&["deploy"], "deploy wants one target"),
        (&["deploy", "gcr"], "`gcr` is no target"),
        (&["deploy", "ghcr"], "--image NAME@sha256:… is missing"),
        (&["deploy", "ghcr", "--image", "ghcr.io/a:v1"], "tags move"),
        (
            &["deploy", "ghcr", "--image", &name, "--app", "a"],
            "ghcr takes no --app",
        ),
        (&["deploy", "ghcr", "--image", &name, "--wrong"], "--wrong"),
        (
            &["deploy", "ghcr", "--image", &name, "--image", &name],
            "too often",
        ),
        (
            &["deploy", "ghcr", "--image", &name, "--tag", "-"],
            "the tag is malformed",
        ),
        (
            &["deploy", "dockerhub", "--image", &far, "--tar", &file],
            "dockerhub is at …docker.io, and `ghcr.io/me/poems",
        ),
        (
            &["deploy", "artifact-registry", "--image", &far],
            "is at …-docker.pkg.dev, and `ghcr.io/me/poems",
        ),
        // Somebody else may listen there.
        (
            &["deploy", "ghcr", "--image", &port],
            "ghcr is at …ghcr.io, and `ghcr.io:444/me/poems",
        ),
        (&["deploy-scripts"], "deploy-scripts wants one directory"),
        (
            &["deploy-scripts", "", "--image", &name, "--tar", &file],
            "deploy-scripts wants one directory",
        ),
    ];
    refused(&place, cases);
    assert_eq!(server.lines(), [""; 0]);
}

#[test]
fn what_a_target_wants_is_told_before_anything_is_done() {
    let (server, place) = (Server::plain(), Place::new());
    let (_, name) = named(&place, &server);
    let cases: &[(&[&str], &str)] = &[
        (
            &["deploy", "heroku", "--image", &name],
            "--app APP is missing",
        ),
        (
            &["deploy", "heroku", "--image", &name, "--app", "-a"],
            "--app `-a` is malformed",
        ),
        (
            &["deploy", "heroku", "--image", &name, "--app", "a:b"],
            "--app `a:b` is malformed",
        ),
        (
            &["deploy", "heroku", "--image", &name, "--app", "a"],
            "HEROKU_API_KEY",
        ),
        (
            &["deploy", "cloud-run", "--image", &name],
            "--region REGION is missing",
        ),
        (
            &["deploy", "kubernetes", "--image", &name, "--overlay", "big"],
            "small or production",
        ),
        (
            &[
                "deploy",
                "compose",
                "--image",
                &name,
                "--host",
                "-oProxyCommand=a",
            ],
            "malformed",
        ),
        (
            &["deploy", "systemd", "--image", &name],
            "systemd takes no --image",
        ),
        (&["deploy", "systemd"], "--chapbook FILE"),
        (
            &["deploy", "systemd", "--host", "u@h:22"],
            "belongs into ~/.ssh/config",
        ),
        (
            &["deploy", "systemd", "--host", "a@b@c"],
            "--host `a@b@c` is malformed",
        ),
        (
            &["deploy", "compose", "--image", &name, "--password-stdin"],
            "no --password-stdin",
        ),
    ];
    refused(&place, cases);
    assert_eq!(server.lines(), [""; 0]);
}

#[test]
fn options_are_variables_too() {
    let (server, place) = (Server::plain(), Place::new());
    let (file, name) = named(&place, &server);
    let place = Place::new()
        .variable("CHAPBOOK_DEPLOY_IMAGE", &*name)
        .variable("CHAPBOOK_DEPLOY_TAR", &*file)
        .variable("CHAPBOOK_DEPLOY_TAG", "v1 v2")
        .variable("CHAPBOOK_DEPLOY_APP", "of another target");
    place.run(&["deploy", "ghcr"]);
    assert!(server.kept("me/poems/manifests/v2").is_some());
    assert!(
        place
            .run(&["deploy", "--help"])
            .starts_with("usage: cargo xtask deploy")
    );
}

fn refused(place: &Place, cases: &[(&[&str], &str)]) {
    for (arguments, cause) in cases {
        let (code, line) = place.try_run(arguments).unwrap_err();
        let is_told = code == 2 && line.contains(cause);
        assert!(is_told, "{arguments:?}: {code} {line}");
    }
}
