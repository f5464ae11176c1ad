//! What registries do wrong, and what must not come of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::Place;
use crate::image::{DOCKER, Image, OCI, digest};
use crate::server::{Reply, Seen, Server};

/// Pushes the same image to `poems:v1`.
fn push(place: &Place, server: &Server) -> Result<String, (u8, String)> {
    let file = place.file("image.tar", Image::new("amd64").both());
    place.try_run(&["push", file.to_str().unwrap(), &server.name("poems:v1")])
}

/// Plays `reply` to the first `times` requests that `is_it` names.
fn first(
    times: usize,
    is_it: impl Fn(&Seen) -> bool + Send + Sync + 'static,
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> Server {
    let count = AtomicUsize::new(0);
    Server::new(move |seen| {
        let is_played = is_it(seen) && count.fetch_add(1, Ordering::Relaxed) < times;
        is_played.then(&reply)
    })
}

fn is_blob(seen: &Seen) -> bool {
    seen.method == "PUT" && seen.target.contains("/blobs/uploads/")
}

fn is_manifest(seen: &Seen) -> bool {
    seen.method == "PUT" && seen.target.contains("/manifests/")
}

#[test]
fn later_is_asked_again() {
    for status in [429, 500, 502, 503] {
        for is_it in [is_blob as fn(&Seen) -> bool, is_manifest, |_| true] {
            let server = first(2, is_it, move || Reply::status(status));
            push(&Place::new(), &server).unwrap();
            assert!(server.kept("poems/manifests/v1").is_some());
        }
    }
    // A connection that breaks off, too; and each upload is begun anew.
    let place = Place::new();
    let server = first(1, is_blob, Reply::hang);
    let mut hasty = Place::new();
    hasty.limits.idle = Duration::from_millis(300);
    push(&hasty, &server).unwrap();
    let begun = server
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("POST"));
    assert_eq!(begun.count(), 4);
    let server = first(1, is_blob, || Reply::status(429).field("Retry-After", "1"));
    let begun = Instant::now();
    push(&place, &server).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn patience_has_an_end() {
    for (is_it, what) in [
        (is_blob as fn(&Seen) -> bool, "blob sha256:"),
        (is_manifest, "manifest sha256:"),
    ] {
        let server = first(99, is_it, || Reply::error(503, "BUSY", "come back"));
        let (code, line) = push(&Place::new(), &server).unwrap_err();
        assert_eq!(code, 1);
        assert!(
            line.contains("503 Service Unavailable: BUSY: come back, 4 times"),
            "{line}"
        );
        assert!(
            line.contains(what) && line.contains(&server.name("poems")),
            "{line}"
        );
        assert!(
            server.paths().iter().all(|path| !path.ends_with("/v1")),
            "a tag appeared"
        );
    }
    let server = first(99, is_blob, || {
        Reply::status(429).field("Retry-After", "3600")
    });
    let (_, line) = push(&Place::new(), &server).unwrap_err();
    assert!(line.contains("wants a pause of 3600 s"), "{line}");
    // A registry that hangs, at each of its answers; and one that hangs for all of the time.
    let mut place = Place::new();
    place.limits.idle = Duration::from_millis(100);
    let begun = Instant::now();
    for is_it in [is_blob as fn(&Seen) -> bool, is_manifest, |_| true] {
        let (_, line) = push(&place, &first(99, is_it, Reply::hang)).unwrap_err();
        assert!(line.contains("no byte came for 100ms, 4 times"), "{line}");
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    let mut place = Place::new();
    place.limits.whole = Duration::from_millis(200);
    let (_, line) = push(&place, &first(99, is_blob, Reply::hang)).unwrap_err();
    assert!(line.contains("it took more than 200ms"), "{line}");
}

#[test]
fn a_refusal_is_final_and_leaves_no_tag() {
    for (is_it, status, times) in [
        (is_blob as fn(&Seen) -> bool, 400, 1),
        (is_blob, 413, 1),
        (is_manifest, 403, 1),
        (|seen| seen.method == "POST", 404, 1),
        // HEAD has no words: they are had by GET.
        (|seen| ["GET", "HEAD"].contains(&&*seen.method), 403, 2),
    ] {
        let count = std::sync::Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let server = Server::new(move |seen| {
            is_it(seen).then(|| {
                counted.fetch_add(1, Ordering::Relaxed);
                Reply::error(status, "DENIED", r"not\u001b[31m you\nnor \u202eme")
            })
        });
        let (code, line) = push(&Place::new(), &server).unwrap_err();
        assert_eq!((code, count.load(Ordering::Relaxed)), (1, times), "{line}");
        assert!(
            line.contains("DENIED: not\u{fffd}[31m you\u{fffd}nor \u{fffd}me"),
            "{line}"
        );
        assert!(server.paths().iter().all(|path| !path.ends_with("/v1")));
    }
    // What a registry says is bounded, and its pages are not shown.
    for (reply, words) in [
        (Reply::status(400).with("x".repeat(100_000)), "xxx…"),
        (
            Reply::status(400).with("<html><title>secret"),
            "400 Bad Request",
        ),
    ] {
        let server = Server::new(move |seen| is_manifest(seen).then(|| reply.clone()));
        let (_, line) = push(&Place::new(), &server).unwrap_err();
        assert!(line.len() < 1200 && line.contains(words), "{line}");
        assert!(!line.contains("html"), "{line}");
    }
}

/// As Heroku's registry does.
#[test]
fn a_registry_of_dockers_manifests_gets_a_hint() {
    let server = Server::new(|seen| {
        let is_oci = seen.field("content-type") == Some(OCI);
        is_oci.then(|| Reply::error(405, "UNSUPPORTED", "The operation is unsupported."))
    });
    let (_, line) = push(&Place::new(), &server).unwrap_err();
    assert!(
        line.contains("405 Method Not Allowed: UNSUPPORTED: The operation"),
        "{line}"
    );
    assert!(line.ends_with("--media-types docker)"), "{line}");
    assert!(!server.paths().iter().any(|path| path.contains("manifests")));
    push(
        &Place::new().variable("CHAPBOOK_MEDIA_TYPES", "docker"),
        &server,
    )
    .unwrap();
    assert_eq!(server.kept("poems/manifests/v1").unwrap().1, DOCKER);
}

#[test]
fn a_digest_that_is_stated_is_compared() {
    let wrong = digest(b"something else");
    for is_it in [is_blob as fn(&Seen) -> bool, is_manifest] {
        let wrong = wrong.clone();
        let reply = move || Reply::status(201).field("Docker-Content-Digest", &*wrong);
        let server = first(1, is_it, reply);
        let (_, line) = push(&Place::new(), &server).unwrap_err();
        assert!(
            line.contains("it states another digest than sha256:"),
            "{line}"
        );
        assert!(server.paths().iter().all(|path| !path.ends_with("/v1")));
    }
    // What is asked for by digest has it, whatever the registry states.
    let (place, server) = (Place::new(), Server::plain());
    let image = Image::new("amd64");
    server.keep(&format!("poems/manifests/{wrong}"), OCI, &image.manifest);
    let name = server.name(&format!("poems@{wrong}"));
    for command in [&["inspect", &*name][..], &["retag", &name, "v1"]] {
        assert!(place.fails(command).contains("it sent something else"));
    }
}

#[test]
fn an_upload_goes_where_the_location_says() {
    let elsewhere = Server::new(|seen| (seen.method == "PUT").then(|| Reply::status(201)));
    let away = elsewhere.url("/upload?sig=abc");
    for (location, expected) in [
        (
            "/v2/poems/blobs/uploads/1?_state=a%2Bb",
            "/v2/poems/blobs/uploads/1?_state=a%2Bb&digest=",
        ),
        ("2", "/v2/poems/blobs/uploads/2?digest="),
        ("../3?x", "/v2/poems/blobs/3?x&digest="),
        (&*away, "/upload?sig=abc&digest="),
    ] {
        let told = location.to_owned();
        let server = Server::new(move |seen| match &*seen.method {
            "POST" => Some(Reply::status(202).field("Location", &*told)),
            "PUT" if !seen.target.contains("/manifests/") => Some(Reply::status(201)),
            _ => None,
        });
        push(&Place::new(), &server).unwrap();
        let lines = [server.lines(), elsewhere.lines()].concat();
        let start = format!("PUT {expected}sha256:");
        assert!(
            lines.iter().any(|line| line.starts_with(&start)),
            "{location}: {lines:?}"
        );
    }
    for (location, cause) in [
        (Some("http://192.0.2.1/"), "plain http is only for loopback"),
        (Some("ftp://a/"), "neither https nor http"),
        (Some("http://a b/"), "characters"),
        (None, "did not say where"),
    ] {
        let server = Server::new(move |seen| {
            let begun = Reply::status(202);
            let begun = match location {
                Some(location) => begun.field("Location", location),
                None => begun,
            };
            (seen.method == "POST").then_some(begun)
        });
        let (_, line) = push(&Place::new(), &server).unwrap_err();
        assert!(line.contains(cause), "{line}");
    }
}

#[test]
fn redirects_end_and_what_is_sent_is_sent_again() {
    let place = Place::new();
    let server = Server::new(|seen| {
        let target = seen.target.strip_prefix("/v2/poems/manifests/v1");
        (seen.method == "PUT" && target.is_some())
            .then(|| Reply::status(307).field("Location", "/v2/other/manifests/v1"))
    });
    push(&place, &server).unwrap();
    assert!(server.kept("other/manifests/v1").is_some());
    for (status, cause) in [(303, "with a status that drops it"), (308, "too many")] {
        let server = Server::new(move |seen| {
            is_manifest(seen).then(|| Reply::status(status).field("Location", &*seen.target))
        });
        let (_, line) = push(&place, &server).unwrap_err();
        assert!(line.contains(cause), "{line}");
    }
}
