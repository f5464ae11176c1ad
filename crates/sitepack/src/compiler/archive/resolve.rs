//! Links resolved: a tree becomes files, each under every path that leads to it.
//!
//! This gives what unpacking the archive and reading the directory would give: a link to a file
//! is that file, a link to a directory is all files below it. A link that leads nowhere, out or
//! back into a directory that it is in is refused.

use std::collections::BTreeMap;

use super::fault::{Fault, shown};
use super::limits::{
    DEPTH_LEVELS_MAX, DIRECTORIES_MAX, LINK_HOPS_MAX, LINK_STEPS_MAX, MEMBERS_MAX, NAME_BYTES_MAX,
    NAMES_BYTES_MAX, UNPACKED_BYTES_MAX,
};
use super::name::Rooting;
use super::tree::{Directory, Node, Tree};
use crate::compiler::spool::Slice;

/// All files of the tree, by path.
pub(super) fn files(tree: &Tree, rooting: Rooting) -> Result<BTreeMap<String, Slice>, Fault> {
    let mut walk = Walk {
        rooting,
        steps: 0,
        directories: 0,
        names_bytes: 0,
        contents_bytes: 0,
        files: BTreeMap::new(),
    };
    let root = Place {
        root: tree.root(),
        below: Vec::new(),
    };
    walk.directory("", &root, &mut Vec::new())?;
    if walk.files.is_empty() {
        return Err(Fault::whole("there are no files in it"));
    }
    Ok(walk.files)
}

/// A directory, and those above it, for `..`.
#[derive(Clone)]
struct Place<'t> {
    root: &'t Directory,
    below: Vec<&'t Directory>,
}

impl<'t> Place<'t> {
    fn here(&self) -> &'t Directory {
        self.below.last().copied().unwrap_or(self.root)
    }
}

enum Found<'t> {
    File(&'t Slice),
    Directory(Place<'t>),
}

struct Walk {
    rooting: Rooting,
    steps: usize,
    directories: usize,
    names_bytes: usize,
    /// Contents as often as they are reached: each time they are compiled anew.
    contents_bytes: u64,
    files: BTreeMap<String, Slice>,
}

impl Walk {
    /// `inside` holds the directories that the walk is in: a link to one of them never ends.
    fn directory<'t>(
        &mut self,
        path: &str,
        place: &Place<'t>,
        inside: &mut Vec<&'t Directory>,
    ) -> Result<(), Fault> {
        let here = place.here();
        let failed = |cause: String| Fault::at(path, cause);
        if inside.len() > DEPTH_LEVELS_MAX {
            let cause = format!("directories are nested more than {DEPTH_LEVELS_MAX} deep");
            return Err(failed(cause));
        }
        if inside.iter().any(|above| std::ptr::eq(*above, here)) {
            let cause = "the link leads to a directory that it is in";
            return Err(failed(cause.to_owned()));
        }
        self.directories += 1;
        if self.directories > DIRECTORIES_MAX {
            let cause = format!("links make more than {DIRECTORIES_MAX} directories of it");
            return Err(failed(cause));
        }
        inside.push(here);
        for (segment, node) in here.children() {
            self.step().map_err(failed)?;
            let child = match path {
                "" => segment.to_owned(),
                _ => format!("{path}/{segment}"),
            };
            self.name(&child).map_err(failed)?;
            let found = match node {
                Node::File(content) => Found::File(content),
                Node::Directory(below) => Found::Directory(place.with(below)),
                Node::Link(target) => self
                    .follow(place, target)
                    .map_err(|cause| Fault::at(&child, cause))?,
            };
            match found {
                Found::File(content) => {
                    if self.files.len() == MEMBERS_MAX {
                        let cause = format!("there are more than {MEMBERS_MAX} files");
                        return Err(failed(cause));
                    }
                    self.contents_bytes = self.contents_bytes.saturating_add(content.bytes());
                    if self.contents_bytes > UNPACKED_BYTES_MAX {
                        let cause = format!("its files have more than {UNPACKED_BYTES_MAX} bytes");
                        return Err(failed(cause));
                    }
                    self.files.insert(child, content.clone());
                }
                Found::Directory(below) => self.directory(&child, &below, inside)?,
            }
        }
        inside.pop();
        Ok(())
    }

    /// Where a link in `place` leads, through any other links.
    fn follow<'t>(&mut self, place: &Place<'t>, target: &'t str) -> Result<Found<'t>, String> {
        let mut place = place.clone();
        let mut pending = Vec::new();
        let mut link = target;
        for _hop in 0..LINK_HOPS_MAX {
            if link.starts_with('/') {
                self.leaves(target)?;
                place.below.clear();
            }
            pending.extend(link.split('/').rev());
            match self.run(&mut place, &mut pending, target)? {
                Stop::Link(next) => link = next,
                Stop::File(content) => return Ok(Found::File(content)),
                Stop::End => return Ok(Found::Directory(place)),
            }
        }
        let shown = shown(target.as_bytes());
        Err(format!(
            "the link to `{shown}` leads through over {LINK_HOPS_MAX} links, or a loop"
        ))
    }

    /// Goes along `pending`, whose next segment is its last, until there is a link.
    fn run<'t>(
        &mut self,
        place: &mut Place<'t>,
        pending: &mut Vec<&'t str>,
        target: &str,
    ) -> Result<Stop<'t>, String> {
        while let Some(segment) = pending.pop() {
            self.step()?;
            if matches!(segment, "" | ".") {
                continue;
            }
            if segment == ".." {
                if place.below.pop().is_none() {
                    self.leaves(target)?;
                }
                continue;
            }
            match place.here().get(segment) {
                Some(Node::Directory(below)) => place.below.push(below),
                Some(Node::Link(next)) => return Ok(Stop::Link(next)),
                Some(Node::File(content)) if pending.is_empty() => return Ok(Stop::File(content)),
                Some(Node::File(_)) => {
                    let shown = shown(target.as_bytes());
                    return Err(format!("the link to `{shown}` leads through a file"));
                }
                None => {
                    let shown = shown(target.as_bytes());
                    return Err(format!("the link leads to `{shown}`, which is not there"));
                }
            }
        }
        Ok(Stop::End)
    }

    /// § A link that begins with `/` or climbs above the top leads out of an archive. In an image
    /// it does not: `/` is the image's root, and so is what is above it (POSIX, path resolution).
    fn leaves(&self, target: &str) -> Result<(), String> {
        match self.rooting {
            Rooting::Image => Ok(()),
            Rooting::Archive => {
                let shown = shown(target.as_bytes());
                Err(format!("the link to `{shown}` leads out of the archive"))
            }
        }
    }

    fn step(&mut self) -> Result<(), String> {
        self.steps += 1;
        if self.steps > LINK_STEPS_MAX {
            return Err(format!(
                "following its links takes over {LINK_STEPS_MAX} steps"
            ));
        }
        Ok(())
    }

    /// A path through links may be longer than any name that the archive states.
    fn name(&mut self, path: &str) -> Result<(), String> {
        self.names_bytes += path.len();
        if path.len() > NAME_BYTES_MAX || self.names_bytes > NAMES_BYTES_MAX {
            return Err("links make its names too long".to_owned());
        }
        Ok(())
    }
}

/// Why following a path stopped.
enum Stop<'t> {
    End,
    File(&'t Slice),
    Link(&'t str),
}

impl<'t> Place<'t> {
    fn with(&self, below: &'t Directory) -> Place<'t> {
        let mut place = self.clone();
        place.below.push(below);
        place
    }
}

#[cfg(test)]
mod tests {
    use crate::compiler::archive::Kind;
    use crate::compiler::archive::testing::{
        Case, directory, expect, file, layered, link, tar, unpacked,
    };

    #[test]
    fn a_link_is_what_it_leads_to() {
        let chain = |count: usize| {
            let mut members = vec![file("l0", "1")];
            members.extend((1..=count).map(|n| link(&format!("l{n}"), &format!("l{}", n - 1))));
            tar(&members)
        };
        let cases: &[Case] = &[
            (
                "file",
                &[file("d/a", "1"), link("b", "d/a")],
                &["b=1", "d/a=1"],
            ),
            (
                "before its file",
                &[link("b", "./a"), file("a", "1")],
                &["a=1", "b=1"],
            ),
            (
                "upward",
                &[file("a", "1"), link("d/e/b", "../../a")],
                &["a=1", "d/e/b=1"],
            ),
            (
                "directory",
                &[file("d/e/a", "1"), link("b", "d")],
                &["b/e/a=1", "d/e/a=1"],
            ),
            (
                "through a directory's link",
                &[file("d/a", "1"), link("e", "d/"), link("b", "e/a")],
                &["b=1", "d/a=1", "e/a=1"],
            ),
            (
                "beside, by a link",
                &[
                    file("d/e/a", "1"),
                    file("d/x", "2"),
                    link("l", "d/e"),
                    link("b", "l/../x"),
                ],
                &["b=2", "d/e/a=1", "d/x=2", "l/a=1"],
            ),
            (
                "link in a linked directory",
                &[file("d/a", "1"), link("d/b", "a"), link("e", "d")],
                &["d/a=1", "d/b=1", "e/a=1", "e/b=1"],
            ),
        ];
        for (case, members, expected) in cases {
            expect(unpacked(&tar(members), Kind::Tar), Ok(expected), case);
        }
        assert_eq!(unpacked(&chain(40), Kind::Tar).unwrap().len(), 41);
        let refused = unpacked(&chain(41), Kind::Tar).unwrap_err();
        assert!(
            refused.contains("`l40` leads through over 40 links, or a loop"),
            "{refused}"
        );
    }

    #[test]
    fn links_out_around_and_to_nothing_are_refused() {
        let cases: &[(&[Vec<u8>], &str)] = &[
            (
                &[link("a", "gone")],
                "`a`: the link leads to `gone`, which is not there",
            ),
            (
                &[link("a", "/etc/passwd")],
                "`a`: the link to `/etc/passwd` leads out of the archive",
            ),
            (
                &[link("d/a", "../../x")],
                "`d/a`: the link to `../../x` leads out of the archive",
            ),
            (
                &[file("x", ""), link("a", "..")],
                "`a`: the link to `..` leads out of the archive",
            ),
            (
                &[link("b", "/x"), link("a", "b")],
                "`a`: the link to `b` leads out of the archive",
            ),
            (
                &[link("a", "b"), link("b", "a")],
                "`a`: the link to `b` leads through over 40 links, or a loop",
            ),
            (
                &[link("a", "a")],
                "`a`: the link to `a` leads through over 40 links, or a loop",
            ),
            (
                &[file("x", ""), link("a", "x/y")],
                "`a`: the link to `x/y` leads through a file",
            ),
            (
                &[file("x", ""), link("a", "x/")],
                "`a`: the link to `x/` leads through a file",
            ),
            (
                &[file("d/x", ""), link("d/e/a", "../../d")],
                "`d/e/a`: the link leads to a directory that it is in",
            ),
            (
                &[file("x", ""), link("a", ".")],
                "`a`: the link leads to a directory that it is in",
            ),
        ];
        for (members, expected) in cases {
            expect(unpacked(&tar(members), Kind::Tar), Err(expected), expected);
        }
    }

    #[test]
    fn links_to_directories_that_multiply_are_refused() {
        let mut members = vec![directory("d0"), file("x", "")];
        for level in 1..40 {
            for name in ["a", "b"] {
                members.push(link(
                    &format!("d{level}/{name}"),
                    &format!("../d{}", level - 1),
                ));
            }
        }
        let refused = unpacked(&tar(&members), Kind::Tar).unwrap_err();
        assert!(
            refused.contains("links make more than 200000 directories"),
            "{refused}"
        );
    }

    #[test]
    fn in_an_image_the_top_is_the_root() {
        let layer = tar(&[file("d/a", "1"), link("b", "/d/a"), link("c", "../../d/a")]);
        expect(
            layered(&[layer]),
            Ok(&["b=1", "c=1", "d/a=1"]),
            "absolute, above",
        );
    }
}
