//! Image layers, one over another (OCI image-spec, layer.md).
//!
//! A layer is a tar of what changed. `.wh.NAME` removes NAME, `.wh..wh..opq` all that is beside
//! it, from the layers below and never from its own, wherever in the layer it stands.
//!
//! What engines do with layers that no diff of two trees makes is refused: something below a
//! lower file or symbolic link, whiteouts that are directories, AUFS's own files.

use std::path::Path;

use super::fault::Fault;
use super::name::{Name, Rooting};
use super::tree::Tree;
use super::{Change, Kind, Tally, What, open, tar};

/// How a whiteout's name begins.
const WHITEOUT: &str = ".wh.";
/// What follows in the name of one that hides all that is beside it.
const OPAQUE: &str = ".wh..opq";

/// Applies a layer over what is in the tree.
pub(super) fn apply(
    path: &Path,
    kind: Kind,
    tally: &mut Tally,
    tree: &mut Tree,
) -> Result<(), Fault> {
    let changes = tar::read(open(path)?, kind, Rooting::Image, tally)?.changes;
    tree.next_layer();
    let mut additions = Vec::with_capacity(changes.len());
    for change in changes {
        let failed = |cause| Fault::at(change.name.as_str(), cause);
        match whiteout(&change).map_err(failed)? {
            Some(Whiteout::Opaque(directory)) => tree.empty(&directory),
            Some(Whiteout::Removed(name)) => tree.remove(&name),
            None => additions.push(change),
        }
    }
    additions
        .into_iter()
        .try_for_each(|change| tree.apply(change))
}

enum Whiteout {
    /// All in this directory is gone.
    Opaque(Name),
    /// What had this name is gone.
    Removed(Name),
}

fn whiteout(change: &Change) -> Result<Option<Whiteout>, &'static str> {
    let (mut parents, last) = change.name.split();
    if parents.any(|segment| segment.starts_with(WHITEOUT)) {
        return Err("it stands below a whiteout");
    }
    let Some(hidden) = last.strip_prefix(WHITEOUT) else {
        return Ok(None);
    };
    match change.what {
        What::Directory => return Err("a whiteout that is a directory"),
        // Some builders make all whiteouts one file.
        What::File(_) | What::Link(_) | What::HardLink(_) => {}
    }
    let whiteout = match hidden {
        OPAQUE => Whiteout::Opaque(change.name.sibling("")),
        "" | "." | ".." => return Err("a whiteout of nothing"),
        _ if hidden.starts_with(WHITEOUT) => return Err("a file of AUFS's own"),
        _ => Whiteout::Removed(change.name.sibling(hidden)),
    };
    Ok(Some(whiteout))
}

#[cfg(test)]
mod tests {
    use crate::compiler::archive::testing::{
        Case, directory, expect, file, hard_link, layered, link, member, tar,
    };

    fn base() -> Vec<u8> {
        tar(&[
            directory("d/"),
            file("d/a", "1"),
            file("d/e/b", "2"),
            file("c", "3"),
        ])
    }

    const BASE: [&str; 3] = ["c=3", "d/a=1", "d/e/b=2"];

    #[test]
    fn layers_add_and_replace() {
        let cases: &[Case] = &[
            ("nothing", &[], &BASE),
            (
                "addition",
                &[file("d/x", "4")],
                &["c=3", "d/a=1", "d/e/b=2", "d/x=4"],
            ),
            (
                "absolute names",
                &[directory("/"), file("/d/x", "4")],
                &["c=3", "d/a=1", "d/e/b=2", "d/x=4"],
            ),
            (
                "replacement",
                &[file("d/a", "4")],
                &["c=3", "d/a=4", "d/e/b=2"],
            ),
            ("a directory stays", &[directory("./d/")], &BASE),
            ("a file for a directory", &[file("d", "4")], &["c=3", "d=4"]),
            (
                "a directory for a file",
                &[directory("c/"), file("c/x", "4")],
                &["c/x=4", "d/a=1", "d/e/b=2"],
            ),
            ("a link for a directory", &[link("d", "c")], &["c=3", "d=3"]),
            (
                "link to a lower layer",
                &[link("x", "d/e/b")],
                &["c=3", "d/a=1", "d/e/b=2", "x=2"],
            ),
            (
                "hard link to a lower layer",
                &[hard_link("x", "/c"), file("c", "4")],
                &["c=4", "d/a=1", "d/e/b=2", "x=3"],
            ),
        ];
        for (case, members, expected) in cases {
            expect(layered(&[base(), tar(members)]), Ok(expected), case);
        }
    }

    #[test]
    fn whiteouts_remove_from_lower_layers() {
        let cases: &[Case] = &[
            (
                "whiteout of a file",
                &[file("d/.wh.a", "")],
                &["c=3", "d/e/b=2"],
            ),
            ("whiteout of a directory", &[file(".wh.d", "")], &["c=3"]),
            (
                "whiteout of nothing there",
                &[file("q/.wh.d", ""), file("c/.wh.x", "")],
                &BASE,
            ),
            (
                "whiteout as a hard link",
                &[
                    file(".wh.c", ""),
                    hard_link(".wh.d", ".wh.c"),
                    file("x", ""),
                ],
                &["x="],
            ),
            (
                "only of lower layers",
                &[file("d/a", "4"), file("d/.wh.a", "")],
                &["c=3", "d/a=4", "d/e/b=2"],
            ),
            (
                "opaque",
                &[file("d/.wh..wh..opq", ""), file("d/x", "4")],
                &["c=3", "d/x=4"],
            ),
            (
                "opaque, though it comes last",
                &[file("d/x/y", "4"), file("d/.wh..wh..opq", "")],
                &["c=3", "d/x/y=4"],
            ),
            (
                "opaque root",
                &[file(".wh..wh..opq", ""), file("x", "4")],
                &["x=4"],
            ),
            (
                "a directory again, after its whiteout",
                &[file(".wh.d", ""), file("d/x", "4")],
                &["c=3", "d/x=4"],
            ),
            (
                "below a lower file, after its whiteout",
                &[file("c/x", "4"), file(".wh.c", "")],
                &["c/x=4", "d/a=1", "d/e/b=2"],
            ),
            (
                "names with `.wh` in them",
                &[file("a.wh.b", "4"), file(".whx", "5")],
                &[".whx=5", "a.wh.b=4", "c=3", "d/a=1", "d/e/b=2"],
            ),
        ];
        for (case, members, expected) in cases {
            expect(layered(&[base(), tar(members)]), Ok(expected), case);
        }
    }

    #[test]
    fn a_link_is_followed_when_all_layers_are_there() {
        let layers = [
            tar(&[link("a", "b"), file("b", "1")]),
            tar(&[file("b", "2")]),
            tar(&[file("c", "3")]),
        ];
        expect(layered(&layers), Ok(&["a=2", "b=2", "c=3"]), "replaced");
        let layers = [layers[0].clone(), tar(&[file(".wh.b", "")])];
        let refused = "`a`: the link leads to `b`, which is not there";
        expect(layered(&layers), Err(refused), "removed");
    }

    #[test]
    fn what_no_diff_makes_is_refused() {
        let base = || tar(&[file("d/a", "1"), link("l", "d")]);
        let cases: &[(&[Vec<u8>], &str)] = &[
            (&[file("d/a/x", "")], "`d/a/x`: `a`, above it, is a file"),
            (
                &[file("l/x", "")],
                "`l/x`: `l`, above it, is a symbolic link",
            ),
            (
                &[file("x", ""), file("x/y", "")],
                "`x/y`: `x`, above it, is a file",
            ),
            (
                &[file("d/x", ""), file("d", "")],
                "`d`: it is both a file and a directory",
            ),
            (
                &[directory(".wh.d")],
                "`.wh.d`: a whiteout that is a directory",
            ),
            (
                &[file(".wh.d/x", "")],
                "`.wh.d/x`: it stands below a whiteout",
            ),
            (&[file("d/.wh.", "")], "`d/.wh.`: a whiteout of nothing"),
            (&[file("d/.wh...", "")], "`d/.wh...`: a whiteout of nothing"),
            (
                &[file(".wh..wh.aufs", "")],
                "`.wh..wh.aufs`: a file of AUFS's own",
            ),
            (&[file("../x", "")], "`../x`: a `..` in the name"),
            (
                &[member(b"dev/null", b'3', b"", b"")],
                "`dev/null`: it is a character device",
            ),
        ];
        for (members, expected) in cases {
            expect(layered(&[base(), tar(members)]), Err(expected), expected);
        }
        expect(layered(&[]), Err("there are no files in it"), "no layers");
        let many = vec![base(); 129];
        expect(
            layered(&many),
            Err("the image has more than 128 layers"),
            "many layers",
        );
    }
}
