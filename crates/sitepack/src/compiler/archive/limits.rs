//! Every bound on archives, its unit in its name and its reason beside it.
//!
//! An archive is a program that somebody else wrote for this computer's memory and disk: what
//! it states is checked against these before it is believed.

/// How many members all archives or layers of a source may have together: twenty times the
/// largest site that was tried, and as many as a directory may have files.
pub(crate) const MEMBERS_MAX: usize = 1_000_000;
/// How many directories they may make: a hundred times the largest site that was tried. Fewer
/// than members, because a chain of directories costs memory that no byte of the archive pays.
pub(crate) const DIRECTORIES_MAX: usize = 200_000;
/// How long a member's name or a link's target may be: Linux's PATH_MAX.
pub(crate) const NAME_BYTES_MAX: usize = 4096;
/// How long all names and targets may be together, since they are held in memory: 80 times the
/// largest site that was tried.
pub(crate) const NAMES_BYTES_MAX: usize = 256 << 20;
/// How deep directories may be nested: as deep as in a source that is a directory.
pub(crate) const DEPTH_LEVELS_MAX: usize = 64;
/// How long one file may be: the longest `Vec` of a 32-bit machine, and the compiler reads a
/// file into one.
pub(crate) const FILE_BYTES_MAX: u64 = (1 << 31) - 1;
/// How much all archives or layers of a source may unpack to: ten times the largest site that
/// was tried, and what a disk has room for.
pub(crate) const UNPACKED_BYTES_MAX: u64 = 8 << 30;
/// How many times its own size an archive may unpack to. HTML shrinks to a tenth, deflate can
/// reach 1,032 times and zstd far more.
pub(crate) const UNPACKED_TIMES_MAX: u64 = 200;
/// Up to here the ratio does not matter: a small archive of one repeated line is no bomb.
pub(crate) const UNPACKED_BYTES_FREE: u64 = 64 << 20;
/// How long a tar header's extension (a long name, PAX records) may be: Linux allows 64 KiB of
/// extended attributes by name, and names come to 8 KiB.
pub(crate) const EXTENSION_BYTES_MAX: u64 = 1 << 20;
/// How many links may lead to a file: as many as Linux follows.
pub(crate) const LINK_HOPS_MAX: usize = 40;
/// How many steps following all links may take: links to directories multiply, and a step costs
/// some 50 ns.
pub(crate) const LINK_STEPS_MAX: usize = 50_000_000;
/// How many layers an image may have: container engines allow 127.
pub(crate) const LAYERS_MAX: usize = 128;
/// How much is read at a time: beyond this the number of system calls no longer shows.
pub(crate) const COPY_BYTES: usize = 64 << 10;
