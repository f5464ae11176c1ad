//! Where this executable's packed site is. The one place for `unsafe`.
//!
//! The packed site is included by the assembler: `.incbin` copies the file into a section of its
//! own at the speed of the disk, where `include_bytes!` would lead hundreds of megabytes through
//! the compiler (`docs/decisions/0001-incbin.md`). Read-only, aligned to a page, no relocations:
//! the system maps it when it is read, and start-up costs nothing.

use sitepack::{OpenError, Site};

/// The packed site in this executable.
///
/// # Errors
/// When it is not one, or not of this version.
pub fn site() -> Result<Site<'static>, OpenError> {
    Site::open(bytes())
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

/// The bytes of the packed site, unchecked.
#[must_use]
pub fn bytes() -> &'static [u8] {
    included::bytes()
}
