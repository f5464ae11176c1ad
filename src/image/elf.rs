//! What an executable is made for, and whether it stands alone: the header and the program
//! headers of an ELF file (System V ABI, chapters 4 and 5).

use std::io::{self, Read, Seek, SeekFrom};

use super::Platform;

/// The length of the header of a 64-bit file; that of a 32-bit one is shorter.
const HEADER_BYTES: u64 = 64;
/// Executables have some ten program headers; more than this are none.
const PROGRAM_HEADERS_MAX: u64 = 128;
/// The longest path of an interpreter that is shown, in bytes.
const INTERPRETER_BYTES_MAX: u64 = 256;
/// The program header that names what loads the file: PT_INTERP.
const INTERPRETER: u64 = 3;

/// What the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elf {
    /// What it is made for.
    pub platform: Platform,
    /// The program that loads it and its libraries, if it needs one: it is linked dynamically.
    pub interpreter: Option<String>,
}

/// What is wrong with a file that is no executable for Linux.
fn not(what: &str) -> io::Error {
    io::Error::other(format!("{what}, and images are for Linux"))
}

impl Elf {
    /// Reads it.
    ///
    /// # Errors
    /// When the file cannot be read, or is no executable for Linux on a processor that images
    /// have a name for.
    pub fn read<F: Read + Seek>(file: &mut F) -> io::Result<Elf> {
        let head = Bytes::read(file, 0, HEADER_BYTES)?;
        let head = head.shaped().ok_or_else(|| not("it is no ELF file"))?;
        // The systems that state none, and GNU/Linux.
        if !matches!(head.number(7, 1), Some(0 | 3)) {
            return Err(not("it is for another system"));
        }
        // ET_EXEC, and ET_DYN, which executables are that may lie anywhere.
        if !matches!(head.number(16, 2), Some(2 | 3)) {
            return Err(not("it is no executable"));
        }
        let platform = head
            .platform()
            .ok_or_else(|| not("it is for a processor that images have no name for"))?;
        let cut = || io::Error::other("its program headers are cut short");
        let place = head.program_headers().ok_or_else(cut)?;
        let (offset, each, count) = place;
        if count > PROGRAM_HEADERS_MAX || each > HEADER_BYTES {
            return Err(io::Error::other("its program headers are too many"));
        }
        let mut table = Bytes::read(file, offset, each * count)?;
        (table.is_wide, table.is_little) = (head.is_wide, head.is_little);
        let mut interpreter = None;
        for index in 0..count {
            let at = index * each;
            let kind = table.number(at, 4).ok_or_else(cut)?;
            if kind == INTERPRETER {
                let (offset, bytes) = table.contents(at).ok_or_else(cut)?;
                let name = Bytes::read(file, offset, bytes.min(INTERPRETER_BYTES_MAX))?;
                let name = String::from_utf8_lossy(&name.bytes);
                interpreter = Some(name.trim_end_matches('\0').to_owned());
            }
        }
        Ok(Elf {
            platform,
            interpreter,
        })
    }
}

/// A part of the file, in which numbers are read as the file writes them.
struct Bytes {
    bytes: Vec<u8>,
    is_wide: bool,
    is_little: bool,
}

impl Bytes {
    fn read<F: Read + Seek>(file: &mut F, offset: u64, length: u64) -> io::Result<Bytes> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(offset))?;
        file.take(length).read_to_end(&mut bytes)?;
        Ok(Bytes {
            bytes,
            is_wide: true,
            is_little: true,
        })
    }

    /// The same, knowing how wide its addresses are and which of a number's bytes comes first.
    fn shaped(mut self) -> Option<Bytes> {
        let (magic, rest) = self.bytes.split_at_checked(4)?;
        let (class, order) = (*rest.first()?, *rest.get(1)?);
        if magic != b"\x7fELF" || !matches!((class, order), (1 | 2, 1 | 2)) {
            return None;
        }
        (self.is_wide, self.is_little) = (class == 2, order == 1);
        Some(self)
    }

    fn number(&self, at: u64, width: usize) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = self.bytes.get(at..at.checked_add(width)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(match self.is_little {
            true => bytes.iter().rev().fold(0, add),
            false => bytes.iter().fold(0, add),
        })
    }

    /// The processor, in the words of images, which are Go's.
    fn platform(&self) -> Option<Platform> {
        let architecture = match (self.number(18, 2)?, self.is_wide, self.is_little) {
            (3, false, true) => "386",
            (8, true, true) => "mips64le",
            (8, false, true) => "mipsle",
            (21, true, true) => "ppc64le",
            (22, true, false) => "s390x",
            (40, false, true) => "arm",
            (62, true, true) => "amd64",
            (183, true, true) => "arm64",
            (243, true, true) => "riscv64",
            (258, true, true) => "loong64",
            _ => return None,
        };
        // Which of the versions of 32-bit ARM it needs, the header does not say.
        let variant = (architecture == "arm64").then(|| "v8".to_owned());
        Some(Platform {
            architecture: architecture.to_owned(),
            variant,
        })
    }

    /// Where the program headers are, how long each is, and how many.
    fn program_headers(&self) -> Option<(u64, u64, u64)> {
        Some(match self.is_wide {
            true => (
                self.number(32, 8)?,
                self.number(54, 2)?,
                self.number(56, 2)?,
            ),
            false => (
                self.number(28, 4)?,
                self.number(42, 2)?,
                self.number(44, 2)?,
            ),
        })
    }

    /// Where what a program header at `at` is about lies in the file.
    fn contents(&self, at: u64) -> Option<(u64, u64)> {
        Some(match self.is_wide {
            true => (self.number(at + 8, 8)?, self.number(at + 32, 8)?),
            false => (self.number(at + 4, 4)?, self.number(at + 16, 4)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::Elf;

    /// A file with one program header of this kind, which names what stands behind it.
    fn file(wide: bool, little: bool, machine: u16, kind: u32) -> Vec<u8> {
        let number = |value: u64, width: usize| {
            let little_bytes = value.to_le_bytes()[..width].to_vec();
            match little {
                true => little_bytes,
                false => little_bytes.into_iter().rev().collect(),
            }
        };
        let mut file = b"\x7fELF".to_vec();
        file.extend([1 + u8::from(wide), 2 - u8::from(little), 1, 0]);
        file.resize(16, 0);
        file.extend(number(3, 2));
        file.extend(number(machine.into(), 2));
        let (offset_at, sizes_at, header, each) = if wide {
            (32, 54, 64, 56)
        } else {
            (28, 42, 52, 32)
        };
        let address = if wide { 8 } else { 4 };
        file.resize(offset_at, 0);
        file.extend(number(header, address));
        file.resize(sizes_at, 0);
        file.extend([number(each, 2), number(1, 2)].concat());
        let at = usize::try_from(header).unwrap();
        file.resize(at, 0);
        file.extend(number(kind.into(), 4));
        file.resize(at + if wide { 8 } else { 4 }, 0);
        file.extend(number(header + each, address));
        file.resize(at + if wide { 32 } else { 16 }, 0);
        file.extend(number(11, address));
        file.resize(at + usize::try_from(each).unwrap(), 0);
        file.extend(b"/lib/ld.so\0");
        file
    }

    fn read(file: &[u8]) -> Result<Elf, String> {
        Elf::read(&mut Cursor::new(file)).map_err(|e| e.to_string())
    }

    #[test]
    fn processors_have_the_names_of_images() {
        for (wide, little, machine, expected) in [
            (true, true, 62, "linux/amd64"),
            (true, true, 183, "linux/arm64/v8"),
            (false, true, 3, "linux/386"),
            (false, true, 40, "linux/arm"),
            (true, true, 243, "linux/riscv64"),
            (true, true, 21, "linux/ppc64le"),
            (true, false, 22, "linux/s390x"),
            (true, true, 258, "linux/loong64"),
        ] {
            let elf = read(&file(wide, little, machine, 1)).unwrap();
            assert_eq!(elf.platform.to_string(), expected);
            assert_eq!(elf.interpreter, None);
            let elf = read(&file(wide, little, machine, 3)).unwrap();
            assert_eq!(elf.interpreter.as_deref(), Some("/lib/ld.so"));
        }
    }

    #[test]
    fn this_very_program_is_read() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            assert_eq!(read(&this).unwrap().platform.to_string(), "linux/amd64");
        }
    }

    #[test]
    fn other_files_are_refused() {
        let whole = file(true, true, 62, 3);
        let changed = |at: usize, byte: u8| {
            let mut file = whole.clone();
            file[at] = byte;
            file
        };
        for (file, message) in [
            (vec![], "no ELF file"),
            (b"MZ\x90\0".repeat(40), "no ELF file"),
            (b"\xcf\xfa\xed\xfe".repeat(40), "no ELF file"),
            (changed(4, 3), "no ELF file"),
            (changed(5, 0), "no ELF file"),
            (changed(7, 9), "another system"),
            (changed(16, 1), "no executable"),
            (changed(18, 99), "no name for"),
            (changed(56, 200), "too many"),
            (changed(33, 200), "cut short"),
            (whole[..20].to_vec(), "cut short"),
            (whole[..100].to_vec(), "cut short"),
        ] {
            let told = read(&file).unwrap_err();
            assert!(told.contains(message), "{told}, not {message}");
        }
    }
}
