//! An empty root, as in a container from scratch: no /proc, no /tmp, no HOME, no other program.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::archives;
use crate::runnable::make_runnable;
use crate::server::{ENGINES, Running};
use crate::workshop::{FILES, Workshop, get, said};

/// How a program is run in another root, if that is permitted here.
fn ways() -> [Vec<&'static str>; 2] {
    let unshare = vec!["unshare", "--user", "--map-root-user", "chroot"];
    [vec!["chroot"], unshare]
}

fn inside(way: &[&str], root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(way[0]);
    // Not every user's path names where chroot is.
    let path = "/usr/sbin:/usr/bin:/sbin:/bin";
    command.args(&way[1..]).arg(root).args(arguments);
    command.env_clear().env("PATH", path);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Copies the executable and the libraries that it is linked to.
fn furnish(root: &Path) -> bool {
    let executable = env!("CARGO_BIN_EXE_chapbook");
    fs::copy(executable, root.join("chapbook")).unwrap();
    make_runnable(&root.join("chapbook"));
    let Ok(listed) = Command::new("ldd").arg(executable).output() else {
        return false;
    };
    // A static executable has none.
    let listed = String::from_utf8(listed.stdout).unwrap();
    for library in listed
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
    {
        let copy = root.join(library.trim_start_matches('/'));
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        // The loader among them is run, too.
        fs::copy(library, &copy).unwrap();
        make_runnable(&copy);
    }
    true
}

#[test]
fn it_packs_and_serves_where_nothing_else_is() {
    let workshop = Workshop::new();
    workshop.write("site/large.png", &crate::sites::large());
    for name in ["a.tar.gz", "a.zip"] {
        archives::write(&workshop.path("site"), &workshop.path(name));
    }
    let root = workshop.path("");
    if !furnish(&root) {
        return crate::site::skipped("there is no ldd to tell the libraries");
    }
    let permits = |way: &Vec<&str>| {
        let done = inside(way, &root, &["/chapbook", "version"]).output();
        done.is_ok_and(|done| done.status.success())
    };
    let Some(way) = ways().into_iter().find(permits) else {
        return crate::site::skipped("chroot is not permitted here");
    };
    for (source, file) in [("/site", "/one"), ("/a.tar.gz", "/two"), ("a.zip", "three")] {
        let done = inside(&way, &root, &["/chapbook", "pack", source, "-o", file]).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{source}: {}", said(&done));
        let name = format!("/{}", file.trim_start_matches('/'));
        let verified = inside(&way, &root, &[&name, "verify"]).output().unwrap();
        assert!(verified.status.success(), "{source}: {}", said(&verified));
        for engine in ENGINES {
            let listen = ["--listen", "127.0.0.1:0", "--engine", engine.name()];
            let arguments = [&[&*name, "serve"], &listen[..]].concat();
            let server = Running::spawn(inside(&way, &root, &arguments));
            assert_eq!(get(server.address, "/about.html").text(), FILES[1].1);
            assert!(get(server.address, "/large.png").content == crate::sites::large());
            // The file was found without /proc, and large contents are sent from it.
            assert!(!server.said.contains("are copied"), "{}", server.said);
        }
    }
    let left: Vec<String> = workshop.names();
    assert!(!left.iter().any(|name| name.starts_with('.')), "{left:?}");
    let done = inside(&way, &root, &["/chapbook", "check", "/a.zip"]).output();
    let told = said(&done.unwrap());
    assert!(told.contains("set TMPDIR to another"), "{told}");
}
