//! Files of servers that are there, that lie, that stall.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use super::{Reply, Server, World};
use crate::digest::Digest;

const CONTENT: &[u8] = b"a poem, and another one";

fn digest() -> Digest {
    Digest::of(CONTENT)
}

#[test]
fn a_file_is_asked_for_once() {
    let (world, server) = (World::new(), Server::new(|_| Reply::ok(CONTENT)));
    let url = server.url("/poems.tar?sig=secret#part");
    let path = world.file(&url, digest()).unwrap();
    assert_eq!(path, world.cache().join("sha256").join(digest().hex()));
    assert_eq!(fs::read(&path).unwrap(), CONTENT);
    assert_eq!(world.file(&url, digest()).unwrap(), path);
    assert_eq!(server.lines(), ["GET /poems.tar?sig=secret"]);
    let seen = &server.seen()[0];
    assert_eq!(seen.field("accept-encoding"), Some("identity"));
    assert!(seen.field("user-agent").unwrap().starts_with("chapbook/"));
    assert_eq!(seen.field("authorization"), None);
}

#[test]
fn a_damaged_file_is_fetched_again() {
    let (world, server) = (World::new(), Server::new(|_| Reply::ok(CONTENT).chunked()));
    let path = world.file(&server.url("/"), digest()).unwrap();
    for damage in [&b"a poem, and another two"[..], b"a poem", b""] {
        fs::write(&path, damage).unwrap();
        world.file(&server.url("/"), digest()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), CONTENT);
    }
    assert_eq!(server.seen().len(), 4);
    assert_eq!(world.cached(), [digest().hex()]);
}

#[test]
fn a_part_that_a_killed_build_left_is_written_over() {
    let (world, server) = (World::new(), Server::new(|_| Reply::ok(CONTENT)));
    let part = world
        .cache()
        .join("sha256")
        .join(digest().hex())
        .with_extension("part");
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    fs::write(&part, [b'x'; 1000]).unwrap();
    world.file(&server.url("/"), digest()).unwrap();
    assert_eq!(world.cached(), [digest().hex()]);
}

#[test]
fn two_builds_at_once_fetch_once() {
    let (world, server) = (World::new(), Server::new(|_| Reply::ok(CONTENT).dripping()));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| world.file(&server.url("/"), digest()).unwrap());
        }
    });
    assert_eq!(server.seen().len(), 1);
}

/// Asks once, unless a cause says how often, and leaves nothing behind.
fn assert_said(reply: Reply, cause: &str) {
    let mut world = World::new();
    world.limits.content_bytes = 100;
    let server = Server::new(move |_| reply.clone());
    let error = world.file(&server.url("/a?sig=secret"), digest());
    let error = error.unwrap_err();
    let start = format!("failed to fetch `{}?…`: ", server.url("/a"));
    assert!(error.starts_with(&start), "{error}");
    assert_eq!(error.matches("http://127").count(), 1, "{error}");
    assert!(error.contains(cause), "{cause}: {error}");
    assert_eq!(world.cached(), [""; 0], "{error}");
    let asked = if cause.ends_with("3 times") { 3 } else { 1 };
    assert_eq!(server.seen().len(), asked, "{error}");
}

#[test]
fn a_status_that_is_no_content_is_said_in_one_line() {
    for (status, cause) in [
        (401, "it answered 401 Unauthorized"),
        (403, "it answered 403 Forbidden"),
        (404, "it answered 404 Not Found"),
        (204, "it answered 204 No Content"),
        (206, "it answered 206 Partial Content"),
        (304, "it answered 304 Not Modified"),
        (499, "it answered 499 (an unknown status)"),
        (500, "it answered 500 Internal Server Error, 3 times"),
        (503, "it answered 503 Service Unavailable, 3 times"),
        (429, "it answered 429 Too Many Requests, 3 times"),
        (302, "it redirects to nowhere"),
    ] {
        assert_said(Reply::status(status, "\x1b[31msecret"), cause);
    }
    for (status, pause, cause) in [
        (429, "3600", "wants a pause of 3600 s"),
        (503, "2", "wants a pause of 2 s"),
        (503, "soon", "3 times"),
    ] {
        assert_said(Reply::status(status, "").field("Retry-After", pause), cause);
    }
    for (code, cause) in [
        ("DENIED", "Forbidden (DENIED)"),
        ("se cret", "403 Forbidden"),
    ] {
        let json = format!(r#"{{"errors":[{{"code":"{code}","message":"secret"}}]}}"#);
        let reply = Reply::status(403, json).field("Content-Type", "application/json");
        assert_said(reply, cause);
    }
}

#[test]
fn content_that_is_wrong_is_said_in_one_line() {
    let long = Reply::ok(vec![b'x'; 101]);
    let page = Reply::ok("<html>Log in</html>").field("Content-Type", "text/html; charset=utf-8");
    for (reply, cause) in [
        (Reply::ok("another poem"), "its SHA-256 is 4b66816c"),
        (Reply::ok(""), "its SHA-256 is e3b0c442"),
        (page, "; what came is a web page"),
        (long.clone(), "it has 101 bytes, over 100"),
        (long.chunked(), "it has over 100 bytes"),
        (Reply::ok("SSH-2.0-OpenSSH_9.2\r\n").bare(), "protocol: "),
        (Reply::ok("").field("X", "y".repeat(70_000)), "response"),
    ] {
        assert_said(reply, cause);
    }
    for bytes in [0, 10, 60] {
        let cause = "the connection ended before the answer did";
        assert_said(Reply::ok(CONTENT).cut_after(bytes), cause);
    }
    assert_said(
        Reply::ok(CONTENT).without_last_chunk(),
        "the connection ended before",
    );
}

#[test]
fn redirects_to_bad_places_are_said_in_one_line() {
    for (to, cause) in [
        ("http://example.com/?secret", "only for loopback hosts"),
        ("ftp://example.com/", "neither https nor http"),
        ("https://u:secret@example.com/", "it holds credentials"),
        (
            "https://exa mple.com/",
            "characters that an address cannot have",
        ),
    ] {
        assert_said(Reply::moved(302, to), cause);
    }
}

#[test]
fn every_wait_ends() {
    let short = Duration::from_millis(300);
    for (reply, idle, whole, cause) in [
        (
            Reply::ok(CONTENT).stall_after(0),
            short,
            short * 20,
            "no byte came for 300ms",
        ),
        (
            Reply::ok(CONTENT).stall_after(20),
            short,
            short * 20,
            "no byte came for 300ms",
        ),
        (
            Reply::ok(CONTENT).stall_after(65),
            short,
            short * 20,
            "no byte came for 300ms",
        ),
        (
            Reply::ok(CONTENT).stall_after(65),
            short * 20,
            short,
            "it took more than 300ms",
        ),
        (
            Reply::ok(CONTENT).dripping(),
            short * 20,
            short,
            "it took more than 300ms",
        ),
    ] {
        let mut world = World::new();
        (world.limits.idle, world.limits.whole) = (idle, whole);
        let server = Server::new(move |_| reply.clone());
        let error = world.file(&server.url("/"), digest()).unwrap_err();
        assert!(error.contains(cause), "{error}");
        assert_eq!(world.cached(), [""; 0]);
    }
}

#[test]
fn later_is_asked_again() {
    for (first, pause) in [(500, None), (503, Some("0")), (429, Some("1"))] {
        let mut later = Reply::status(first, "");
        later = pause.map_or(later.clone(), |pause| later.field("Retry-After", pause));
        let server = Server::in_turn(vec![later.clone(), later, Reply::ok(CONTENT)]);
        World::new().file(&server.url("/"), digest()).unwrap();
        assert_eq!(server.seen().len(), 3);
    }
}

#[test]
fn redirects_are_followed_five_times() {
    for (redirects, is_followed) in [(1, true), (5, true), (6, false)] {
        let server = Server::new(move |seen| {
            let count: usize = seen.path().trim_start_matches("/a/").parse().unwrap();
            match count {
                0 => Reply::ok(CONTENT),
                odd if odd % 2 == 1 => Reply::moved(302, format!("../a/{}?secret", count - 1)),
                _ => Reply::moved(308, format!("/a/{}#secret", count - 1)),
            }
        });
        let found = World::new().file(&server.url(&format!("/a/{redirects}")), digest());
        assert_eq!(found.is_ok(), is_followed, "{found:?}");
        if let Err(error) = found {
            assert!(error.contains("would be redirect 6, too many"), "{error}");
        }
    }
}

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = World::new().file(&url, digest()).unwrap_err();
    assert!(error.contains("refused"), "{error}");
}

#[test]
fn addresses_that_are_refused_are_not_asked() {
    for (url, cause) in [
        (
            "http://example.com/a",
            "plain http is only for loopback hosts",
        ),
        ("http://10.0.0.1/a", "plain http is only for loopback hosts"),
        ("https://user:secret@example.com/a", "it holds credentials"),
        ("file:///etc/passwd", "neither https nor http"),
        ("poems.tar", "it is no whole address"),
    ] {
        let world = World::new();
        let error = world.file(url, digest()).unwrap_err();
        assert!(error.contains(cause), "{error}");
        assert!(!world.cache().exists());
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let (world, server) = (World::new(), Server::new(|_| Reply::ok(CONTENT)));
    fs::write(world.cache(), "a file").unwrap();
    let error = world.file(&server.url("/"), digest()).unwrap_err();
    assert!(error.contains("cannot write `"), "{error}");
    assert!(server.seen().is_empty());
}
