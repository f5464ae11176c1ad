//! A builder image made of this machine's own compiler, since a test pulls nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the Dockerfile's commands and a compiler need.
const PROGRAMS: &str = "sh cat cp chmod cut dirname env find grep ls mkdir mv rm sed sha256sum \
                        sort touch tr uname xargs ar as cc gcc ld ranlib readelf";
/// What a C compiler and the linker of a static executable need of the C library.
const LIBRARIES: &str = "crt1.o Scrt1.o rcrt1.o crti.o crtn.o libc.a libc.so libc_nonshared.a \
                         libm.a libm.so libmvec.a libutil.a librt.a libpthread.a \
                         libdl.a libgcc_s.so.1 libmvec.so.1 libm.so.6";
/// Of the compiler's own programs, and of its own libraries.
const PASSES: [&str; 4] = ["cc1", "collect2", "lto-wrapper", "liblto_plugin.so"];
const RUNTIME: [&str; 3] = ["libgcc.a", "libgcc_eh.a", "libgcc_s.so"];
const HEADERS: &str = "linux asm-generic x86_64-linux-gnu";

/// What a program prints, in one line.
pub(crate) fn told(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Where the pieces come from and go to.
struct Root<'a>(&'a Path);

impl Root<'_> {
    fn inside(&self, path: &str) -> PathBuf {
        let inside = self.0.join(path.trim_start_matches('/'));
        fs::create_dir_all(inside.parent().unwrap()).unwrap();
        inside
    }

    /// Copies a file, or the one that a link leads to.
    fn file(&self, from: &str, to: &str) {
        fs::copy(from, self.inside(to)).unwrap_or_else(|error| panic!("{from}: {error}"));
    }

    /// Copies the files of a directory that are wanted, by their names.
    fn files(&self, directory: &str, is_wanted: impl Fn(&str) -> bool) {
        for entry in Path::new(directory).read_dir().unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_file() && is_wanted(name) {
                self.file(path.to_str().unwrap(), path.to_str().unwrap());
            }
        }
    }

    fn tree(&self, from: &str, to: &str) {
        let to = self.inside(to);
        let done = Command::new("cp").arg("-RL").arg(from).arg(&to).status();
        assert!(done.unwrap().success(), "{from}");
    }

    /// The shared libraries that programs are linked to.
    fn libraries(&self, programs: &[String], but: &str) {
        let listed = Command::new("ldd").args(programs).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let paths = listed
            .split_whitespace()
            .filter(|word| word.starts_with('/'));
        for path in paths.filter(|path| !path.ends_with(':') && !path.starts_with(but)) {
            self.file(path, path);
        }
    }
}

/// A root with the programs only: a builder that cannot compile.
pub(crate) fn small(root: &Path) {
    let root = Root(root);
    for name in [
        "usr/bin/x",
        "usr/lib/x",
        "usr/lib64/x",
        "tmp/x",
        "root/x",
        "proc/x",
        "dev/x",
    ] {
        root.inside(name);
    }
    for name in ["bin", "lib", "lib64"] {
        std::os::unix::fs::symlink(format!("usr/{name}"), root.0.join(name)).unwrap();
    }
    let mut programs = Vec::new();
    for name in PROGRAMS.split_whitespace() {
        let path = format!("/usr/bin/{name}");
        let path = if Path::new(&path).exists() {
            path
        } else {
            format!("/bin/{name}")
        };
        root.file(&path, &format!("usr/bin/{name}"));
        programs.push(path);
    }
    root.libraries(&programs, "-");
}

/// A root that compiles Rust and C, with the compiler that these tests were compiled by.
pub(crate) fn complete(directory: &Path) {
    small(directory);
    let root = Root(directory);
    let sysroot = told("rustc", &["--print", "sysroot"]);
    let gcc = told("gcc", &["-print-libgcc-file-name"]);
    let gcc = gcc.trim_end_matches("/libgcc.a");
    // Newer ones have their programs elsewhere than their libraries.
    let passes = told("gcc", &["-print-prog-name=cc1"]);
    let passes = passes.trim_end_matches("/cc1");
    let mut programs = Vec::new();
    for name in PASSES {
        let path = format!("{passes}/{name}");
        root.file(&path, &path);
        programs.push(path);
    }
    root.files(gcc, |name| RUNTIME.contains(&name) || name.ends_with(".o"));
    root.tree(&format!("{gcc}/include"), &format!("{gcc}/include"));
    let libraries = "/usr/lib/x86_64-linux-gnu";
    for name in LIBRARIES.split_whitespace() {
        let path = format!("{libraries}/{name}");
        root.file(&path, &path);
    }
    // What libm.a names has the C library's version in its own name.
    root.files(libraries, |name| {
        name.starts_with("libm-") && name.ends_with(".a")
    });
    root.files("/usr/include", |_| true);
    for name in HEADERS.split_whitespace() {
        let path = format!("/usr/include/{name}");
        root.tree(&path, &path);
    }
    let host = "lib/rustlib/x86_64-unknown-linux-gnu";
    for name in ["cargo", "rustc"] {
        root.file(
            &format!("{sysroot}/bin/{name}"),
            &format!("opt/rust/bin/{name}"),
        );
        programs.push(format!("{sysroot}/bin/{name}"));
    }
    for library in Path::new(&sysroot).join("lib").read_dir().unwrap() {
        let path = library.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.contains(".so") {
            root.file(path.to_str().unwrap(), &format!("opt/rust/lib/{name}"));
            programs.push(path.to_str().unwrap().to_owned());
        }
    }
    root.tree(&format!("{sysroot}/{host}"), &format!("opt/rust/{host}"));
    programs.push(format!("{sysroot}/{host}/bin/rust-lld"));
    root.libraries(&programs, &sysroot);
}
