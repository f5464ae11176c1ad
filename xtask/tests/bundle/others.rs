//! What a machine of another kind left: made up here, since there is one machine. An executable is
//! its first bytes, and the image that of `chapbook image`, as far as a bundle looks at it.

use std::fs;
use std::path::Path;
use std::process::Command;

use sitepack::Digest;

use super::{root, said, succeeded, xtask};

/// ELF's numbers of 64-bit ARM, and of Motorola's 68000.
const ARM: u8 = 183;
const MOTOROLA: u8 = 4;

/// A directory as `cargo xtask static` leaves it.
pub(crate) fn left(directory: &Path, machine: u8, architecture: &str, commit: &str) {
    let blobs = directory.join("image/blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let image = directory.join("image");
    let blob = |content: &[u8]| {
        let digest = Digest::of(content).to_string();
        fs::write(blobs.join(&digest), content).unwrap();
        digest
    };
    let mut elf = b"\x7fELF\x02\x01".to_vec();
    elf.resize(18, 0);
    elf.extend([machine, 0]);
    elf.extend(b"and so on");
    fs::write(directory.join("chapbook"), &elf).unwrap();
    let tar = |archive: &str, from: &Path, names: &[&str]| {
        let mut tar = Command::new("tar");
        tar.arg("-cf").arg(directory.join(archive)).arg("-C");
        succeeded(tar.arg(from).args(names));
    };
    tar("layer", directory, &["chapbook"]);
    let layer = blob(&fs::read(directory.join("layer")).unwrap());
    let config = blob(
        format!(
            r#"{{"architecture":"{architecture}",
            "config":{{"Labels":{{"org.opencontainers.image.revision":"{commit}"}}}}}}"#
        )
        .as_bytes(),
    );
    let saved =
        format!(r#"[{{"Config":"blobs/sha256/{config}","Layers":["blobs/sha256/{layer}"]}}]"#);
    fs::write(image.join("manifest.json"), saved).unwrap();
    let digest = format!("sha256:{}", Digest::of(config.as_bytes()));
    let index = format!(r#"{{"manifests":[{{"digest":"{digest}"}}]}}"#);
    fs::write(image.join("index.json"), index).unwrap();
    tar(
        "image.tar",
        &image,
        &["index.json", "manifest.json", "blobs"],
    );
    fs::write(directory.join("digest"), digest + "\n").unwrap();
}

/// One for ARM, of the commit that is checked out.
pub(crate) fn good(directory: &Path) {
    left(directory, ARM, "arm64", &head());
}

fn head() -> String {
    let mut git = Command::new("git");
    let said = succeeded(git.arg("-C").arg(root()).args(["rev-parse", "HEAD"]));
    said.trim().to_owned()
}

/// All of these before anything is compiled.
#[test]
fn what_does_not_belong_together_is_refused() {
    let refused = |spoil: &dyn Fn(&Path), twice: bool, cause: &str| {
        let directory = tempfile::tempdir().unwrap();
        let other = directory.path().join("other");
        good(&other);
        spoil(&other);
        let bundle = directory.path().join("bundle");
        let (bundle, other) = (bundle.to_str().unwrap(), other.to_str().unwrap());
        let more: &[&str] = if twice { &["--with", other] } else { &[] };
        let words = [&["bundle", "-o", bundle, "--with", other], more].concat();
        let output = xtask(&words).output().unwrap();
        let said = said(&output);
        assert!(
            !output.status.success() && said.contains(cause),
            "{cause}: {said}"
        );
        assert!(!Path::new(bundle).exists());
    };
    let anew = |machine, architecture: &'static str, commit: String| {
        move |other: &Path| {
            fs::remove_dir_all(other).unwrap();
            left(other, machine, architecture, &commit);
        }
    };
    refused(&|_| (), true, "there is one for aarch64 already");
    let own = anew(62, "amd64", head());
    refused(&own, false, "there is one for x86_64 already");
    let unknown = anew(MOTOROLA, "m68k", head());
    refused(&unknown, false, "for ELF's machine 4");
    let mixed = anew(ARM, "amd64", head());
    refused(
        &mixed,
        false,
        "its image is for amd64, and its executable for arm64",
    );
    let old = anew(ARM, "arm64", "0".repeat(40));
    refused(&old, false, "it is made of 00000");
    for (file, cause) in [
        ("chapbook", "no executable of 64 bits"),
        ("digest", "its image is sha256:"),
        ("image.tar", "its index names not one image"),
    ] {
        let spoilt = |other: &Path| fs::write(other.join(file), "x").unwrap();
        refused(&spoilt, false, cause);
        let gone = |other: &Path| fs::remove_file(other.join(file)).unwrap();
        refused(&gone, false, "failed to take `");
    }
    let longer = |other: &Path| {
        let mut content = fs::read(other.join("chapbook")).unwrap();
        content.push(b'!');
        fs::write(other.join("chapbook"), content).unwrap();
    };
    refused(&longer, false, "its image holds another executable");
}
