//! What is pushed: the order, the bytes, the media types, the kinds of image files.

use crate::Place;
use crate::image::{DOCKER, Image, OCI, OCI_INDEX, descriptor, digest, tar};
use crate::server::{Reply, Server};

#[test]
fn blobs_come_first_and_tags_last() {
    let (place, server) = (Place::new(), Server::plain());
    let image = Image::new("amd64");
    let file = place.file("image.tar", image.both());
    let file = file.to_str().unwrap();
    let (one, two) = (server.name("poems:v1"), server.name("poems:v2"));
    let other = server.name("more/poems");
    let printed = place.run(&["push", file, &one, &two, &other]);
    let shown = image.digest();
    let name = |rest| format!("{}@{shown}\n", server.name(rest));
    assert_eq!(printed, name("poems") + &name("more/poems"));
    let done: Vec<String> = server
        .lines()
        .into_iter()
        .filter(|l| l.starts_with("PUT"))
        .collect();
    let kinds = done.iter().map(|line| {
        let (_, rest) = line.split_once("/v2/").unwrap();
        rest.split("digest")
            .next()
            .unwrap()
            .split("1?")
            .next()
            .unwrap()
    });
    let kinds: Vec<&str> = kinds.collect();
    let (uploads, manifest) = ("poems/blobs/uploads/", format!("poems/manifests/{shown}"));
    let (more, again) = (format!("more/{uploads}"), format!("more/{manifest}"));
    let expected = [
        uploads,
        uploads,
        uploads,
        &manifest,
        &more,
        &more,
        &more,
        &again,
        "poems/manifests/v1",
        "poems/manifests/v2",
    ];
    assert_eq!(kinds, expected);
    let config = format!("digest={}", digest(&image.config));
    assert!(
        done[2].ends_with(&config),
        "the configuration is the last blob: {done:?}"
    );
    let kept = server.kept("poems/manifests/v1").unwrap();
    assert_eq!(
        kept,
        (image.manifest.clone(), OCI.to_owned()),
        "the bytes as they are"
    );

    // A second time nothing is sent: blobs and tags are there.
    let before = server.lines().len();
    assert_eq!(place.run(&["push", file, &one]), name("poems"));
    let again = server.lines().split_off(before);
    let sent = |line: &&String| line.starts_with("PUT") || line.starts_with("POST");
    let sent: Vec<&String> = again.iter().filter(sent).collect();
    assert_eq!(sent.len(), 1, "the manifest by its digest: {again:?}");
}

#[test]
fn other_media_types_leave_the_image_id_alone() {
    let (place, server) = (Place::new(), Server::plain());
    let image = Image::new("amd64");
    let file = place.file("image.tar", image.both());
    let push = |tag: &str, options: &[&str]| {
        let name = server.name(&format!("poems:{tag}"));
        place.run(&[&["push", file.to_str().unwrap(), &name], options].concat());
        let (bytes, kind) = server.kept(&format!("poems/manifests/{tag}")).unwrap();
        (String::from_utf8(bytes).unwrap(), kind)
    };
    let (kept, kind) = push("keep", &["--media-types", "keep"]);
    assert_eq!((kept.as_bytes(), &*kind), (&*image.manifest, OCI));
    let (docker, kind) = push("docker", &["--media-types=docker"]);
    assert_eq!(kind, DOCKER);
    let prefix = "application/vnd.docker";
    let expected = format!(
        r#"{{"schemaVersion":2,"mediaType":"{DOCKER}","config":{},"layers":[{},{}]}}"#,
        sized(&format!("{prefix}.container.image.v1+json"), &image.config),
        sized(&format!("{prefix}.image.rootfs.diff.tar"), &image.layers[0]),
        sized(
            &format!("{prefix}.image.rootfs.diff.tar.gzip"),
            &image.layers[1]
        ),
    );
    assert_eq!(docker, expected);
    let uploads = server
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("POST"));
    assert_eq!(
        uploads.count(),
        3,
        "configuration and layers are the same bytes"
    );

    // What `docker save` writes has no manifest: Docker's is made, or OCI's.
    let file = place.file("docker.tar", image.docker());
    let saved = file.to_str().unwrap();
    let place = Place::new().variable("CHAPBOOK_MEDIA_TYPES", "oci");
    place.run(&["push", saved, &server.name("poems:saved-oci")]);
    let (oci, kind) = server.kept("poems/manifests/saved-oci").unwrap();
    assert_eq!(kind, OCI);
    assert!(
        String::from_utf8(oci)
            .unwrap()
            .contains("oci.image.layer.v1.tar+gzip")
    );
    place.run(&[
        "push",
        saved,
        &server.name("poems:saved"),
        "--media-types=keep",
    ]);
    assert_eq!(
        server.kept("poems/manifests/saved").unwrap().0,
        expected.as_bytes()
    );
}

fn sized(kind: &str, content: &[u8]) -> String {
    let (digest, bytes) = (digest(content), content.len());
    format!(r#"{{"mediaType":"{kind}","size":{bytes},"digest":"{digest}"}}"#)
}

#[test]
fn an_index_brings_its_images_along() {
    let (place, server) = (Place::new(), Server::plain());
    let images = [Image::new("amd64"), Image::new("arm64")];
    let named = images
        .each_ref()
        .map(|image| descriptor(OCI, &image.manifest));
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#,
        named.join(",")
    );
    let root = descriptor(OCI_INDEX, index.as_bytes());
    let [one, two] = &images;
    let whole = Image::layout(&[one, two], &root, &[index.as_bytes()]);
    let file = place.file("index.tar", whole);
    let file = file.to_str().unwrap();
    let printed = place.run(&["push", file, &server.name("poems:v1")]);
    assert!(
        printed.ends_with(&format!("@{}\n", digest(index.as_bytes()))),
        "{printed}"
    );
    let kept = server.kept("poems/manifests/v1").unwrap();
    assert_eq!(kept, (index.into_bytes(), OCI_INDEX.to_owned()));
    for image in &images {
        assert!(
            server
                .kept(&format!("poems/manifests/{}", image.digest()))
                .is_some()
        );
    }
    let refused = place.try_run(&["push", file, &server.name("p:v"), "--media-types=docker"]);
    assert!(refused.unwrap_err().1.contains("leave --media-types away"));
}

/// Refused with exit 2, before anything is asked.
#[test]
fn what_is_no_whole_image_is_refused() {
    let (place, server) = (Place::new(), Server::plain());
    let image = Image::new("amd64");
    let whole = image.both();
    let damaged = {
        let at = whole.windows(5).position(|five| five == b"a.txt").unwrap();
        let mut damaged = whole.clone();
        damaged[at] = b'b';
        damaged
    };
    let two = Image::layout(
        &[&image],
        &[descriptor(OCI, &image.manifest), descriptor(OCI, b"")].join(","),
        &[],
    );
    let missing = Image::layout(&[&image], &descriptor(OCI, b"x"), &[]);
    let other = Image::new("arm64");
    let swapped = String::from_utf8(other.config)
        .unwrap()
        .replace(&digest(&image.layers[0]), &digest(b"another"));
    let wrong = Image {
        config: swapped.into_bytes(),
        ..Image::new("arm64")
    };
    let cases: [(&str, Vec<u8>, &str); 11] = [
        ("a damaged layer", damaged, "it is damaged"),
        ("two images", two, "it holds 2 images"),
        ("a missing manifest", missing, "it is not in the file"),
        (
            "another layer",
            wrong.docker(),
            "is not the one that its configuration names",
        ),
        ("cut", whole[..whole.len() - 1024].to_vec(), "cut short"),
        ("text", b"x".repeat(600), "it is no tar archive"),
        (
            "nothing",
            Vec::new(),
            "it is no tar archive, or is cut short",
        ),
        (
            "gzip",
            [&[0x1f, 0x8b][..], &[0; 600]].concat(),
            "gunzip it first",
        ),
        ("no image", tar(&[("a", b"b")]), "it is no image"),
        (
            "twice",
            tar(&[("index.json", b"{}"), ("index.json", b"[]")]),
            "twice",
        ),
        (
            "no JSON",
            tar(&[("index.json", b"{")]),
            "index.json is not JSON",
        ),
    ];
    for (what, content, cause) in cases {
        let file = place.file("image.tar", content);
        let run = place.try_run(&["push", file.to_str().unwrap(), &server.name("poems:v1")]);
        let (code, line) = run.unwrap_err();
        assert!(code == 2 && line.contains(cause), "{what}: {code} {line}");
        assert!(line.starts_with("failed to push `"), "{line}");
    }
    let (code, line) = place
        .try_run(&["push", "/nowhere", &server.name("a")])
        .unwrap_err();
    assert!(
        code == 2 && line.starts_with("failed to push `/nowhere`: "),
        "{line}"
    );
    assert_eq!(server.lines(), [""; 0]);
}

#[test]
fn blobs_are_mounted_where_the_registry_can() {
    let place = Place::new();
    let image = Image::new("amd64");
    let file = place.file("image.tar", image.both());
    let config = digest(&image.config);
    let server = Server::new(move |seen| {
        let is_mount = seen.target.contains("mount=") && !seen.target.contains(&config);
        is_mount.then(|| Reply::status(201))
    });
    let name = server.name("poems:v1");
    place.run(&[
        "push",
        file.to_str().unwrap(),
        &name,
        "--mount-from",
        "base/poems",
    ]);
    let lines = server.lines();
    let mounts: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains("?mount="))
        .collect();
    assert_eq!(mounts.len(), 3);
    let end = format!("?mount={}&from=base/poems", digest(&image.layers[0]));
    assert!(mounts[0].ends_with(&end), "{mounts:?}");
    let puts = lines
        .iter()
        .filter(|line| line.starts_with("PUT") && line.contains("uploads"));
    assert_eq!(puts.count(), 1, "202 says: upload it. {lines:?}");
}

#[test]
fn a_registry_that_knows_tags_only_gets_tags_only() {
    let place = Place::new();
    let server = Server::new(|seen| {
        let by_digest = seen.method == "PUT" && seen.target.contains("/manifests/sha256:");
        by_digest.then(|| Reply::error(405, "UNSUPPORTED", "no"))
    });
    let file = place.file("image.tar", Image::new("amd64").both());
    let arguments = [
        "push",
        file.to_str().unwrap(),
        &server.name("app/web:latest"),
    ];
    assert!(
        place
            .fails(&arguments)
            .contains("405 Method Not Allowed: UNSUPPORTED: no")
    );
    assert_eq!(server.kept("app/web/manifests/latest"), None);
    place.run(&[&arguments[..], &["--tags-only"]].concat());
    assert!(server.kept("app/web/manifests/latest").is_some());
}

#[test]
fn retag_moves_the_manifest_only() {
    let (place, server) = (Place::new(), Server::plain());
    let image = Image::new("amd64");
    server.keep("poems/manifests/v1", OCI, &image.manifest);
    server.keep(
        &format!("poems/manifests/{}", image.digest()),
        OCI,
        &image.manifest,
    );
    for (from, to) in [
        (":v1".to_owned(), "v2"),
        (format!("@{}", image.digest()), "v3"),
    ] {
        let printed = place.run(&["retag", &server.name(&format!("poems{from}")), to]);
        assert_eq!(
            printed,
            format!("{}@{}\n", server.name("poems"), image.digest())
        );
        let kept = server.kept(&format!("poems/manifests/{to}")).unwrap();
        assert_eq!(kept, (image.manifest.clone(), OCI.to_owned()));
    }
    // § An index may leave its media type to the Content-Type.
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
        descriptor(OCI, &image.manifest)
    );
    server.keep("poems/manifests/all", OCI_INDEX, index.as_bytes());
    place.run(&["retag", &server.name("poems:all"), "latest", "stable"]);
    let kept = server.kept("poems/manifests/stable").unwrap();
    assert_eq!(kept, (index.into_bytes(), OCI_INDEX.to_owned()));
    assert!(server.lines().iter().all(|line| !line.contains("/blobs/")));
    let nothing = server.name("poems:nothing");
    let line = place.fails(&["retag", &nothing, "v4"]);
    assert!(
        line.contains("404 Not Found: NOT_FOUND: it is not here"),
        "{line}"
    );
    assert!(line.starts_with(&format!("failed to retag `{}`", server.name("poems"))));
}

#[test]
fn inspect_tells_what_is_there() {
    let (place, server) = (Place::new(), Server::plain());
    let image = Image::new("amd64");
    let file = place.file("image.tar", image.both());
    place.run(&["push", file.to_str().unwrap(), &server.name("poems:latest")]);
    let told = place.run(&["inspect", &server.name("poems")]);
    for line in [
        format!("digest: {}", image.digest()),
        format!("mediaType: {OCI}"),
        format!("config.digest: {}", digest(&image.config)),
        "config.platform: linux/amd64".to_owned(),
        "config.user: 65532:65532".to_owned(),
        r#"config.entrypoint: ["/chapbook"]"#.to_owned(),
        r#"config.env: ["KEY"]"#.to_owned(),
        "config.labels.org.opencontainers.image.title: poems".to_owned(),
        format!("layers.0.size: {}", image.layers[0].len()),
    ] {
        assert!(told.lines().any(|told| told == line), "{line}\n{told}");
    }
    let told = place.run(&[
        "inspect",
        &server.name(&format!("poems@{}", image.digest())),
        "--json",
    ]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        told["config"]["labels"]["org.opencontainers.image.title"],
        "poems"
    );
    assert_eq!(told["layers"][1]["digest"], digest(&image.layers[1]));
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{{"mediaType":"{OCI}",
        "digest":"{}","size":2,"platform":{{"os":"linux","architecture":"arm","variant":"v7"}}}}]}}"#,
        digest(b"x")
    );
    server.keep("poems/manifests/all", OCI_INDEX, index.as_bytes());
    let told = place.run(&["inspect", &server.name("poems:all")]);
    assert!(
        told.contains("manifests.0.platform: linux/arm/v7"),
        "{told}"
    );
    let layers = server
        .lines()
        .into_iter()
        .filter(|line| line.contains("GET") && line.contains("blobs"));
    assert_eq!(layers.count(), 2, "configurations, no layers");
}
