//! Bounds of what servers and configurations say.

/// An address. Signed addresses of cloud storage have about 2 KiB.
pub(crate) const ADDRESS_BYTES_MAX: usize = 8 << 10;
/// `WWW-Authenticate`, all of it.
pub(crate) const CHALLENGE_BYTES_MAX: usize = 8 << 10;
/// A file of certificates: Debian's bundle has 220 KiB.
pub(crate) const CERTIFICATES_BYTES_MAX: u64 = 4 << 20;
/// How much of a hostile text is shown in a message.
pub(crate) const SHOWN_CHARS_MAX: usize = 300;
/// The distribution specification's bound on registry and repository together.
pub(crate) const NAME_BYTES_MAX: usize = 255;
/// The distribution specification's bound on a tag.
pub(crate) const TAG_BYTES_MAX: usize = 128;
