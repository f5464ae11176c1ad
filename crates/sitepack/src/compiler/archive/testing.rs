//! For the tests of this folder: archives made by hand, among them those that no tool makes.

use std::io::Write as _;
use std::path::PathBuf;

use super::{Kind, unpack, unpack_layers};

/// Paths and contents, or the message without "failed to unpack `FILE`: ".
pub(super) type Outcome = Result<Vec<(String, String)>, String>;

/// A case's name, its members, and the files expected of them.
pub(super) type Case<'a> = (&'a str, &'a [Vec<u8>], &'a [&'a str]);

/// What an archive with these bytes unpacks to.
pub(super) fn unpacked(bytes: &[u8], kind: Kind) -> Outcome {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("archive");
    std::fs::write(&path, bytes).unwrap();
    outcome(unpack(&path, kind, None))
}

/// What layers with these bytes unpack to.
pub(super) fn layered(layers: &[Vec<u8>]) -> Outcome {
    let directory = tempfile::tempdir().unwrap();
    let paths: Vec<(PathBuf, Kind)> = (0..layers.len())
        .map(|n| (directory.path().join(format!("layer{n}")), Kind::Tar))
        .collect();
    for (bytes, (path, _)) in layers.iter().zip(&paths) {
        std::fs::write(path, bytes).unwrap();
    }
    outcome(unpack_layers(&paths, None))
}

fn outcome(unpacked: Result<super::Unpacked, crate::compiler::Error>) -> Outcome {
    let text = |slice: &crate::compiler::spool::Slice| {
        String::from_utf8_lossy(&slice.read().unwrap()).into_owned()
    };
    match unpacked {
        Ok(unpacked) => Ok(unpacked
            .files
            .iter()
            .map(|(path, slice)| (path.clone(), text(slice)))
            .collect()),
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with("failed to unpack `"), "{message}");
            assert!(!message.contains('\n'), "{message}");
            let (_, cause) = message.split_once("`: ").unwrap();
            Err(cause.to_owned())
        }
    }
}

/// Asserts that an outcome is these files, "PATH=CONTENT", or this message.
pub(super) fn expect(outcome: Outcome, expected: Result<&[&str], &str>, case: &str) {
    let found = outcome.map(|files| {
        let files = files.iter();
        files
            .map(|(path, content)| format!("{path}={content}"))
            .collect::<Vec<_>>()
    });
    match (&found, expected) {
        (Ok(files), Ok(expected)) => assert_eq!(files, expected, "{case}"),
        (Err(cause), Err(expected)) => assert_eq!(cause, expected, "{case}"),
        _ => panic!("{case}: {found:?}, not {expected:?}"),
    }
}

/// A tar member as its blocks.
pub(super) fn member(name: &[u8], flag: u8, link: &[u8], content: &[u8]) -> Vec<u8> {
    let mut block = header(name, flag, link, content.len() as u64);
    block.extend_from_slice(content);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

pub(super) fn header(name: &[u8], flag: u8, link: &[u8], bytes: u64) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000644\0");
    block[124..136].copy_from_slice(format!("{bytes:011o}\0").as_bytes());
    block[136..148].copy_from_slice(format!("{:011o}\0", 1_700_000_000).as_bytes());
    block[156] = flag;
    block[157..157 + link.len()].copy_from_slice(link);
    block[257..265].copy_from_slice(b"ustar\x0000");
    summed(block)
}

/// The header with its right checksum.
pub(super) fn summed(mut block: Vec<u8>) -> Vec<u8> {
    block[148..156].fill(b' ');
    let sum: u64 = block[..512].iter().map(|byte| u64::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

pub(super) fn file(name: &str, content: &str) -> Vec<u8> {
    member(name.as_bytes(), b'0', b"", content.as_bytes())
}

pub(super) fn directory(name: &str) -> Vec<u8> {
    member(name.as_bytes(), b'5', b"", b"")
}

pub(super) fn link(name: &str, target: &str) -> Vec<u8> {
    member(name.as_bytes(), b'2', target.as_bytes(), b"")
}

pub(super) fn hard_link(name: &str, target: &str) -> Vec<u8> {
    member(name.as_bytes(), b'1', target.as_bytes(), b"")
}

/// A header of pax with one record.
pub(super) fn pax(flag: u8, key: &str, value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
    let bytes = (1..)
        .find(|digits| (rest.len() + digits).to_string().len() == *digits)
        .map(|digits| rest.len() + digits);
    let record = [bytes.unwrap().to_string().as_bytes(), &rest].concat();
    member(b"PaxHeaders/x", flag, b"", &record)
}

/// Members and the end.
pub(super) fn tar(members: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = members.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A zip member, whose fields may lie.
#[derive(Clone)]
pub(super) struct Zipped {
    pub(super) name: Vec<u8>,
    pub(super) local_name: Vec<u8>,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) content: Vec<u8>,
    pub(super) crc: u32,
    pub(super) bytes: u32,
    pub(super) made_on: u8,
    pub(super) attributes: u32,
    pub(super) extra: Vec<u8>,
    /// Instead of where it is.
    pub(super) offset: Option<u32>,
}

pub(super) fn stored(name: &[u8], content: &str) -> Zipped {
    let mut crc = flate2::Crc::new();
    crc.update(content.as_bytes());
    Zipped {
        name: name.to_vec(),
        local_name: name.to_vec(),
        flags: 0,
        method: 0,
        content: content.as_bytes().to_vec(),
        crc: crc.sum(),
        bytes: u32::try_from(content.len()).unwrap(),
        made_on: 3,
        attributes: 0,
        extra: Vec::new(),
        offset: None,
    }
}

pub(super) fn deflated(name: &[u8], content: &str) -> Zipped {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content.as_bytes()).unwrap();
    Zipped {
        method: 8,
        content: encoder.finish().unwrap(),
        ..stored(name, content)
    }
}

fn u16_of(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap().to_le_bytes()
}

fn u32_of(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_le_bytes()
}

pub(super) fn zip(members: &[Zipped]) -> Vec<u8> {
    zip_ended(members, b"", b"")
}

/// A zip file with bytes between its directory and its end, and with a comment.
pub(super) fn zip_ended(members: &[Zipped], before_end: &[u8], comment: &[u8]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let offset = bytes.len();
        let common = [
            &20u16.to_le_bytes()[..],
            &member.flags.to_le_bytes(),
            &member.method.to_le_bytes(),
            &[0; 4],
            &member.crc.to_le_bytes(),
            &u32_of(member.content.len()),
            &member.bytes.to_le_bytes(),
        ]
        .concat();
        bytes.extend([b"PK\x03\x04", &*common].concat());
        bytes.extend([u16_of(member.local_name.len()), [0; 2]].concat());
        bytes.extend([&*member.local_name, &member.content].concat());
        directory.extend([b"PK\x01\x02", &[20, member.made_on][..], &common].concat());
        directory.extend([u16_of(member.name.len()), u16_of(member.extra.len())].concat());
        directory.extend([0; 6]);
        directory.extend(member.attributes.to_le_bytes());
        directory.extend(member.offset.map_or(u32_of(offset), u32::to_le_bytes));
        directory.extend([&*member.name, &member.extra].concat());
    }
    let offset = bytes.len();
    bytes.extend(&directory);
    bytes.extend(before_end);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([u16_of(members.len()), u16_of(members.len())].concat());
    bytes.extend([u32_of(directory.len()), u32_of(offset)].concat());
    bytes.extend(u16_of(comment.len()));
    bytes.extend(comment);
    bytes
}
