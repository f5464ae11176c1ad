//! Proxies, and TLS through them.

use std::time::Duration;

use super::{Reply, Server, World};
use crate::digest::Digest;

#[test]
fn https_goes_through_the_proxy_as_connect() {
    let proxy = Server::new(|_| Reply::status(403, "secret"));
    let value = format!("http://u:secret@{}", proxy.address);
    let digest = Digest::of(b"x");
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        let world = World::new().variable(name, &*value);
        let error = world
            .file("https://poems.invalid/a?sig=secret", digest)
            .unwrap_err();
        assert!(error.contains("the proxy would not connect"), "{error}");
    }
    let world = World::new().variable("HTTPS_PROXY", &*value);
    let error = world
        .image(&format!("oci://poems.invalid:5000/a@sha256:{digest}"))
        .unwrap_err();
    assert!(error.contains("the proxy would not connect"), "{error}");
    let lines = proxy.lines();
    assert_eq!(lines[..4], ["CONNECT poems.invalid:443"; 4]);
    assert_eq!(lines[4..], ["CONNECT poems.invalid:5000"]);
    let credentials = proxy.seen()[0]
        .field("proxy-authorization")
        .map(str::to_owned);
    assert_eq!(credentials.as_deref(), Some("Basic dTpzZWNyZXQ="));
}

#[test]
fn exceptions_and_loopback_hosts_do_without_the_proxy() {
    let (proxy, server) = (
        Server::new(|_| Reply::status(403, "")),
        Server::new(|_| Reply::ok("x")),
    );
    let proxied = || {
        let mut world = World::new().variable("HTTPS_PROXY", proxy.url(""));
        world.limits.connect = Duration::from_millis(500);
        world.variable("HTTP_PROXY", proxy.url(""))
    };
    proxied().file(&server.url("/"), Digest::of(b"x")).unwrap();
    for name in ["NO_PROXY", "no_proxy"] {
        let world = proxied().variable(name, "other, .invalid");
        let error = world
            .file("https://poems.invalid/", Digest::of(b"x"))
            .unwrap_err();
        assert!(!error.contains("proxy"), "{error}");
    }
    assert_eq!(proxy.lines(), [""; 0]);
}

#[test]
fn a_proxy_that_stalls_or_is_not_there_is_told() {
    let proxy = Server::new(|_| Reply::ok("").stall_after(0));
    let mut world = World::new().variable("HTTPS_PROXY", proxy.url(""));
    world.limits.connect = Duration::from_millis(300);
    let error = world
        .file("https://poems.invalid/", Digest::of(b"x"))
        .unwrap_err();
    assert!(error.contains("within 300ms"), "{error}");
    let world = World::new().variable("HTTPS_PROXY", "socks5://127.0.0.1:1");
    let error = world
        .file("https://poems.invalid/", Digest::of(b"x"))
        .unwrap_err();
    assert!(
        error.contains("`HTTPS_PROXY` names a proxy that is neither"),
        "{error}"
    );
}
