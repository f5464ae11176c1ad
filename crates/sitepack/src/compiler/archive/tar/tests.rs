//! Tar archives by hand, a rule a table.

use crate::compiler::archive::testing::{
    Case, directory, expect, file, gzip, hard_link, header, link, member, pax, summed, tar,
    unpacked,
};
use crate::compiler::archive::{Kind, unpack};

/// The header of an empty file, with bytes at these places.
fn header_with(name: &str, places: &[(usize, &[u8])]) -> Vec<u8> {
    let mut block = header(name.as_bytes(), b'0', b"", 0);
    for (place, bytes) in places {
        block[*place..place + bytes.len()].copy_from_slice(bytes);
    }
    summed(block)
}

#[test]
fn members_become_files() {
    let cases: &[Case] = &[
        (
            "plain",
            &[directory("a/"), file("a/b", "1"), file("a.b", "")],
            &["a.b=", "a/b=1"],
        ),
        ("one top directory stays", &[file("t/a", "1")], &["t/a=1"]),
        (
            "`./` is none",
            &[directory("./"), file("./a", "1")],
            &["a=1"],
        ),
        (
            "the later counts",
            &[file("a", "1"), file("b", ""), file("a", "2")],
            &["a=2", "b="],
        ),
        (
            "a file over a link",
            &[link("a", "b"), file("b", "1"), file("a", "2")],
            &["a=2", "b=1"],
        ),
        (
            "oldest directory",
            &[member(b"d/", b'\0', b"", b""), file("d/a", "1")],
            &["d/a=1"],
        ),
        (
            "contiguous file",
            &[member(b"a", b'7', b"", b"1")],
            &["a=1"],
        ),
        (
            "hard link",
            &[
                file("d/a", "1"),
                hard_link("b", "d/a"),
                hard_link("c", "./b"),
            ],
            &["b=1", "c=1", "d/a=1"],
        ),
        (
            "hard link keeps",
            &[file("a", "1"), hard_link("b", "a"), file("a", "2")],
            &["a=2", "b=1"],
        ),
    ];
    for (case, members, expected) in cases {
        expect(unpacked(&tar(members), Kind::Tar), Ok(expected), case);
    }
}

#[test]
fn extensions_say_what_a_header_has_no_room_for() {
    let long = "l".repeat(90) + "/" + &"n".repeat(90);
    let with_prefix = header_with("b", &[(345, b"a/p")]);
    let with_gnu_times = header_with("g", &[(257, b"ustar  \0"), (345, b"123")]);
    let sized = [
        pax(b'x', "size", b"3"),
        header(b"s", b'0', b"", 0),
        member(b"", 0, b"", b"abc")[512..].to_vec(),
    ];
    let cases: &[Case] = &[
        (
            "GNU long name",
            &[
                member(b"././@LongLink", b'L', b"", format!("{long}\0").as_bytes()),
                file("x", "1"),
            ],
            &[&format!("{long}=1")],
        ),
        (
            "GNU long link",
            &[
                file("a", "1"),
                member(b"././@LongLink", b'K', b"", b"./././a\0"),
                link("b", "x"),
            ],
            &["a=1", "b=1"],
        ),
        (
            "pax path",
            &[pax(b'x', "path", long.as_bytes()), file("x", "1")],
            &[&format!("{long}=1")],
        ),
        (
            "pax in UTF-8",
            &[pax(b'x', "path", "ä\u{2028}".as_bytes()), file("x", "1")],
            &["ä\u{2028}=1"],
        ),
        (
            "pax link",
            &[file("a", "1"), pax(b'x', "linkpath", b"a"), link("b", "x")],
            &["a=1", "b=1"],
        ),
        ("pax size", &sized, &["s=abc"]),
        (
            "pax attributes with line ends",
            &[
                pax(b'x', "SCHILY.xattr.a", b"1\n9 path=b\n"),
                file("a", "1"),
            ],
            &["a=1"],
        ),
        (
            "pax global comment",
            &[pax(b'g', "comment", b"0123"), file("a", "1")],
            &["a=1"],
        ),
        ("ustar prefix", &[with_prefix], &["a/p/b="]),
        ("GNU has no prefix", &[with_gnu_times], &["g="]),
    ];
    for (case, members, expected) in cases {
        expect(unpacked(&tar(members), Kind::Tar), Ok(expected), case);
    }
}

/// Readers that take it for the next header's hide a member, or show one that is content.
#[test]
fn a_length_of_pax_is_the_member_s() {
    let members = [
        pax(b'x', "size", b"2"),
        member(b"././@LongLink", b'L', b"", b"named.txt\0"),
        header(b"s", b'0', b"", 0),
        member(b"", 0, b"", b"ab")[512..].to_vec(),
    ];
    let expected = Ok(&["named.txt=ab"][..]);
    expect(
        unpacked(&tar(&members), Kind::Tar),
        expected,
        "pax, then GNU",
    );
}

#[test]
fn what_no_site_has_is_refused_by_name() {
    let sparse = "it is stored as a sparse file: archive it without --sparse";
    let cases: &[(&[Vec<u8>], &str)] = &[
        (
            &[file("/etc/passwd", "")],
            "`/etc/passwd`: the name is absolute",
        ),
        (&[file("a/../../b", "")], "`a/../../b`: a `..` in the name"),
        (&[file("a\\b", "")], "`a\\\\b`: a `\\` in the name"),
        (
            &[pax(b'x', "path", b"a\0b"), file("x", "")],
            "`a\\0b`: a control character in the name",
        ),
        (
            &[member(b"\xff", b'0', b"", b"")],
            "`\u{fffd}`: the name is not UTF-8",
        ),
        (&[file("", "")], "``: the name is empty"),
        (&[file("./", "1")], "`./`: the name of a file ends with `/`"),
        (
            &[file(".", "1")],
            "`.`: it has the name of the top directory",
        ),
        (&[file("a/", "1")], "`a/`: the name of a file ends with `/`"),
        (
            &[member(b"a", b'3', b"", b"")],
            "`a`: it is a character device",
        ),
        (&[member(b"a", b'4', b"", b"")], "`a`: it is a block device"),
        (&[member(b"a", b'6', b"", b"")], "`a`: it is a pipe"),
        (&[member(b"a", b'S', b"", b"")], &format!("`a`: {sparse}")),
        (
            &[pax(b'x', "GNU.sparse.major", b"1"), file("a", "")],
            &format!("`a`: {sparse}"),
        ),
        (
            &[member(b"a", b'V', b"", b"")],
            "`a`: it has the type `V`, which is not supported",
        ),
    ];
    for (members, expected) in cases {
        expect(unpacked(&tar(members), Kind::Tar), Err(expected), expected);
    }
}

#[test]
fn what_does_not_fit_together_is_refused_by_name() {
    let cases: &[(&[Vec<u8>], &str)] = &[
        (
            &[file("a", ""), directory("a")],
            "`a`: it is both a file and a directory",
        ),
        (
            &[file("a/b", ""), file("a", "")],
            "`a`: it is both a file and a directory",
        ),
        (
            &[file("a", ""), file("a/b", "")],
            "`a/b`: `a`, above it, is a file",
        ),
        (
            &[link("a", "b"), file("a/b", "")],
            "`a/b`: `a`, above it, is a symbolic link",
        ),
        (
            &[directory("a"), directory("a/b")],
            "there are no files in it",
        ),
        (&[], "there are no files in it"),
    ];
    for (members, expected) in cases {
        expect(unpacked(&tar(members), Kind::Tar), Err(expected), expected);
    }
}

#[test]
fn links_and_lengths_that_lie_are_refused_by_name() {
    let cases: &[(&[Vec<u8>], &str)] = &[
        (
            &[hard_link("b", "a"), file("a", "")],
            "`b`: a hard link to `a`, which is not before it",
        ),
        (
            &[file("a/b", ""), hard_link("c", "a")],
            "`c`: a hard link to the directory `a`",
        ),
        (
            &[hard_link("a", "/a")],
            "`a`: its target: the name is absolute",
        ),
        (
            &[hard_link("a", "../a")],
            "`a`: its target: a `..` in the name",
        ),
        (
            &[link("a", "")],
            "`a`: its target is empty or has a control character in it",
        ),
        (
            &[member(b"a", b'2', b"b", b"1")],
            "`a`: a directory or a link with content",
        ),
        (
            &[member(b"a", b'5', b"", b"1")],
            "`a`: a directory or a link with content",
        ),
        (
            &[
                pax(b'x', "path", b"a"),
                pax(b'x', "path", b"b"),
                file("x", ""),
            ],
            "`PaxHeaders/x`: its name is stated twice",
        ),
        (
            &[pax(b'g', "path", b"a")],
            "`PaxHeaders/x`: a name or a length for all members",
        ),
        (
            &[file("a", ""), pax(b'x', "path", b"a")],
            "it ends where a member was announced: the archive is cut short",
        ),
        (
            &[header(b"a", b'0', b"", 1 << 31)],
            "`a`: it is longer than 2147483647 bytes",
        ),
        (
            &[header(b"a", b'L', b"", 1 << 21)],
            "`a`: an extension of more than 1048576 bytes",
        ),
        (
            &[header(b"a", b'0', b"", 5000)],
            "`a`: the archive is cut short",
        ),
    ];
    for (members, expected) in cases {
        expect(unpacked(&tar(members), Kind::Tar), Err(expected), expected);
    }
}

#[test]
fn the_end_is_there_and_is_the_end() {
    let (short, damaged) = ("the archive is cut short", "a header is wrong: the archive");
    let whole = tar(&[file("a", "1"), file("b", "2")]);
    let mut wrong = whole.clone();
    wrong[1024] = b'c';
    let twice = [&*whole, &whole].concat();
    for (case, bytes, expected) in [
        ("one block of end", &whole[..2560], Ok(&["a=1", "b=2"][..])),
        ("no end", &whole[..2048], Err(short)),
        ("part of a header", &whole[..1100], Err(short)),
        ("part of an end", &whole[..2100], Err(short)),
        ("empty", &[], Err(short)),
        ("a text", &[b'a'; 2000], Err("it is no tar archive")),
        (
            "two archives",
            &twice,
            Err("there is something after the archive's end"),
        ),
        (
            "damage",
            &wrong,
            Err(&format!("the checksum of {damaged} is damaged")),
        ),
    ] {
        expect(unpacked(bytes, Kind::Tar), expected, case);
    }
    for (bytes, name) in [(700, "a"), (1024 + 512, "b")] {
        let refused = format!("`{name}`: {short}");
        expect(
            unpacked(&whole[..bytes], Kind::Tar),
            Err(&refused),
            "in a content",
        );
    }
}

#[test]
fn gzip_is_checked_to_its_end() {
    let whole = tar(&[file("a", "1")]);
    let coded = gzip(&whole);
    let in_two = [gzip(&whole[..700]), gzip(&whole[700..])].concat();
    let mut wrong_sum = coded.clone();
    let sum = wrong_sum.len() - 8;
    wrong_sum[sum] ^= 1;
    let added = [&*coded, b"something more"].concat();
    for (case, bytes, expected) in [
        ("whole", &*coded, Ok(&["a=1"][..])),
        ("two members", &in_two, Ok(&["a=1"])),
        (
            "wrong checksum",
            &wrong_sum,
            Err("corrupt gzip stream does not have a matching checksum"),
        ),
        (
            "no checksum",
            &coded[..coded.len() - 8],
            Err("the archive is cut short"),
        ),
        (
            "half a member",
            &in_two[..in_two.len() - 20],
            Err("`a`: the archive is cut short"),
        ),
        (
            "cut in the first",
            &coded[..15],
            Err("the archive is cut short"),
        ),
        ("something after it", &added, Err("invalid gzip header")),
        ("none", &whole, Err("invalid gzip header")),
    ] {
        expect(unpacked(bytes, Kind::TarGzip), expected, case);
    }
}

#[cfg(feature = "zstd")]
#[test]
fn zstd_is_checked_to_its_end() {
    let whole = tar(&[file("a", "1")]);
    let coded = zstd::bulk::compress(&whole, 3).unwrap();
    let in_two = [
        zstd::bulk::compress(&whole[..700], 3).unwrap(),
        zstd::bulk::compress(&whole[700..], 3).unwrap(),
    ];
    expect(unpacked(&coded, Kind::TarZstd), Ok(&["a=1"]), "whole");
    expect(
        unpacked(&in_two.concat(), Kind::TarZstd),
        Ok(&["a=1"]),
        "two frames",
    );
    let short = Err("the archive is cut short");
    expect(
        unpacked(&coded[..coded.len() - 1], Kind::TarZstd),
        short,
        "cut",
    );
    unpacked(&whole, Kind::TarZstd).unwrap_err();
}

#[cfg(not(feature = "zstd"))]
#[test]
fn zstd_without_the_feature_is_an_error_that_says_so() {
    let refused = "this compiler was built without the feature `zstd`";
    expect(unpacked(b"", Kind::TarZstd), Err(refused), "zstd");
}

#[test]
fn bombs_are_refused() {
    let zeros = "0".repeat(1 << 20);
    let bomb: Vec<_> = (0..70).map(|n| file(&n.to_string(), &zeros)).collect();
    let bomb = tar(&bomb);
    let refused = "`63`: it unpacks to more than 67108864 bytes, 200 times its size";
    expect(unpacked(&gzip(&bomb), Kind::TarGzip), Err(refused), "zeros");
    assert_eq!(
        unpacked(&bomb, Kind::Tar).unwrap().len(),
        70,
        "as long as it is large"
    );
}

#[test]
fn only_a_time_that_all_files_state_counts() {
    let timed = |name, time: u64| header_with(name, &[(136, format!("{time:011o}\0").as_bytes())]);
    let (one, other) = (1_700_000_000, 1_700_000_001);
    let cases: [(&[Vec<u8>], Option<u64>); 6] = [
        (&[timed("a", one), timed("b", one)], Some(one)),
        (
            &[
                timed("a", one),
                directory("c"),
                pax(b'x', "mtime", b"1700000000.5"),
                timed("b", 7),
            ],
            Some(one),
        ),
        (
            &[pax(b'g', "mtime", b"1700000000"), timed("b", 7)],
            Some(one),
        ),
        (&[timed("a", one), timed("b", other)], None),
        (&[timed("a", 499_162_500)], None),
        (&[timed("a", 0)], None),
    ];
    for (members, expected) in cases {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.tar");
        std::fs::write(&path, tar(members)).unwrap();
        assert_eq!(unpack(&path, Kind::Tar, None).unwrap().modified, expected);
    }
}
