//! The packed site as a part of a file, so that the system can send from it without a copy: the
//! executable itself, at the site's offset.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use sitepack::format::HEADER_BYTES;

/// A file that holds the packed site that is being served.
#[derive(Debug)]
pub struct SiteFile {
    file: File,
    /// Where the site begins, in bytes from the start of the file.
    offset: u64,
    /// Where it begins in memory.
    address: usize,
    bytes: usize,
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
        })
    }

    /// Where in the file `content` is, if it is a part of the site.
    #[must_use]
    pub fn offset_of(&self, content: &[u8]) -> Option<u64> {
        let within = (content.as_ptr() as usize).checked_sub(self.address)?;
        let end = within.checked_add(content.len())?;
        (end <= self.bytes).then_some(self.offset + within as u64)
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
        let site = crate::embedded::bytes();
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
        let elsewhere: &'static [u8] = Box::leak(site.to_vec().into_boxed_slice());
        assert!(SiteFile::executable(elsewhere).is_err());
    }
}
