//! Debian's `docker-registry`, started on loopback with a configuration of its own (the packaged
//! one listens everywhere), and skopeo, which reads what was pushed and writes what is pushed.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::image::{DOCKER, Image, OCI, OCI_INDEX, digest};
use crate::server::delete;
use crate::{Place, has};

pub(crate) const TOOL: &str = "docker-registry";
/// What `htpasswd -B` makes of the user `u` and the password `p`.
pub(crate) const HTPASSWD: &str =
    "u:$2b$05$zNufysiDPg7WBsh539khYu9B1YB0tg1WJSWo7RIkW3qGCopMYYhdK\n";

/// Ends with the test.
pub(crate) struct Registry {
    child: Child,
    pub(crate) address: String,
}

impl Registry {
    pub(crate) fn start(directory: &Path, auth: &str) -> Registry {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let config = directory.join("registry.yml");
        let storage = directory.join("storage").display().to_string();
        let text = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: \
             '{storage}'}}}}\nhttp: {{addr: '{address}'}}\n{auth}"
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new(TOOL);
        let log = File::create(directory.join("registry.log")).unwrap();
        command
            .arg("serve")
            .arg(&config)
            .stderr(log.try_clone().unwrap());
        let child = command.stdout(log).spawn().unwrap();
        let registry = Registry { child, address };
        for _ in 0..200 {
            if TcpStream::connect(&registry.address).is_ok() {
                return registry;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("{TOOL} did not start");
    }

    pub(crate) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Runs skopeo; its standard output.
fn skopeo(place: &Place, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new("skopeo");
    command
        .args(["--insecure-policy", "--tmpdir"])
        .arg(place.path());
    command.args(arguments).stderr(Stdio::piped());
    let done = command.output().unwrap();
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{arguments:?}: {error}");
    done.stdout
}

/// What skopeo sees under a name: manifest and configuration, byte for byte.
fn seen(place: &Place, name: &str) -> (Vec<u8>, Vec<u8>) {
    let name = format!("docker://{name}");
    let raw = |option: &[&str]| {
        let inspect = ["inspect", "--tls-verify=false", "--raw"];
        skopeo(place, &[&inspect[..], option, &[&name]].concat())
    };
    (raw(&[]), raw(&["--config"]))
}

#[test]
fn what_was_pushed_is_what_others_read() {
    if !has(TOOL) || !has("skopeo") {
        return;
    }
    let place = Place::new();
    let registry = Registry::start(place.path(), "");
    let image = Image::new("amd64");
    let file = place.file("image.tar", image.both());
    let file = file.to_str().unwrap();
    let names = ["poems:v1", "more/p"].map(|name| registry.name(name));
    let printed = place.run(&["push", file, &names[0], &names[1]]);
    let line = |name| format!("{}@{}\n", registry.name(name), image.digest());
    assert_eq!(printed, line("poems") + &line("more/p"));
    let here = seen(&place, &names[0]);
    assert_eq!(here, (image.manifest.clone(), image.config.clone()));
    // Docker's media types: another manifest, the same configuration.
    let name = registry.name("poems:d");
    place.run(&["push", file, &name, "--media-types", "docker"]);
    let (manifest, config) = seen(&place, &name);
    assert!(String::from_utf8(manifest).unwrap().contains(DOCKER));
    assert_eq!(config, image.config);
    archives_of_skopeo_are_pushed(&place, &registry, &image);

    // Layers are mounted from another repository: nothing is uploaded but what it has not.
    let mounted = registry.name("mounted:v1");
    let printed = place.run(&["push", file, &mounted, "--mount-from", "poems"]);
    assert_eq!(printed, line("mounted"));
    let log = fs::read_to_string(place.path().join("registry.log")).unwrap();
    let uploads = log.matches("\"PUT /v2/mounted/blobs/uploads").count();
    let mounts = log.matches("\"POST /v2/mounted/blobs/uploads/?mount=");
    assert_eq!((uploads, mounts.count()), (0, 3));

    let tagged = place.run(&["retag", &names[0], "stable"]);
    assert_eq!(tagged, line("poems"));
    let stable = registry.name("poems:stable");
    assert_eq!(seen(&place, &stable).0, image.manifest);
    let told = place.run(&["inspect", &stable, "--json"]);
    assert!(
        told.contains(OCI) && told.contains(&image.digest()),
        "{told}"
    );
    let nothing = place.fails(&["inspect", &registry.name("nothing")]);
    assert!(
        nothing.contains("404 Not Found: MANIFEST_UNKNOWN"),
        "{nothing}"
    );
    let log = fs::read_to_string(place.path().join("registry.log")).unwrap();
    assert!(!log.contains("DELETE"));
}

/// skopeo reads all of it, layers too, and writes the two kinds of archives; they are pushed.
fn archives_of_skopeo_are_pushed(place: &Place, registry: &Registry, image: &Image) {
    let from = format!("docker://{}", registry.name("poems:v1"));
    for (kind, tag, keep) in [
        ("oci-archive", "from-oci", "--preserve-digests"),
        ("docker-archive", "from-docker", "--all"),
    ] {
        let path = place.path().join(format!("{kind}.tar"));
        let to = format!("{kind}:{}:poems:v1", path.display());
        let copy = ["copy", "--src-tls-verify=false"];
        skopeo(place, &[&copy[..], &[keep, &from, &to]].concat());
        let name = registry.name(&format!("copies:{tag}"));
        let printed = place.run(&["push", path.to_str().unwrap(), &name]);
        let (manifest, config) = seen(place, &name);
        let expected = format!("{}@{}", registry.name("copies"), digest(&manifest));
        assert_eq!(printed.trim_end(), expected);
        assert_eq!(config, image.config, "the image's ID");
        assert_eq!(manifest == image.manifest, kind == "oci-archive", "{kind}");
        let to = format!("dir:{}", place.path().join(tag).display());
        let from = format!("docker://{name}");
        skopeo(place, &[&copy[..], &[&from, &to]].concat());
    }
}

#[test]
fn docker_registry_is_shown_the_password() {
    if !has(TOOL) {
        return;
    }
    let place = Place::new();
    let htpasswd = place.file("htpasswd", HTPASSWD);
    let auth = format!(
        "auth: {{htpasswd: {{realm: poems, path: '{}'}}}}\n",
        htpasswd.display()
    );
    let registry = Registry::start(place.path(), &auth);
    let image = Image::new("amd64");
    let file = place.file("image.tar", image.both());
    let push = ["push", file.to_str().unwrap(), &registry.name("poems:v1")];
    assert!(
        place
            .fails(&push)
            .contains("it wants a user and a password")
    );
    let wrong = Place::new()
        .variable("CHAPBOOK_REGISTRY_USER", "u")
        .variable("CHAPBOOK_REGISTRY_PASSWORD", "hunter2");
    let line = wrong.fails(&push);
    assert!(line.contains("401 Unauthorized"), "{line}");
    let refused =
        "; it refuses the user `u`: check CHAPBOOK_REGISTRY_PASSWORD, or --password-stdin";
    assert!(line.ends_with(refused), "{line}");
    let right = Place::new()
        .variable("CHAPBOOK_REGISTRY_USER", "u")
        .variable("CHAPBOOK_REGISTRY_PASSWORD", "p");
    let printed = right.run(&push);
    assert_eq!(
        printed,
        format!("{}@{}\n", registry.name("poems"), image.digest())
    );
    // As it is configured, nobody takes away what was pushed: § storage.delete.enabled.
    let path = format!("poems/manifests/{}", image.digest());
    assert_eq!(delete(&registry.address, &path, "Basic dTpw"), 405);
    assert_eq!(right.run(&push), printed);
}

#[test]
fn an_index_names_images_that_are_there() {
    if !has(TOOL) || !has("skopeo") {
        return;
    }
    let place = Place::new();
    let registry = Registry::start(place.path(), "");
    let name = |tag: &str| registry.name(&format!("poems{tag}"));
    let images = ["amd64", "arm64"].map(Image::new);
    for (image, tag) in images.iter().zip(["one", "two"]) {
        let file = place.file(tag, image.both());
        place.run(&["push", file.to_str().unwrap(), &name("")]);
    }
    let [one, two] = images.map(|image| image.digest());
    let printed = place.run(&["index", &name(":v1"), &two, &one]);
    let told = place.run(&["inspect", &name(":v1"), "--json"]);
    for part in [OCI_INDEX, "linux/amd64", "linux/arm64", &one, &two] {
        assert!(told.contains(part), "{told}");
    }
    let digest = printed.trim_end().rsplit_once('@').unwrap().1;
    assert!(told.contains(digest), "{told}");
    // The order of names is nobody's business; without a tag there is a digest alone.
    assert_eq!(place.run(&["index", &name(""), &one, &two]), printed);
    for (architecture, image) in [("amd64", &one), ("arm64", &two)] {
        let tag = format!("docker://{}", name(":v1"));
        let choose = ["--override-os", "linux", "--override-arch", architecture];
        let inspect = ["inspect", "--tls-verify=false", "--config", &tag];
        let seen = skopeo(&place, &[&choose[..], &inspect].concat());
        let seen = String::from_utf8(seen).unwrap();
        assert!(seen.contains(architecture), "{image}: {seen}");
    }

    let missing = format!("sha256:{}", "0".repeat(64));
    // Docker's words for one of them.
    let printed = place.run(&[
        "push",
        place.path().join("one").to_str().unwrap(),
        &name(":d"),
        "--media-types",
        "docker",
    ]);
    let docker = printed.trim_end().rsplit_once('@').unwrap().1;
    for (images, cause) in [
        (&[&*one, &one][..], "two images are for linux/amd64"),
        (&[&*one, &missing], "404 Not Found"),
        (&[digest], "it is an index itself"),
        (&[docker, &two], "the images are of both families"),
    ] {
        let told = place.fails(&[&["index", &name(":v2")], images].concat());
        assert!(told.contains(cause), "{told}");
    }
    let none = place.fails(&["inspect", &name(":v2")]);
    assert!(none.contains("404 Not Found"), "{none}");
}
