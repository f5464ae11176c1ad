//! The sites that tests run on.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use chapbook::embedded;
use sitepack::compiler::Compiler;
use sitepack::{Digest, Site};

/// 2001-09-09T01:46:40Z, the time of the files' site.
pub(crate) const FILES_MODIFIED: u64 = 1_000_000_000;
/// The same, as a field has it.
pub(crate) const FILES_LAST_MODIFIED: &str = "Sun, 09 Sep 2001 01:46:40 GMT";
/// The length of `/large.png` in bytes: more than the system buffers for a connection.
pub(crate) const LARGE_BYTES: usize = 24 << 20;

/// The poems, as they are in the executable.
pub(crate) fn poems() -> Site<'static> {
    embedded::site().unwrap()
}

/// A site of files with what the poems do not have: an empty file, a large one, a name with the
/// hash of its content, names that need encoding.
pub(crate) fn files() -> Site<'static> {
    Site::open(files_bytes()).unwrap()
}

/// The bytes of the same.
pub(crate) fn files_bytes() -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let root = tempfile::tempdir().unwrap();
        write_files(root.path());
        let compiler = Compiler::new()
            .files("/", root.path())
            .modified(Some(FILES_MODIFIED));
        compiler.compile().unwrap().bytes
    });
    &BYTES
}

/// The content of `/large.png`: nothing repeats, so that a wrong offset shows.
pub(crate) fn large() -> Vec<u8> {
    let mut state = 1_u64;
    let words = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_le_bytes()
    });
    words.take(LARGE_BYTES / 8).flatten().collect()
}

/// The path of the file whose name carries the hash of its content.
pub(crate) fn hashed_path() -> String {
    format!("/app.{}.js", &Digest::of(HASHED).hex()[..10])
}

const HASHED: &[u8] = b"console.log('hello');\n";

pub(crate) fn write_files(root: &Path) {
    let write = |path: &str, content: &[u8]| {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    };
    write("index.html", b"<!DOCTYPE html><title>root</title>\n");
    write("404.html", b"<!DOCTYPE html><title>missing</title>\n");
    write("sub/index.html", b"<!DOCTYPE html><title>sub</title>\n");
    write(
        "sub/page.html",
        "<p>a paragraph, and </p>\n".repeat(200).as_bytes(),
    );
    write("eleven.txt", b"0123456789a");
    write("empty.txt", b"");
    write("8000.txt", "0123456789abcdef".repeat(500).as_bytes());
    write("na me/ü.txt", b"u");
    write("large.png", &large());
    write(&hashed_path()[1..], HASHED);
}

/// Text, 3 MB that compress to a third: many pieces either way.
#[cfg_attr(
    not(any(feature = "zstd", feature = "pack")),
    expect(dead_code, reason = "stores and packing ask for it")
)]
pub(crate) fn large_text() -> Vec<u8> {
    let bytes = large();
    let words = bytes.chunks(2).map(|two| format!("{:03} ", two[0]));
    let mut text: Vec<u8> = words.flat_map(String::into_bytes).take(3_000_000).collect();
    text.push(b'\n');
    text
}
