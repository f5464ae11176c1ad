//! Images by hand: an OCI layout with Docker's `manifest.json` in one tar, as `chapbook image` has
//! it, or either of the two.

use std::io::Write as _;

use sitepack::Digest;

pub(crate) const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An image of two layers, one in gzip.
pub(crate) struct Image {
    pub(crate) config: Vec<u8>,
    pub(crate) layers: [Vec<u8>; 2],
    pub(crate) manifest: Vec<u8>,
}

impl Image {
    pub(crate) fn new(architecture: &str) -> Image {
        let (plain, inner) = (tar(&[("a.txt", b"A")]), tar(&[("poems/if.txt", b"If")]));
        let layers = [plain.clone(), gzip(&inner)];
        let diff_ids = [&plain, &inner].map(|layer| format!("\"{}\"", digest(layer)));
        let config = format!(
            r#"{{"architecture":"{architecture}","os":"linux","created":"2026-11-22T10:00:00Z",
            "config":{{"User":"65532:65532","Entrypoint":["/chapbook"],"Env":["KEY=hunter2"],
            "Labels":{{"org.opencontainers.image.title":"poems"}}}},
            "rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            diff_ids.join(",")
        )
        .into_bytes();
        let kind = "application/vnd.oci.image";
        let manifest = format!(
            r#"{{"schemaVersion": 2, "mediaType": "{OCI}", "config": {}, "layers": [{}, {}],
            "annotations": {{"a": "b"}}}}"#,
            descriptor(&format!("{kind}.config.v1+json"), &config),
            descriptor(&format!("{kind}.layer.v1.tar"), &layers[0]),
            descriptor(&format!("{kind}.layer.v1.tar+gzip"), &layers[1]),
        );
        Image {
            config,
            layers,
            manifest: manifest.into_bytes(),
        }
    }

    pub(crate) fn digest(&self) -> String {
        digest(&self.manifest)
    }

    fn blobs(&self) -> Vec<(String, &[u8])> {
        let all = [
            &self.config,
            &self.layers[0],
            &self.layers[1],
            &self.manifest,
        ];
        all.map(|blob| (path(blob), &**blob)).into()
    }

    fn index(&self) -> String {
        let root = descriptor(OCI, &self.manifest);
        format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{root}]}}"#)
    }

    fn saved(&self) -> String {
        let [one, two] = &self.layers;
        let (config, one, two) = (path(&self.config), path(one), path(two));
        format!(r#"[{{"Config":"{config}","RepoTags":["poems:v1"],"Layers":["{one}","{two}"]}}]"#)
    }

    /// Both: what `chapbook image` writes.
    pub(crate) fn both(&self) -> Vec<u8> {
        let (index, saved) = (self.index(), self.saved());
        let mut members = self.blobs();
        members.push(("index.json".into(), index.as_bytes()));
        members.push(("manifest.json".into(), saved.as_bytes()));
        members.push(("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#));
        archive(&members)
    }

    /// What `docker save` writes.
    pub(crate) fn docker(&self) -> Vec<u8> {
        let saved = self.saved();
        let mut members = self.blobs();
        members.push(("manifest.json".into(), saved.as_bytes()));
        archive(&members)
    }

    /// A layout whose one descriptor is this.
    pub(crate) fn layout(images: &[&Image], root: &str, more: &[&[u8]]) -> Vec<u8> {
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{root}]}}"#);
        let mut members: Vec<(String, &[u8])> = images.iter().flat_map(|i| i.blobs()).collect();
        members.extend(more.iter().map(|blob| (path(blob), *blob)));
        members.sort();
        members.dedup();
        members.push(("index.json".into(), index.as_bytes()));
        members.push(("oci-layout".into(), br#"{"imageLayoutVersion":"1.0.0"}"#));
        archive(&members)
    }
}

pub(crate) fn digest(content: &[u8]) -> String {
    format!("sha256:{}", Digest::of(content))
}

pub(crate) fn descriptor(kind: &str, content: &[u8]) -> String {
    let (digest, bytes) = (digest(content), content.len());
    format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{bytes}}}"#)
}

fn path(content: &[u8]) -> String {
    format!("blobs/sha256/{}", Digest::of(content))
}

fn archive(members: &[(String, &[u8])]) -> Vec<u8> {
    let members: Vec<(&str, &[u8])> = members.iter().map(|(n, c)| (&**n, *c)).collect();
    tar(&members)
}

/// A tar file (ustar).
pub(crate) fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut whole = Vec::new();
    for (name, content) in members {
        let mut header = [0; 512];
        let length = format!("{:011o}", content.len());
        let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
        put(0, name.as_bytes());
        put(100, b"0000644\x000000000\x000000000\0");
        put(124, length.as_bytes());
        put(136, b"00000000000\0        0");
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        whole.extend(header);
        whole.extend(*content);
        whole.resize(whole.len().next_multiple_of(512), 0);
    }
    whole.resize(whole.len() + 1024, 0);
    whole
}

pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut coded = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    coded.write_all(content).unwrap();
    coded.finish().unwrap()
}
