//! Images of a few bytes: the bytes that they become, pinned.

use std::io::{Cursor, Read as _};

use serde_json::{Value, json};
use sitepack::Digest;

use super::{Executable, Image, Labels, MediaTypes, Written};

fn image(media_types: MediaTypes) -> Image {
    let mut labels = Labels::default();
    labels.set_image("title", "A \"title\"");
    labels.set("chapbook.features", "");
    Image {
        reference: "ghcr.io/a/b:1.0".parse().unwrap(),
        platform: "linux/arm64/v8".parse().unwrap(),
        labels,
        media_types,
        time: 784_111_777,
    }
}

fn written(image: &Image) -> (Written, Vec<u8>) {
    let content = b"not really a program".repeat(1_000);
    let mut file = Cursor::new(&content);
    let mut executable = Executable {
        file: &mut file,
        bytes: content.len() as u64,
    };
    let (mut out, mut pipe) = (Cursor::new(Vec::new()), Vec::new());
    let written = image.write(&mut executable, &mut out).unwrap();
    assert_eq!(image.stream(&mut executable, &mut pipe).unwrap(), written);
    let bytes = out.into_inner();
    assert!(bytes == pipe, "a file and a pipe get the same");
    (written, bytes)
}

/// The members of the tar: names and contents.
fn members(mut tar: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    while tar.iter().take(512).any(|byte| *byte != 0) {
        let name = tar[..100].split(|byte| *byte == 0).next().unwrap();
        let length = std::str::from_utf8(&tar[124..135]).unwrap();
        let length = usize::from_str_radix(length, 8).unwrap();
        let content = tar[512..512 + length].to_vec();
        found.push((String::from_utf8(name.to_vec()).unwrap(), content));
        tar = &tar[512 + length.next_multiple_of(512)..];
    }
    assert_eq!(tar, [0; 1024]);
    found
}

fn json_of(members: &[(String, Vec<u8>)], name: &str) -> Value {
    let found = members.iter().find(|(known, _)| known == name);
    serde_json::from_slice(&found.unwrap().1).unwrap()
}

#[test]
fn everything_is_there_under_its_digest() {
    let (written, tar) = written(&image(MediaTypes::Oci));
    let members = members(&tar);
    let blobs = || {
        members
            .iter()
            .filter(|(name, content)| name.starts_with("blobs/sha256/") && !content.is_empty())
    };
    assert_eq!(blobs().count(), 3);
    for (name, content) in blobs() {
        assert_eq!(*name, format!("blobs/sha256/{}", Digest::of(content)));
    }
    let pulled: usize = blobs().map(|(_, content)| content.len()).sum();
    assert_eq!(written.pulled_bytes, pulled as u64);
    let layout = json_of(&members, "oci-layout");
    assert_eq!(layout, json!({ "imageLayoutVersion": "1.0.0" }));
    let index = json_of(&members, "index.json");
    let [one] = &**index["manifests"].as_array().unwrap() else {
        panic!("{index}")
    };
    assert_eq!(one["digest"], format!("sha256:{}", written.manifest));
    assert_eq!(
        one["annotations"]["io.containerd.image.name"],
        "ghcr.io/a/b:1.0"
    );
    assert_eq!(
        one["annotations"]["org.opencontainers.image.ref.name"],
        "1.0"
    );
    let manifest = json_of(&members, &format!("blobs/sha256/{}", written.manifest));
    assert_eq!(manifest["mediaType"], one["mediaType"]);
    assert_eq!(
        manifest["config"]["digest"],
        format!("sha256:{}", written.id)
    );
    let title = json!({ "org.opencontainers.image.title": "A \"title\"" });
    assert_eq!(manifest["annotations"], title, "OCI's keys alone");
    let saved = json_of(&members, "manifest.json");
    assert_eq!(saved[0]["Config"], format!("blobs/sha256/{}", written.id));
    assert_eq!(saved[0]["RepoTags"], json!(["ghcr.io/a/b:1.0"]));

    let config = json_of(&members, &format!("blobs/sha256/{}", written.id));
    assert_eq!(config["architecture"], "arm64");
    assert_eq!(
        (&config["os"], &config["variant"]),
        (&"linux".into(), &"v8".into())
    );
    assert_eq!(config["created"], "1994-11-06T08:49:37Z");
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Env"], Value::Null);
    let layer = saved[0]["Layers"][0].as_str().unwrap();
    let layer = &members.iter().find(|(name, _)| name == layer).unwrap().1;
    let mut plain = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(&**layer);
    decoder.read_to_end(&mut plain).unwrap();
    let diff_id = format!("sha256:{}", Digest::of(&plain));
    assert_eq!(config["rootfs"]["diff_ids"], json!([diff_id]));
}

/// An image's ID does not depend on whose registry it is for.
#[test]
fn media_types_change_the_manifest_alone() {
    let (oci, _) = written(&image(MediaTypes::Oci));
    let (docker, tar) = written(&image(MediaTypes::Docker));
    assert_eq!(oci.id, docker.id);
    assert_ne!(oci.manifest, docker.manifest);
    let members = members(&tar);
    let manifest = json_of(&members, &format!("blobs/sha256/{}", docker.manifest));
    assert_eq!(manifest["annotations"], Value::Null);
    let types = [&manifest["mediaType"], &manifest["config"]["mediaType"]];
    for media_type in types
        .into_iter()
        .chain([&manifest["layers"][0]["mediaType"]])
    {
        let media_type = media_type.as_str().unwrap();
        assert!(
            media_type.starts_with("application/vnd.docker."),
            "{media_type}"
        );
    }
}

/// A change here changes every image: say so in CHANGELOG.md.
#[test]
fn images_are_pinned() {
    for (media_types, id, all) in [
        (
            MediaTypes::Oci,
            "b88898050a6e1a6211e333d4017df3a5d29ed58f411db203bc206c2341a8b07f",
            "719a9e420074f4bbcdb3cf7303aae954539bc4f6b47b7bff40c40fa2f752bd38",
        ),
        (
            MediaTypes::Docker,
            "b88898050a6e1a6211e333d4017df3a5d29ed58f411db203bc206c2341a8b07f",
            "5f2f3f8b1ce1cfa6a7b5f244d1ccdc75dc5bba2e56eb2c9ac311c678cec8ebfe",
        ),
    ] {
        let (written, tar) = written(&image(media_types));
        let found = (written.id.hex(), Digest::of(&tar).hex());
        assert_eq!(
            found,
            (id.to_owned(), all.to_owned()),
            "{}",
            media_types.name()
        );
    }
}
