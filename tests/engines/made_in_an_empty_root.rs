//! A site becomes an image where nothing is but chapbook, as in a container from scratch.

use std::fs;

use crate::built::{command, executable};
use crate::docker::Docker;
use crate::run::{create, free, get};
use crate::runnable::make_runnable;
use crate::{printed, told};

const PAGE: &str = "<!DOCTYPE html><html lang=\"en\"><title>Home</title><p>A pedlar came by.\n";

#[test]
fn a_site_becomes_an_image_without_anything() {
    let Some(docker) = Docker::shared() else {
        return;
    };
    let root = tempfile::tempdir().unwrap();
    fs::copy(executable(), root.path().join("chapbook")).unwrap();
    make_runnable(&root.path().join("chapbook"));
    fs::create_dir(root.path().join("public")).unwrap();
    fs::write(root.path().join("public/index.html"), PAGE).unwrap();
    let inside = |arguments: &[&str]| {
        let mut chroot = command("chroot".as_ref());
        printed(
            chroot
                .arg(root.path())
                .args(arguments)
                .env_remove("HOME")
                .env("TMPDIR", "/"),
        )
    };
    inside(&["/chapbook", "pack", "public", "-o", "site"]);
    inside(&["/site", "image", "-o", "site.tar", "--tag", "made-here"]);
    let mut left: Vec<_> = root.path().read_dir().unwrap().collect();
    left.sort_by_key(|entry| entry.as_ref().unwrap().file_name());
    assert_eq!(left.len(), 4, "{left:?}");
    let file = root.path().join("site.tar");
    let loaded = docker.ask(&["load", "-i", file.to_str().unwrap()]);
    assert_eq!(loaded, "Loaded image: made-here:latest");
    let address = free();
    let listen = format!("CHAPBOOK_LISTEN={address}");
    let container = create(&docker, &["-e", &listen], "made-here");
    container.ask(&["start"]);
    let answer = get(address, "/");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(PAGE),
        "{answer}"
    );

    // The same outside.
    let outside = root.path().join("outside.tar");
    let mut image = command(&root.path().join("site"));
    image
        .args(["image", "--tag", "made-here", "-o"])
        .arg(&outside);
    let done = image.output().unwrap();
    assert!(done.status.success(), "{}", told(&done));
    assert!(fs::read(outside).unwrap() == fs::read(file).unwrap());
}
