//! The sites that are stored in every way there is.

use std::fs;
use std::sync::LazyLock;

use sitepack::compiler::{Compiler, Store};
use sitepack::{ContentCoding, Site};

use crate::sites::{self, FILES_MODIFIED};

/// A site of short texts, stored in one of three ways.
pub(crate) fn stored(store: Store) -> Site<'static> {
    static BYTES: LazyLock<[Vec<u8>; 3]> =
        LazyLock::new(|| compile_stored(&texts(), &[ContentCoding::Gzip, ContentCoding::Brotli]));
    Site::open(&BYTES[place(store)]).unwrap()
}

/// The same with `/large.txt`, which is not coded as br: that would take a minute.
pub(crate) fn long(store: Store) -> Site<'static> {
    static BYTES: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
        let mut all = texts();
        all.push(("/large.txt".to_owned(), sites::large_text()));
        compile_stored(&all, &[ContentCoding::Gzip])
    });
    Site::open(&BYTES[place(store)]).unwrap()
}

fn place(store: Store) -> usize {
    let mut all = Store::ALL.iter();
    all.position(|known| *known == store).unwrap()
}

fn compile_stored(texts: &[(String, Vec<u8>)], codings: &[ContentCoding]) -> [Vec<u8>; 3] {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in texts {
        let name = if path == "/" { "/index.html" } else { path };
        fs::write(root.path().join(&name[1..]), content).unwrap();
    }
    fs::write(root.path().join("404.html"), missing_page()).unwrap();
    Store::ALL.map(|store| {
        let compiler = Compiler::new().files("/", root.path()).store(store);
        let compiler = compiler.codings(codings).modified(Some(FILES_MODIFIED));
        compiler.compile().unwrap().bytes
    })
}

/// What is in it.
pub(crate) fn texts() -> Vec<(String, Vec<u8>)> {
    let mut texts = vec![
        ("/".to_owned(), page(0)),
        ("/page.html".to_owned(), page(1)),
        ("/plain.png".to_owned(), sites::large()[..30_000].to_vec()),
        ("/empty.txt".to_owned(), Vec::new()),
        ("/short.txt".to_owned(), b"short".to_vec()),
    ];
    // Enough for a dictionary.
    texts.extend((2..60).map(|number| (format!("/page-{number}.html"), page(number))));
    texts
}

/// The page that is shown where there is none.
pub(crate) fn missing_page() -> String {
    format!(
        "<!DOCTYPE html><title>missing</title>{}\n",
        "<p>Nothing.</p>".repeat(50)
    )
}

fn page(number: usize) -> Vec<u8> {
    let mut page = format!("<!DOCTYPE html><html><head><title>Page {number}</title></head>\n");
    for line in 0..40 {
        page.push_str(&format!(
            "<p class=\"line\">Line {line} of page {number}</p>\n"
        ));
    }
    page.into_bytes()
}
