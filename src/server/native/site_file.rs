//! The packed site as a part of a file, so that the system can send from it without a copy: the
//! executable itself, at the site's offset.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use sitepack::format::{HEADER_BYTES, PAGE_BYTES};

use crate::limits::SITE_OFFSET_BYTES_MAX;
use crate::log::warn;

/// A file that holds the packed site that is being served.
#[derive(Debug)]
pub struct SiteFile {
    file: File,
    /// Where the site begins, in bytes from the start of the file.
    offset: u64,
    /// Where it begins in memory.
    address: usize,
    bytes: usize,
    /// The system has refused to send from it.
    refused: AtomicBool,
}

impl SiteFile {
    /// The running executable, if `site` lies in it.
    ///
    /// # Errors
    /// When the executable cannot be opened, or the site is not from it.
    pub fn executable(site: &'static [u8]) -> io::Result<SiteFile> {
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        let address = site.as_ptr() as usize;
        let offset = maps.lines().find_map(|line| file_offset(line, address));
        let offset = offset.ok_or_else(|| io::Error::other("the site is in no mapped file"))?;
        SiteFile::new(File::open("/proc/self/exe")?, offset, site)
    }

    /// A file that holds `site` on a page boundary, such as an executable: the first place where
    /// the site's header is, which holds the digest of all that follows.
    ///
    /// # Errors
    /// When it is nowhere, or not near enough to the file's start.
    pub fn within(file: File, site: &'static [u8]) -> io::Result<SiteFile> {
        let end = file.metadata()?.len().min(SITE_OFFSET_BYTES_MAX);
        let step = usize::try_from(PAGE_BYTES).unwrap_or(usize::MAX);
        let mut header = [0; HEADER_BYTES];
        for offset in (0..end).step_by(step) {
            file.read_exact_at(&mut header, offset)?;
            if site.starts_with(&header) {
                return SiteFile::new(file, offset, site);
            }
        }
        Err(io::Error::other("the file does not hold the site"))
    }

    /// A file that holds `site` at `offset`.
    ///
    /// # Errors
    /// When it does not.
    pub fn new(file: File, offset: u64, site: &'static [u8]) -> io::Result<SiteFile> {
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, offset)?;
        if !site.starts_with(&header) || file.metadata()?.len() < offset + site.len() as u64 {
            return Err(io::Error::other("the file does not hold the site"));
        }
        Ok(SiteFile {
            file,
            offset,
            address: site.as_ptr() as usize,
            bytes: site.len(),
            refused: AtomicBool::new(false),
        })
    }

    /// Where in the file `content` is, if it is a part of the site, and can be sent from there.
    #[must_use]
    pub fn offset_of(&self, content: &[u8]) -> Option<u64> {
        if self.refused.load(Ordering::Relaxed) {
            return None;
        }
        let within = (content.as_ptr() as usize).checked_sub(self.address)?;
        let end = within.checked_add(content.len())?;
        (end <= self.bytes).then_some(self.offset + within as u64)
    }

    /// Whether an error of sendfile is about the file and not about the client: a file system or a
    /// sandbox that has no such thing. Then it is said, and not tried again.
    pub(super) fn refuses(&self, error: &io::Error) -> bool {
        let refused = matches!(
            Errno::from_io_error(error),
            Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM)
        );
        if refused && !self.refused.swap(true, Ordering::Relaxed) {
            warn(format_args!(
                "large contents are copied, not sent, from now on: {error}"
            ));
        }
        refused
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// The file offset of an address, if a line of `/proc/self/maps` (proc(5)) covers it:
/// `55d0c0a00000-55d0c0b00000 r--p 00001000 fe:01 1234 /path`. Memory without a file has inode 0.
fn file_offset(line: &str, address: usize) -> Option<u64> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let _permissions = words.next()?;
    let offset = u64::from_str_radix(words.next()?, 16).ok()?;
    let _device = words.next()?;
    let inode = words.next()?;
    let covers = (start..end).contains(&address) && inode != "0";
    covers.then(|| offset + (address - start) as u64)
}

#[cfg(test)]
mod tests {
    use super::file_offset;

    #[test]
    fn lines_of_maps_are_read() {
        let line = "1000-3000 r--p 00005000 fe:01 1234                       /a file";
        assert_eq!(file_offset(line, 0x1000), Some(0x5000));
        assert_eq!(file_offset(line, 0x2fff), Some(0x6fff));
        assert_eq!(file_offset(line, 0x3000), None);
        assert_eq!(file_offset(line, 0xfff), None);
        assert_eq!(
            file_offset("1000-3000 rw-p 00000000 00:00 0 [heap]", 0x2000),
            None
        );
        assert_eq!(file_offset("", 0), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_executable_holds_its_site() {
        use super::SiteFile;
        use std::os::unix::fs::FileExt as _;
        let site = crate::embedded::bytes().unwrap();
        let file = SiteFile::executable(site).unwrap();
        let mut found = vec![0; site.len()];
        file.file()
            .read_exact_at(&mut found, file.offset_of(site).unwrap())
            .unwrap();
        assert!(found == site);
        assert_eq!(
            file.offset_of(&site[100..]),
            file.offset_of(site).map(|offset| offset + 100)
        );
        assert_eq!(file.offset_of(b"elsewhere"), None);
        let by_search = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        let by_search = SiteFile::within(by_search, site).unwrap();
        assert_eq!(by_search.offset_of(site), file.offset_of(site));
        let other = std::fs::File::open("/bin/sh").unwrap();
        assert!(SiteFile::within(other, site).is_err());
        let elsewhere: &'static [u8] = Box::leak(site.to_vec().into_boxed_slice());
        assert!(SiteFile::executable(elsewhere).is_err());
    }

    /// A directory is a file that sendfile does not take.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_cannot_be_sent_from_is_copied() {
        use std::io::Read as _;
        use std::os::unix::net::UnixStream;
        use std::sync::atomic::AtomicBool;

        use super::SiteFile;
        use crate::response::Content;
        use crate::server::native::stream::{Progress, Stream};

        let content: Vec<u8> = (0..50_000_u32).map(|number| number as u8).collect();
        let file = SiteFile {
            file: std::fs::File::open("/").unwrap(),
            offset: 0,
            address: content.as_ptr() as usize,
            bytes: content.len(),
            refused: AtomicBool::new(false),
        };
        let (server, mut client) = UnixStream::pair().unwrap();
        server.set_nonblocking(true).unwrap();
        let mut stream = Stream::Unix(mio::net::UnixStream::from_std(server));
        let (mut sent, mut left) = (0, u64::MAX);
        let whole = Content::Whole(&content);
        let progress = stream.send(b"head", &whole, &mut sent, Some(&file), &mut left);
        assert_eq!(progress.unwrap(), Progress::Done);
        drop(stream);
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).unwrap();
        assert!(bytes == [b"head", &*content].concat());
        assert_eq!(file.offset_of(&content), None, "it is tried again");
    }
}
