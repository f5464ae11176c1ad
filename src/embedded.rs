//! Where this executable's packed site is. The one place for `unsafe`.
//!
//! `build.rs` compiles a site, and the packed site is included by the assembler: `.incbin` copies
//! the file into a section of its own at the speed of the disk, where `include_bytes!` would lead
//! hundreds of megabytes through the compiler (`docs/decisions/0001-incbin.md`). Read-only,
//! aligned to a page, no relocations: the system maps it when it is read, and start-up costs
//! nothing.
//!
//! `chapbook pack` appends another site to a finished executable. It turns a mark in the copy's
//! data, so that an executable that has lost its appended site (to `strip`, to a broken
//! download) says so, and does not serve the site that it was built with instead. The mark names
//! the site: what a file holds that is only thought to be this executable's is not served.

use std::fs::File;
use std::io;
use std::sync::OnceLock;

use sitepack::{Appended, Digest, Site};

/// The mark: whether the site is the one of the build or one behind the executable. `pack` finds
/// it by its first bytes, which nothing else in the executable has. They name the format, so that
/// no executable of another version gets a site that it cannot read.
#[used]
static MARK: Mark = Mark {
    prefix: *b"chapbook's mark 2, format 3, site: ",
    kind: *b"included",
    names: *b", sha256: ",
    digest: [b'0'; 2 * Digest::BYTES],
    zstd: if cfg!(feature = "zstd") {
        WITH_ZSTD
    } else {
        WITHOUT_ZSTD
    },
};
const _: () = assert!(
    sitepack::format::VERSION == 3,
    "the mark names another format"
);

/// Text, so that `strings` shows it. Nothing stands between its fields.
#[repr(C)]
struct Mark {
    prefix: [u8; 35],
    kind: [u8; 8],
    names: [u8; 10],
    /// Of the site behind the executable, in hexadecimal digits.
    digest: [u8; 2 * Digest::BYTES],
    /// Whether the executable reads zstd frames.
    zstd: [u8; 13],
}

const WITH_ZSTD: [u8; 13] = *b", zstd: yes.\n";
const WITHOUT_ZSTD: [u8; 13] = *b", zstd: no. \n";
/// The kind of an executable with an appended site.
const APPENDED: [u8; 8] = *b"appended";

/// The bytes that lead to what `pack` reads and changes of the mark. Put together here, so that the
/// executable holds them only once.
#[cfg(any(feature = "image", feature = "pack"))]
pub(crate) fn mark_prefix() -> Vec<u8> {
    let backwards: &[u8] = std::hint::black_box(b" :etis ,3 tamrof ,2 kram s'koobpahc");
    backwards.iter().rev().copied().collect()
}

/// How long that is.
#[cfg(any(feature = "image", feature = "pack"))]
pub(crate) const MARK_REST_BYTES: usize = 8 + 10 + 2 * Digest::BYTES + 13;

/// The digest of the appended site, in hexadecimal digits, of what stands behind the prefix.
#[cfg(feature = "image")]
pub(crate) fn packed_site(rest: &[u8; MARK_REST_BYTES]) -> Option<String> {
    let digest = rest.strip_prefix(&APPENDED)?.strip_prefix(b", sha256: ")?;
    let digest = digest.get(..2 * Digest::BYTES)?;
    Some(String::from_utf8_lossy(digest).into_owned())
}

/// What stands behind the prefix once a site was appended.
#[cfg(feature = "pack")]
pub(crate) fn turned_mark(site: Digest) -> Vec<u8> {
    let digest = site.hex();
    [&APPENDED[..], b", sha256: ", digest.as_bytes()].concat()
}

/// Whether an executable reads zstd frames, by what stands behind the prefix of its mark.
#[cfg(feature = "pack")]
pub(crate) fn reads_frames(mark_rest: &[u8]) -> bool {
    mark_rest.ends_with(&WITH_ZSTD)
}

/// The packed site in or behind this executable.
///
/// # Errors
/// When it is not one, not of this version, or gone.
pub fn site() -> io::Result<Site<'static>> {
    Site::open(bytes()?).map_err(io::Error::other)
}

/// The bytes of the packed site, unchecked.
///
/// # Errors
/// When they stand behind the executable, and cannot be mapped.
pub fn bytes() -> io::Result<&'static [u8]> {
    static APPENDED_SITE: OnceLock<&'static [u8]> = OnceLock::new();
    // Read where it is: the compiler would take the value that it was built with.
    if std::hint::black_box(&MARK).kind != APPENDED {
        return Ok(included::bytes());
    }
    if let Some(bytes) = APPENDED_SITE.get() {
        return Ok(bytes);
    }
    let bytes = appended()?;
    Ok(APPENDED_SITE.get_or_init(|| bytes))
}

/// The packages that this executable is made of, as `build/packages.rs` listed them, in zlib's
/// format. Where `cargo auditable` would put them, so that its readers find them.
#[cfg(chapbook_packages)]
#[used]
#[expect(unsafe_code, reason = "a section has a name")]
// SAFETY: no other section is called so, and what it holds are plain bytes.
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,.dep-v0"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".dep-v0"))]
static PACKAGES: [u8; include_bytes!(env!("CHAPBOOK_PACKAGES_FILE")).len()] =
    *include_bytes!(env!("CHAPBOOK_PACKAGES_FILE"));

/// The packages that this executable is made of, if it was built with a list of them.
#[must_use]
pub fn packages() -> Option<&'static [u8]> {
    #[cfg(chapbook_packages)]
    let packages = Some(&PACKAGES[..]);
    #[cfg(not(chapbook_packages))]
    let packages = None;
    packages
}

/// This executable's file. Without `/proc`, as in an empty root, by the name that it was started
/// under.
///
/// # Errors
/// When it cannot be opened.
pub(crate) fn executable() -> io::Result<File> {
    let by_name = std::env::current_exe().and_then(File::open);
    #[cfg(target_os = "linux")]
    let by_name = by_name.or_else(|error| {
        use std::os::unix::ffi::OsStrExt as _;
        let name = rustix::param::linux_execfn().to_bytes();
        File::open(std::ffi::OsStr::from_bytes(name)).map_err(|_| error)
    });
    by_name
}

/// Maps the site behind the executable, for as long as the program runs.
#[expect(unsafe_code, reason = "a mapped file")]
fn appended() -> io::Result<&'static [u8]> {
    let mut file = executable()?;
    let gone = || io::Error::other("the site that was packed into this executable is gone");
    let found = Appended::find(&mut file)?.ok_or_else(gone)?;
    let bytes = usize::try_from(found.site_bytes).map_err(io::Error::other)?;
    // SAFETY: the mapping is read-only. Like that of the program itself it shows the file of the
    // executable, which the system keeps from being written while it runs (ETXTBSY); `pack` and
    // installers replace such a file by renaming another over it. Where there is no /proc it may
    // be a file that was renamed so meanwhile: with the same site in it, or it is dropped below.
    let map = unsafe {
        memmap2::MmapOptions::new()
            .offset(found.site_offset)
            .len(bytes)
            .map(&file)?
    };
    // The file was found by its name, and may be another by now.
    let site = Site::open(&map).map_err(io::Error::other)?;
    if site.digest().hex().as_bytes() != std::hint::black_box(&MARK).digest {
        let cause = "the site behind this executable is not the one that was packed into it";
        return Err(io::Error::other(cause));
    }
    Ok(Box::leak(Box::new(map)))
}

/// On ELF systems the assembler knows `.incbin` and sections by these names.
#[cfg(all(unix, not(target_vendor = "apple")))]
#[expect(
    unsafe_code,
    reason = "the bounds of the included file are symbols of the assembler"
)]
mod included {
    core::arch::global_asm!(
        ".pushsection .rodata.chapbook,\"a\",%progbits",
        ".balign 4096",
        ".globl chapbook_packed_site_start",
        ".hidden chapbook_packed_site_start",
        "chapbook_packed_site_start:",
        // Incremental compilation keeps what looks unchanged, and would keep the old site.
        concat!("/* ", env!("CHAPBOOK_PACKED_SITE_DIGEST"), " */"),
        concat!(".incbin \"", env!("CHAPBOOK_PACKED_SITE_QUOTED"), "\""),
        ".globl chapbook_packed_site_end",
        ".hidden chapbook_packed_site_end",
        "chapbook_packed_site_end:",
        ".byte 0",
        ".popsection",
        options(raw)
    );

    unsafe extern "C" {
        static chapbook_packed_site_start: u8;
        static chapbook_packed_site_end: u8;
    }

    pub(super) fn bytes() -> &'static [u8] {
        let start = &raw const chapbook_packed_site_start;
        let end = &raw const chapbook_packed_site_end;
        // SAFETY: the two symbols mark the start and the end of one section of this executable,
        // end not before start; everything between them is the included file, initialised,
        // read-only, and mapped for as long as the program runs.
        unsafe { std::slice::from_raw_parts(start, end.offset_from_unsigned(start)) }
    }
}

/// Elsewhere the compiler includes the file.
#[cfg(not(all(unix, not(target_vendor = "apple"))))]
mod included {
    #[repr(C, align(4096))]
    struct Aligned<Bytes: ?Sized>(Bytes);

    static SITE: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("CHAPBOOK_PACKED_SITE")));

    pub(super) fn bytes() -> &'static [u8] {
        &SITE.0
    }
}
