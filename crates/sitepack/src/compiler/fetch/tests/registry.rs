//! Debian's `docker-registry`, started on loopback with a configuration of its own: the packaged
//! one listens everywhere. Two poems are pushed to it over its HTTP interface, and fetched.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use ureq::Agent;

use super::World;
use crate::compiler::archive::Kind;
use crate::compiler::fetch::{file, image};
use crate::date::rfc3339;
use crate::digest::Digest;

const TOOL: &str = "docker-registry";
/// What `htpasswd -B` makes of the user `u` and the password `p`.
const HTPASSWD: &str = "u:$2b$05$zNufysiDPg7WBsh539khYu9B1YB0tg1WJSWo7RIkW3qGCopMYYhdK\n";
/// `u:p`, as Docker keeps it.
const AUTH: &str = "dTpw";

/// Ends with the test.
struct Registry {
    child: Child,
    address: String,
    agent: Agent,
}

impl Registry {
    /// None, and loud, where there is none; in CI there has to be one.
    fn start(directory: &Path, auth: &str) -> Option<Registry> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let config = directory.join("registry.yml");
        let storage = directory.join("storage").display().to_string();
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: \
             {{filesystem: {{rootdirectory: '{storage}'}}}}\nhttp: {{addr: '{address}'}}\n{auth}"
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new(TOOL);
        command.arg("serve").arg(&config).stdout(Stdio::null());
        command.stderr(File::create(directory.join("registry.log")).unwrap());
        let child = match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                assert!(
                    std::env::var_os("CHAPBOOK_CI_TOOLS").is_none(),
                    "no {TOOL} in CI"
                );
                let skipped =
                    format!("\nSKIPPED: there is no `{TOOL}` here (apt install {TOOL})\n");
                // Past the capture of cargo test.
                io::stderr().write_all(skipped.as_bytes()).unwrap();
                return None;
            }
            child => child.unwrap(),
        };
        let config = Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false);
        let agent = config.build().new_agent();
        let registry = Registry {
            child,
            address,
            agent,
        };
        for _ in 0..200 {
            if registry.agent.get(registry.url("/v2/")).call().is_ok() {
                return Some(registry);
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!(
            "{TOOL} did not start: {:?}",
            fs::read_to_string(directory.join("registry.log"))
        );
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Pushes a blob, and gives its descriptor.
    fn push(&self, kind: &str, content: &[u8]) -> String {
        let credential = format!("Basic {AUTH}");
        let begun = self.agent.post(self.url("/v2/poems/blobs/uploads/"));
        let begun = begun
            .header("Authorization", &credential)
            .send_empty()
            .unwrap();
        let location = begun.headers()["location"].to_str().unwrap();
        let mark = if location.contains('?') { '&' } else { '?' };
        let (digest, bytes) = (Digest::of(content), content.len());
        let put = self
            .agent
            .put(format!("{location}{mark}digest=sha256:{digest}"));
        let done = put
            .header("Authorization", &credential)
            .send(content)
            .unwrap();
        assert_eq!(done.status(), 201);
        format!(r#"{{"mediaType":"{kind}","digest":"sha256:{digest}","size":{bytes}}}"#)
    }

    fn push_manifest(&self, kind: &str, text: &str) -> Digest {
        let put = self
            .agent
            .put(self.url("/v2/poems/manifests/v1"))
            .content_type(kind);
        let put = put.header("Authorization", format!("Basic {AUTH}"));
        assert_eq!(put.send(text).unwrap().status(), 201);
        Digest::of(text.as_bytes())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A tar file (ustar) of a file.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
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
    let mut whole = header.to_vec();
    whole.extend(content);
    whole.resize(whole.len().next_multiple_of(512) + 1024, 0);
    whole
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut coded = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    coded.write_all(content).unwrap();
    coded.finish().unwrap()
}

#[test]
fn two_poems_come_from_docker_registry() {
    let directory = tempfile::tempdir().unwrap();
    let Some(registry) = Registry::start(directory.path(), "") else {
        return;
    };
    let (one, two) = (
        tar("poems/if.txt", b"If\n\nIf you can"),
        tar("poems/b.txt", b"Tommy\n"),
    );
    for (manifest, config, layer) in [
        (
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.oci.image.config.v1+json",
            "application/vnd.oci.image.layer.v1.tar+gzip",
        ),
        (
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        ),
    ] {
        let config = registry.push(config, br#"{"created":"2026-11-22T10:00:00Z"}"#);
        let layers = [&one, &two]
            .map(|tar| registry.push(layer, &gzip(tar)))
            .join(",");
        let head = format!(r#""schemaVersion":2,"mediaType":"{manifest}""#);
        let text = format!(r#"{{{head},"config":{config},"layers":[{layers}]}}"#);
        let digest = registry.push_manifest(manifest, &text);
        let cache = tempfile::tempdir().unwrap();
        let reference = format!("oci://{}/poems:v1@sha256:{digest}", registry.address);
        let found = image(&reference, cache.path()).unwrap();
        assert_eq!(
            found.created.map(rfc3339).as_deref(),
            Some("2026-11-22T10:00:00Z")
        );
        for (layer, expected) in found.layers.iter().zip([&one, &two]) {
            assert_eq!(layer.kind, Kind::TarGzip);
            let mut plain = Vec::new();
            let mut decoder = flate2::read::GzDecoder::new(File::open(&layer.file).unwrap());
            decoder.read_to_end(&mut plain).unwrap();
            assert_eq!(&plain, expected);
        }
        // A blob is a file, too.
        let digest = Digest::of(&gzip(&one));
        let url = registry.url(&format!("/v2/poems/blobs/sha256:{digest}"));
        let path = file(&url, digest, &cache.path().join("files")).unwrap();
        assert_eq!(fs::read(path).unwrap(), gzip(&one));
    }
    let nowhere = format!(
        "oci://{}/poems@sha256:{}",
        registry.address,
        Digest::of(b"")
    );
    let error = World::new().image(&nowhere).unwrap_err();
    assert!(
        error.contains("404 Not Found (MANIFEST_UNKNOWN)"),
        "{error}"
    );
}

#[test]
fn docker_registry_is_shown_the_password() {
    let directory = tempfile::tempdir().unwrap();
    let htpasswd = directory.path().join("htpasswd");
    fs::write(&htpasswd, HTPASSWD).unwrap();
    let auth = format!(
        "auth: {{htpasswd: {{realm: poems, path: '{}'}}}}\n",
        htpasswd.display()
    );
    let Some(registry) = Registry::start(directory.path(), &auth) else {
        return;
    };
    let layer = registry.push(
        "application/vnd.oci.image.layer.v1.tar",
        &tar("a.txt", b"A"),
    );
    let config = registry.push("application/vnd.oci.image.config.v1+json", b"{}");
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{kind}","config":{config},"layers":[{layer}]}}"#
    );
    let digest = registry.push_manifest(kind, &text);
    let reference = format!("oci://{}/poems@sha256:{digest}", registry.address);
    let error = World::new().image(&reference).unwrap_err();
    assert!(error.contains("wants a user and a password"), "{error}");
    let auths = format!(
        r#"{{"auths":{{"{}":{{"auth":"{AUTH}"}}}}}}"#,
        registry.address
    );
    fs::write(directory.path().join("config.json"), auths).unwrap();
    let world = World::new().variable("DOCKER_CONFIG", directory.path().to_str().unwrap());
    assert_eq!(world.image(&reference).unwrap().layers.len(), 1);
}
