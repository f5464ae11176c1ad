//! Archives of a directory, made by hand: no tool has to be installed, and the bytes are the same
//! everywhere.

use std::fs;
use std::io::Write as _;
use std::path::Path;

/// Every file below `directory`, sorted: its name with `/` between the parts, and its content.
pub(crate) fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    fn walk(directory: &Path, prefix: &str, found: &mut Vec<(String, Vec<u8>)>) {
        for entry in directory.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                walk(&path, &format!("{name}/"), found);
            } else {
                found.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(directory, "", &mut found);
    found.sort();
    found
}

/// Writes the files of `directory` as `archive`, whose name tells the kind.
pub(crate) fn write(directory: &Path, archive: &Path) {
    let name = archive.to_str().unwrap();
    let bytes = if name.ends_with(".zip") {
        zip(directory)
    } else {
        let tar = tar(directory);
        match name.rsplit('.').next().unwrap() {
            "gz" => gzip(&tar),
            "zst" => zstd(&tar),
            _ => tar,
        }
    };
    fs::write(archive, bytes).unwrap();
}

fn tar(directory: &Path) -> Vec<u8> {
    tar_of(directory, 0)
}

/// A tar whose files all state this time.
pub(crate) fn tar_of(directory: &Path, seconds: u64) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, content) in files(directory) {
        let mut header = [0; 512];
        let mut put = |at: usize, text: &str| {
            header[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        put(0, &name);
        put(100, "0000644\0");
        put(124, &format!("{:011o}", content.len()));
        put(136, &format!("{seconds:011o}"));
        put(148, "        ");
        put(156, "0");
        put(257, "ustar\x0000");
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        tar.extend(header);
        tar.extend(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend([0; 1024]);
    tar
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A frame of one raw block: RFC 8878 §3.1.1.
fn zstd(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    assert!(length < 128 << 10, "a block is shorter");
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0xA0];
    frame.extend(length.to_le_bytes());
    frame.extend(&(length << 3 | 1).to_le_bytes()[..3]);
    frame.extend(bytes);
    frame
}

fn zip(directory: &Path) -> Vec<u8> {
    let (mut zip, mut central) = (Vec::new(), Vec::new());
    let files = files(directory);
    for (name, content) in &files {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let offset = u32::try_from(zip.len()).unwrap();
        let length = u32::try_from(content.len()).unwrap().to_le_bytes();
        let name_length = u16::try_from(name.len()).unwrap().to_le_bytes();
        // Version 2.0, a name in UTF-8, stored, 1980-01-01.
        let mut about = vec![20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0];
        about.extend(crc.sum().to_le_bytes());
        about.extend([length, length].concat());
        about.extend(name_length);
        about.extend([0, 0]);
        zip.extend(b"PK\x03\x04");
        zip.extend(&about);
        zip.extend(name.as_bytes());
        zip.extend(content);
        central.extend(b"PK\x01\x02\x14\0");
        central.extend(&about);
        central.extend([0; 10]);
        central.extend(offset.to_le_bytes());
        central.extend(name.as_bytes());
    }
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    let offset = u32::try_from(zip.len()).unwrap();
    zip.extend(&central);
    zip.extend(b"PK\x05\x06\0\0\0\0");
    zip.extend([count, count].concat());
    zip.extend(u32::try_from(central.len()).unwrap().to_le_bytes());
    zip.extend(offset.to_le_bytes());
    zip.extend([0, 0]);
    zip
}
