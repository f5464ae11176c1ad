//! Images of a registry that is a table, with a token service and a storage of its own.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::Seen;
use super::{Reply, Server, World};
use crate::compiler::archive::Kind;
use crate::digest::Digest;

const OCI: &str = "application/vnd.oci.image";
const DOCKER: &str = "application/vnd.docker";
const CREATED: &str = "2022-07-19T17:32:21.5Z";
const CREATED_SECONDS: u64 = 1_658_251_941;

/// Manifests and blobs by the paths that they have in a registry.
#[derive(Clone, Default)]
struct Table(BTreeMap<String, Vec<u8>>);

impl Table {
    /// Adds a blob, and gives its descriptor.
    fn blob(&mut self, room: &str, kind: &str, content: impl Into<Vec<u8>>) -> String {
        let content = content.into();
        let (digest, bytes) = (Digest::of(&content), content.len());
        self.0
            .insert(format!("/v2/poems/{room}/sha256:{digest}"), content);
        format!(r#"{{"mediaType":"{kind}","digest":"sha256:{digest}","size":{bytes}}}"#)
    }

    /// Adds an image of OCI's with two layers, and gives its descriptor.
    fn image(&mut self) -> String {
        let config = format!(r#"{{"created":"{CREATED}","os":"linux"}}"#);
        let config = self.blob("blobs", &format!("{OCI}.config.v1+json"), config);
        let one = self.blob("blobs", &format!("{OCI}.layer.v1.tar"), "layer one");
        let two = self.blob("blobs", &format!("{OCI}.layer.v1.tar+gzip"), "layer two");
        let text = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{one},{two}]}}"#);
        self.blob("manifests", &format!("{OCI}.manifest.v1+json"), text)
    }

    fn manifest(&mut self, text: impl Into<Vec<u8>>) -> Digest {
        let text = text.into();
        let digest = Digest::of(&text);
        self.blob("manifests", "", text);
        digest
    }

    fn reply(&self, seen: &Seen) -> Reply {
        let found = self.0.get(seen.path()).cloned();
        found.map_or_else(|| Reply::status(404, ""), Reply::ok)
    }

    fn serve(self) -> Server {
        Server::new(move |seen| self.reply(seen))
    }
}

fn digest_of(descriptor: &str) -> &str {
    descriptor
        .split('"')
        .find(|part| part.starts_with("sha256:"))
        .unwrap()
}

fn reference(server: &Server, digest: impl std::fmt::Display) -> String {
    let digest = digest.to_string();
    let digest = digest.trim_start_matches("sha256:");
    format!("oci://{}/poems:v1@sha256:{digest}", server.address)
}

#[test]
fn an_image_is_its_layers_in_order() {
    let mut table = Table::default();
    let image = table.image();
    let (world, server) = (World::new(), table.serve());
    let reference = reference(&server, digest_of(&image));
    let found = world.image(&reference).unwrap();
    let kinds: Vec<_> = found.layers.iter().map(|layer| layer.kind).collect();
    assert_eq!(kinds, [Kind::Tar, Kind::TarGzip]);
    let texts = found
        .layers
        .iter()
        .map(|layer| fs::read_to_string(&layer.file).unwrap());
    assert_eq!(texts.collect::<Vec<_>>(), ["layer one", "layer two"]);
    assert_eq!(found.created, Some(CREATED_SECONDS));
    assert_eq!(server.seen().len(), 4);
    let accepted = server.seen()[0].field("accept").unwrap().to_owned();
    for kind in [
        "oci.image.index",
        "oci.image.manifest",
        "manifest.list.v2",
        "manifest.v2",
    ] {
        assert!(accepted.contains(kind), "{accepted}");
    }
    // Without the registry.
    drop(server);
    let again = world.image(&reference).unwrap();
    assert_eq!(again.layers[1].file, found.layers[1].file);
    assert_eq!(again.created, found.created);
    // A damaged layer is not taken, and cannot be had any more.
    fs::write(&found.layers[0].file, "layer ONE").unwrap();
    world.image(&reference).unwrap_err();
}

#[test]
fn docker_images_indexes_and_artefacts_are_read() {
    let mut table = Table::default();
    let layer = table.blob(
        "blobs",
        &format!("{DOCKER}.image.rootfs.diff.tar.gzip"),
        "layer",
    );
    let config = r#"{"created":"1970-01-01T00:00:00Z"}"#;
    let config = table.blob(
        "blobs",
        &format!("{DOCKER}.container.image.v1+json"),
        config,
    );
    let kind = format!("{DOCKER}.distribution.manifest.v2+json");
    let head = format!(r#""schemaVersion":2,"mediaType":"{kind}""#);
    let docker = format!(r#"{{{head},"config":{config},"layers":[{layer}]}}"#);
    let docker = table.manifest(docker);
    let empty = table.blob("blobs", "application/vnd.oci.empty.v1+json", "{}");
    let annotations =
        format!(r#""annotations":{{"org.opencontainers.image.created":"{CREATED}"}}"#);
    let artefact = table.manifest(format!(
        r#"{{"schemaVersion":2,"config":{empty},"layers":[{layer}],{annotations}}}"#
    ));
    let image = table.image();
    let with = |system: &str, architecture: &str, descriptor: &str| {
        let rest = descriptor.trim_end_matches('}');
        let platform = format!(r#"{{"os":"{system}","architecture":"{architecture}"}}"#);
        format!(r#"{rest},"platform":{platform}}}"#)
    };
    let missing = table.blob("elsewhere", &format!("{OCI}.manifest.v1+json"), "missing");
    let index =
        |list: &[String]| format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, list.join(","));
    let attested = index(&[
        with("linux", "s390x", &image),
        with("unknown", "unknown", &missing),
    ]);
    let attested = table.manifest(attested);
    let many = index(&[
        with("linux", "arm64", &missing),
        with("linux", "amd64", &image),
    ]);
    let many = table.manifest(many);
    let server = table.serve();
    for (digest, layers, created) in [
        (docker, 1, None),
        (artefact, 1, Some(CREATED_SECONDS)),
        (attested, 2, Some(CREATED_SECONDS)),
        (many, 2, Some(CREATED_SECONDS)),
    ] {
        let found = World::new().image(&reference(&server, digest)).unwrap();
        assert_eq!((found.layers.len(), found.created), (layers, created));
    }
}

/// Fetches each manifest of `cases` from `table`, in vain.
fn assert_refused(mut table: Table, cases: &[(String, &str)]) {
    let digests: Vec<_> = cases
        .iter()
        .map(|(text, _)| table.manifest(&**text))
        .collect();
    let server = table.serve();
    for (digest, (_, cause)) in digests.into_iter().zip(cases) {
        let mut world = World::new();
        (world.limits.content_bytes, world.limits.manifest_bytes) = (10_000, 40_000);
        let error = world.image(&reference(&server, digest)).unwrap_err();
        assert!(error.contains(cause), "{cause}: {error}");
        assert!(!world.cached().iter().any(|name| name.ends_with(".part")));
    }
}

#[test]
fn layers_that_are_not_as_the_manifest_says_are_refused() {
    let mut table = Table::default();
    let kind = format!("{OCI}.layer.v1.tar");
    let layer = table.blob("blobs", &kind, "layer");
    let sized = |size: u64| layer.replace(r#""size":5"#, &format!(r#""size":{size}"#));
    let other = table.blob("blobs", &kind, "another");
    let wrong = format!("/v2/poems/blobs/{}", digest_of(&other));
    table.0.insert(wrong, b"nothing".to_vec());
    let missing = table.blob("elsewhere", &kind, "missing");
    let cases = [
        (sized(4), "it has 5 bytes, over 4"),
        (sized(6), "it has 5 bytes, not 6"),
        (sized(10_001), "its layers have 10001 bytes, over 10000"),
        (
            format!("{0},{0},{0}", sized(4000)),
            "its layers have 12000 bytes",
        ),
        (
            format!("{0},{0}", sized(u64::MAX)),
            "its layers have 18446744073709551615",
        ),
        (other, "its SHA-256 is"),
        (missing, "it answered 404 Not Found"),
        (layer.replace("v1.tar", "v1.zip"), "is no tar file"),
        (
            vec![layer.clone(); 129].join(","),
            "it has 129 layers, over 128",
        ),
    ];
    let manifest = |layers| format!(r#"{{"schemaVersion":2,"layers":[{layers}]}}"#);
    assert_refused(
        table,
        &cases.map(|(layers, cause)| (manifest(layers), cause)),
    );
}

#[test]
fn manifests_that_are_none_are_refused() {
    let mut table = Table::default();
    let layer = table.blob("blobs", "a.tar", "layer");
    let big = "application/vnd.oci.image.config.v1+json";
    let big = table.blob("blobs", big, format!("{:>1$}", "{}", 50_000));
    let nested = table.manifest(r#"{"schemaVersion":2,"manifests":[]}"#);
    let nested = format!(r#"{{"digest":"sha256:{nested}","size":34}}"#);
    let configured = format!(r#""config":{big},"layers":[{layer}]"#);
    let cases = [
        (
            format!(r#"{{"schemaVersion":2,{configured}}}"#),
            "it has 50000 bytes, over 40000",
        ),
        (
            r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned(),
            "schema 1",
        ),
        (
            format!(r#"{{"schemaVersion":2,"manifests":[{nested}]}}"#),
            "an index in an index",
        ),
        (
            r#"{"schemaVersion":2,"manifests":[ ]}"#.to_owned(),
            "its index has no image",
        ),
        (r#"["secret"]"#.to_owned(), "it is no JSON object"),
        (" ".repeat(50_000), "over 40000"),
    ];
    assert_refused(table, &cases);
    let server = Table::default().serve();
    let error = World::new().image(&reference(&server, Digest::of(b"unknown")));
    assert!(error.unwrap_err().contains("it answered 404 Not Found"));
}

#[test]
fn answers_that_are_no_manifests_are_refused() {
    let page = Reply::ok("<html>secret</html>").field("Content-Type", "text/html");
    let code = Reply::status(404, r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#);
    for (reply, cause) in [
        (page, "; what came is a web page"),
        (
            code.field("Content-Type", "application/json"),
            "404 Not Found (MANIFEST_UNKNOWN)",
        ),
        (
            Reply::status(500, ""),
            "it answered 500 Internal Server Error, 3 times",
        ),
        (
            Reply::status(401, ""),
            "asks for nothing that is known here",
        ),
        (
            Reply::status(401, "").field("WWW-Authenticate", "Basic realm=x"),
            "config.json",
        ),
    ] {
        let server = Server::new(move |_| reply.clone());
        let error = World::new()
            .image(&reference(&server, Digest::of(b"x")))
            .unwrap_err();
        assert!(error.contains(cause), "{error}");
    }
    let error = World::new()
        .image("oci://localhost:1/poems:v1")
        .unwrap_err();
    assert!(
        error.contains("skopeo inspect docker://localhost:1/poems:v1"),
        "{error}"
    );
    let digest = Digest::of(b"x");
    let error = World::new().image(&format!("oci://u:secret@ghcr.io/a@sha256:{digest}"));
    assert!(error.unwrap_err().contains("credentials"));
}

/// A registry that wants `wanted` as Authorization, and whose blobs lie in a storage elsewhere.
fn guarded(table: Table, challenge: String, wanted: fn(usize) -> String) -> (Server, Server) {
    let storage = Table(table.0.clone()).serve();
    let (elsewhere, count) = (storage.url(""), Arc::new(AtomicUsize::new(0)));
    let registry = Server::new(move |seen| {
        let wanted = wanted(count.load(Ordering::Relaxed));
        if seen.field("authorization") != Some(&wanted) {
            return Reply::status(401, "").field("WWW-Authenticate", challenge.clone());
        }
        count.fetch_add(1, Ordering::Relaxed);
        match seen.path().contains("/blobs/") {
            true => Reply::moved(307, format!("{elsewhere}{}?sig=secret", seen.path())),
            false => table.reply(seen),
        }
    });
    (registry, storage)
}

#[test]
fn a_token_is_asked_for_and_not_passed_on() {
    let mut table = Table::default();
    let image = table.image();
    let tokens = Server::new(|_| Reply::ok(r#"{"token":"secret.token"}"#));
    let challenge = format!(
        r#"Bearer realm="{}",service="a registry",scope="repository:poems:pull""#,
        tokens.url("/token?account=x")
    );
    let (registry, storage) = guarded(table, challenge, |_| "Bearer secret.token".to_owned());
    let world = World::new();
    let found = world
        .image(&reference(&registry, digest_of(&image)))
        .unwrap();
    assert_eq!(found.layers.len(), 2);
    assert_eq!(
        tokens.lines(),
        ["GET /token?account=x&scope=repository:poems:pull&service=a%20registry"]
    );
    assert_eq!(tokens.seen()[0].field("authorization"), None);
    assert_eq!(
        registry.seen().len(),
        5,
        "one 401, one manifest, three blobs"
    );
    assert_eq!(storage.seen().len(), 3);
    for seen in storage.seen() {
        assert_eq!(seen.field("authorization"), None, "{seen:?}");
    }
    for name in world.cached() {
        let text = fs::read_to_string(world.cache().join("sha256").join(name)).unwrap();
        assert!(!text.contains("secret"));
    }
}

#[test]
fn an_expired_token_is_replaced() {
    let mut table = Table::default();
    let image = table.image();
    let count = AtomicUsize::new(0);
    let tokens = Server::new(move |_| {
        let count = count.fetch_add(1, Ordering::Relaxed);
        Reply::ok(format!(r#"{{"access_token":"t{count}","expires_in":1}}"#))
    });
    let challenge = format!("Bearer realm=\"{}\"", tokens.url("/token"));
    // Each token lasts for two requests.
    let (registry, _storage) = guarded(table, challenge, |seen| format!("Bearer t{}", seen / 2));
    World::new()
        .image(&reference(&registry, digest_of(&image)))
        .unwrap();
    assert_eq!(tokens.seen().len(), 2);
    assert_eq!(tokens.lines()[0], "GET /token?scope=repository:poems:pull");
}

#[test]
fn credentials_go_to_the_token_service_and_nowhere_else() {
    let mut table = Table::default();
    let image = table.image();
    let tokens = Server::new(|seen| match seen.field("authorization") {
        Some("Basic dTpw") => Reply::ok(r#"{"token":"secret.token"}"#),
        _ => Reply::status(401, ""),
    });
    let challenge = format!("Bearer realm=\"{}\"", tokens.url("/token"));
    let (registry, storage) = guarded(table.clone(), challenge, |_| "Bearer secret.token".into());
    let world = World::new();
    let reference_of = |server: &Server| reference(server, digest_of(&image));
    let error = world.image(&reference_of(&registry)).unwrap_err();
    assert!(error.contains("/token`: it answered 401"), "{error}");

    let log_in = |registry: &Server| {
        let world = World::new();
        let directory = world.directory.path().to_str().unwrap().to_owned();
        let auths = format!(
            r#"{{"auths":{{"{}":{{"auth":"dTpw"}}}}}}"#,
            registry.address
        );
        fs::write(format!("{directory}/config.json"), auths).unwrap();
        world.variable("DOCKER_CONFIG", directory)
    };
    log_in(&registry).image(&reference_of(&registry)).unwrap();
    for seen in registry.seen().iter().chain(&storage.seen()) {
        assert_ne!(seen.field("authorization"), Some("Basic dTpw"), "{seen:?}");
    }

    let (registry, storage) = guarded(table, "Basic realm=x".into(), |_| "Basic dTpw".into());
    log_in(&registry).image(&reference_of(&registry)).unwrap();
    for seen in storage.seen() {
        assert_eq!(seen.field("authorization"), None, "{seen:?}");
    }
}

#[test]
fn token_services_that_are_wrong_are_refused() {
    let digest = Digest::of(b"x");
    for (realm, cause) in [
        (
            "http://auth.example/token",
            "plain http is only for loopback hosts",
        ),
        ("https://u:secret@auth.example/", "it holds credentials"),
        ("", "it is no whole address"),
    ] {
        let challenge = format!("Bearer realm=\"{realm}\"");
        let reply = Reply::status(401, "").field("WWW-Authenticate", challenge);
        let server = Server::new(move |_| reply.clone());
        let error = World::new().image(&reference(&server, digest));
        let error = error.unwrap_err();
        assert!(error.contains(cause), "{error}");
    }
    for (reply, cause) in [
        (Reply::ok("<html>"), "its answer is not JSON"),
        (Reply::ok("{}"), "its answer holds no token"),
        (
            Reply::ok(r#"{"token":"a\r\nb"}"#),
            "its answer holds no token",
        ),
        (Reply::ok(r#"{"token":7}"#), "its answer holds no token"),
        (
            Reply::ok("x".repeat(300_000)),
            "it is longer than 262144 bytes",
        ),
        (Reply::status(403, ""), "it answered 403 Forbidden"),
        (
            Reply::ok(r#"{"token":"wrong"}"#),
            "though it was shown what it had asked for",
        ),
    ] {
        let tokens = Server::new(move |_| reply.clone());
        let challenge = format!("Bearer realm=\"{}\"", tokens.url("/token"));
        let reply = Reply::status(401, "").field("WWW-Authenticate", challenge);
        let server = Server::new(move |_| reply.clone());
        let error = World::new().image(&reference(&server, digest)).unwrap_err();
        assert!(error.contains(cause), "{error}");
    }
}
