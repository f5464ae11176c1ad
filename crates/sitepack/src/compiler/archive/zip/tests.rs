//! Zip files by hand, a rule a table.

use crate::compiler::archive::Kind;
use crate::compiler::archive::testing::{
    Outcome, Zipped, deflated, expect, stored, unpacked, zip, zip_ended,
};

const DIRECTORY_MODE: u32 = 0o040_755 << 16;
const LINK_MODE: u32 = 0o120_777 << 16;
const FILE_MODE: u32 = 0o100_644 << 16;

fn unzipped(members: &[Zipped]) -> Outcome {
    unpacked(&zip(members), Kind::Zip)
}

fn with_mode(mode: u32, member: Zipped) -> Zipped {
    Zipped {
        attributes: mode,
        ..member
    }
}

#[test]
fn members_become_files() {
    let text = "a line of verse, and ".repeat(5000);
    let utf8 = "ä.html".as_bytes();
    let (flag, dos) = (1 << 11, 0);
    let cases: &[(&str, &[Zipped], &[&str])] = &[
        (
            "stored, deflated",
            &[stored(b"b", "1"), deflated(b"a/c", &text)],
            &[&format!("a/c={text}"), "b=1"],
        ),
        (
            "empty",
            &[deflated(b"a", ""), stored(b"b", "")],
            &["a=", "b="],
        ),
        (
            "directories",
            &[
                with_mode(DIRECTORY_MODE, stored(b"d/", "")),
                stored(b"e/", ""),
                with_mode(DIRECTORY_MODE, stored(b"f", "")),
                stored(b"./", ""),
                stored(b"d/a", "1"),
            ],
            &["d/a=1"],
        ),
        (
            "links",
            &[
                with_mode(LINK_MODE, stored(b"d/l", "../a")),
                with_mode(FILE_MODE, deflated(b"a", "1")),
            ],
            &["a=1", "d/l=1"],
        ),
        (
            "marked as UTF-8",
            &[Zipped {
                flags: flag,
                made_on: dos,
                ..stored(utf8, "1")
            }],
            &["ä.html=1"],
        ),
        ("as Info-ZIP writes it", &[stored(utf8, "1")], &["ä.html=1"]),
        (
            "lengths that follow",
            &[Zipped {
                flags: 1 << 3,
                ..deflated(b"a", "1")
            }],
            &["a=1"],
        ),
    ];
    for (case, members, expected) in cases {
        expect(unzipped(members), Ok(expected), case);
    }
    let commented = zip_ended(&[stored(b"a", "1")], b"", b"a comment");
    expect(unpacked(&commented, Kind::Zip), Ok(&["a=1"]), "comment");
}

#[test]
fn what_no_site_has_is_refused_by_name() {
    let two = |one: &[u8], other: &[u8]| vec![stored(one, "1"), stored(other, "2")];
    let a = || stored(b"a", "1");
    let mode = |mode: u32| vec![with_mode(mode << 16, a())];
    let flags = |flags: u16| vec![Zipped { flags, ..a() }];
    let utf8 = stored("ä".as_bytes(), "");
    let cases: &[(&[Zipped], &str)] = &[
        (&[stored(b"/a", "")], "`/a`: the name is absolute"),
        (&[stored(b"../a", "")], "`../a`: a `..` in the name"),
        (
            &[stored(b"a\\..\\b", "")],
            "`a\\\\..\\\\b`: a `\\` in the name",
        ),
        (
            &[stored(b"a\0b", "")],
            "`a\\0b`: a control character in the name",
        ),
        (&[stored(b"", "")], "``: the name is empty"),
        (&[stored(b"\xff", "")], "`\u{fffd}`: the name is not UTF-8"),
        (
            &[Zipped { made_on: 0, ..utf8 }],
            "`ä`: its name is not ASCII, and not marked as UTF-8",
        ),
        (
            &[stored(b".", "1")],
            "`.`: it has the name of the top directory",
        ),
        (&two(b"a", b"a"), "`a`: there are two members of this name"),
        (
            &two(b"a", b"./a"),
            "`a`: there are two members of this name",
        ),
        (&two(b"a", b"a/b"), "`a/b`: `a`, above it, is a file"),
        (
            &[stored(b"a/b", ""), stored(b"a", "")],
            "`a`: it is both a file and a directory",
        ),
        (&[stored(b"a/", "1")], "`a/`: a directory with content"),
        (&mode(0o020_000), "`a`: it is a device"),
        (&mode(0o060_000), "`a`: it is a device"),
        (&mode(0o010_000), "`a`: it is a pipe"),
        (&mode(0o140_000), "`a`: it is a socket"),
        (&mode(0o150_000), "`a`: its file type is not known"),
        (
            &[with_mode(LINK_MODE, stored(b"a/", "b"))],
            "`a/`: the name of a file ends with `/`",
        ),
        (
            &[with_mode(LINK_MODE, stored(b"a", "../b"))],
            "`a`: the link to `../b` leads out of the archive",
        ),
        (
            &[with_mode(LINK_MODE, stored(b"a", &"b".repeat(4097)))],
            "`a`: it is longer than 4096 bytes",
        ),
        (&flags(1), "`a`: it is encrypted"),
        (&flags(1 << 6), "`a`: it is encrypted"),
        (&flags(1 << 13), "`a`: it is encrypted"),
        (&flags(1 << 5), "`a`: it is a patch"),
        (
            &[Zipped { method: 14, ..a() }],
            "`a`: it has the compression method 14, not deflate",
        ),
        (&[stored(b"d/", "")], "there are no files in it"),
        (&[], "there are no files in it"),
    ];
    for (members, expected) in cases {
        expect(unzipped(members), Err(expected), expected);
    }
}

#[test]
fn what_is_said_twice_agrees() {
    let a = || stored(b"a", "123");
    let differs = "`a`: its header differs from the directory at the archive's end";
    let cut_short = "`a`: its length is not the stated one";
    let mut junk = deflated(b"a", "123");
    junk.content.push(0);
    let mut short = deflated(b"a", "123");
    short.content.pop();
    let mut broken = deflated(b"a", "123");
    broken.content[0] = 0xff;
    let cases: &[(&[Zipped], &str)] = &[
        (
            &[Zipped {
                local_name: b"b".to_vec(),
                ..a()
            }],
            differs,
        ),
        (
            &[Zipped {
                local_name: b"ab".to_vec(),
                ..a()
            }],
            differs,
        ),
        (
            &[Zipped { crc: 1, ..a() }],
            "`a`: its checksum differs: the archive is damaged",
        ),
        (&[Zipped { bytes: 2, ..a() }], cut_short),
        (&[Zipped { bytes: 4, ..a() }], cut_short),
        (
            &[Zipped {
                bytes: 2,
                ..deflated(b"a", "123")
            }],
            cut_short,
        ),
        (
            &[Zipped {
                bytes: u32::MAX,
                ..a()
            }],
            "`a`: its length in 64 bits is missing",
        ),
        (&[junk], "`a`: there is something after its content's end"),
        (&[short], "`a`: the archive is cut short"),
        (&[broken], "`a`: corrupt deflate stream"),
    ];
    for (members, expected) in cases {
        expect(unzipped(members), Err(expected), expected);
    }
}

#[test]
fn members_have_their_places() {
    let a = || stored(b"a", "123");
    let differs = "`a`: its header differs from the directory at the archive's end";
    let cases: &[(&[Zipped], &str)] = &[
        (
            &[
                a(),
                Zipped {
                    offset: Some(0),
                    ..a()
                },
            ],
            "`a`: it overlaps the member before it",
        ),
        (
            &[
                a(),
                Zipped {
                    offset: Some(33),
                    ..stored(b"b", "1")
                },
            ],
            "`b`: it overlaps the member before it",
        ),
        (
            &[Zipped {
                offset: Some(1),
                ..a()
            }],
            differs,
        ),
        (
            &[Zipped {
                offset: Some(9999),
                ..a()
            }],
            "`a`: the archive is cut short",
        ),
        (
            &[Zipped {
                bytes: 1 << 31,
                ..deflated(b"a", "")
            }],
            "it unpacks to more than 67108864 bytes, 200 times its size",
        ),
        (
            &[Zipped {
                extra: b"\x01\0\x09\0".to_vec(),
                ..a()
            }],
            "`a`: its extra field is damaged",
        ),
    ];
    for (members, expected) in cases {
        expect(unzipped(members), Err(expected), expected);
    }
}

#[test]
fn the_end_is_there_and_is_the_end() {
    let members = [stored(b"a", "1"), stored(b"b", "2")];
    let whole = zip(&members);
    let none = "it has not the end of a zip archive: it is cut short, or is none";
    let added = "its directory is not where its end says: bytes were added or cut out";
    let end = &whole[whole.len() - 22..];
    let of_few = {
        let mut few = whole.clone();
        let counts = few.len() - 14;
        few[counts..counts + 4].copy_from_slice(&[1, 0, 1, 0]);
        few
    };
    let disks = {
        let mut disks = whole.clone();
        let counts = disks.len() - 14;
        disks[counts] = 1;
        disks
    };
    for (case, bytes, expected) in [
        ("cut short", &whole[..whole.len() - 1], none),
        ("empty", &[], none),
        ("a text", &[b'P'; 70_000], none),
        ("bytes after it", &[&*whole, b"x"].concat(), none),
        ("bytes before it", &[b"x", &*whole].concat(), added),
        ("bytes in it", &zip_ended(&members, b"x", b""), added),
        (
            "two ends",
            &zip_ended(&members, b"", end),
            "it has two ends, one in the comment of the other",
        ),
        (
            "fewer members",
            &of_few,
            "its directory is longer than its end says",
        ),
        ("two disks", &disks, "it is split over several disks"),
    ] {
        expect(unpacked(bytes, Kind::Zip), Err(expected), case);
    }
}

#[test]
fn ends_of_64_bits_are_read() {
    let a = stored(b"a", "1");
    let long = |lies: bool| {
        let plain = zip(std::slice::from_ref(&a));
        let directory = plain.len() - 22;
        let offset = u64::try_from(directory).unwrap() - 47;
        let end = [
            &b"PK\x06\x06"[..],
            &44u64.to_le_bytes(),
            &[45, 3, 45, 0],
            &[0; 8],
            &1u64.to_le_bytes(),
            &1u64.to_le_bytes(),
            &47u64.to_le_bytes(),
            &(offset + u64::from(lies)).to_le_bytes(),
            b"PK\x06\x07\0\0\0\0",
            &(directory as u64).to_le_bytes(),
            &[1, 0, 0, 0],
        ];
        let mut bytes = [&plain[..directory], &end.concat(), &plain[directory..]].concat();
        let counts = bytes.len() - 14;
        bytes[counts..counts + 4].fill(0xff);
        bytes
    };
    expect(unpacked(&long(false), Kind::Zip), Ok(&["a=1"]), "long end");
    expect(
        unpacked(&long(true), Kind::Zip),
        Err("its 64-bit end is damaged"),
        "lying long end",
    );
}
