//! The tree that members make: what an archive would be if it were unpacked, without contents.
//!
//! Within an archive or layer a name is a file or a directory, never both: one of the two would
//! be lost. Over a lower layer, directories join and anything else is replaced (OCI image-spec,
//! layer.md, "Changeset over existing files").

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fault::{Fault, shown};
use super::limits::DIRECTORIES_MAX;
use super::name::Name;
use super::{Change, What};
use crate::compiler::spool::Slice;

pub(super) struct Tree {
    root: Directory,
    /// Which layer is being applied.
    layer: usize,
    /// How many directories were made.
    directories: usize,
}

#[derive(Default)]
pub(super) struct Directory {
    children: BTreeMap<Box<str>, Entry>,
}

struct Entry {
    node: Node,
    /// The layer that put it there, or of a directory, the last that put something below it.
    layer: usize,
}

pub(super) enum Node {
    File(Slice),
    Link(Arc<str>),
    Directory(Directory),
}

impl Tree {
    pub(super) fn new() -> Tree {
        Tree {
            root: Directory::default(),
            layer: 0,
            directories: 0,
        }
    }

    pub(super) fn root(&self) -> &Directory {
        &self.root
    }

    /// What was applied before becomes the lower layers.
    pub(super) fn next_layer(&mut self) {
        self.layer += 1;
    }

    pub(super) fn apply(&mut self, change: Change) -> Result<(), Fault> {
        let failed = |cause| Fault::at(change.name.as_str(), cause);
        let node = match change.what {
            What::File(content) => Node::File(content),
            What::Link(target) => Node::Link(target),
            What::Directory => Node::Directory(Directory::default()),
            What::HardLink(target) => self.linked(&target).map_err(failed)?,
        };
        self.put(&change.name, node).map_err(failed)
    }

    /// Removes what has this name, if anything has.
    pub(super) fn remove(&mut self, name: &Name) {
        let (parents, last) = name.split();
        if let Some(directory) = self.root.below_mut(parents) {
            directory.children.remove(last);
        }
    }

    /// Removes what is in the directory of this name, if there is one.
    pub(super) fn empty(&mut self, name: &Name) {
        if let Some(directory) = self.root.below_mut(name.segments()) {
            directory.children.clear();
        }
    }

    /// A hard link is the content that its target has now, whatever becomes of the target.
    fn linked(&self, target: &Name) -> Result<Node, String> {
        let (parents, last) = target.split();
        let found = self.root.below(parents).and_then(|parent| parent.get(last));
        let shown = shown(target.as_str().as_bytes());
        match found {
            Some(Node::File(content)) => Ok(Node::File(content.clone())),
            Some(Node::Link(target)) => Ok(Node::Link(Arc::clone(target))),
            Some(Node::Directory(_)) => Err(format!("a hard link to the directory `{shown}`")),
            None => Err(format!("a hard link to `{shown}`, which is not before it")),
        }
    }

    fn put(&mut self, name: &Name, node: Node) -> Result<(), String> {
        let (parents, last) = name.split();
        let mut directory = &mut self.root;
        for segment in parents {
            if !directory.children.contains_key(segment) {
                count(&mut self.directories)?;
            }
            let entry = directory.children.entry(segment.into());
            let entry = entry.or_insert_with(|| Entry {
                node: Node::Directory(Directory::default()),
                layer: self.layer,
            });
            entry.layer = self.layer;
            directory = match &mut entry.node {
                Node::Directory(below) => below,
                Node::File(_) => return Err(format!("`{segment}`, above it, is a file")),
                Node::Link(_) => return Err(format!("`{segment}`, above it, is a symbolic link")),
            };
        }
        let comes_directory = matches!(node, Node::Directory(_));
        if let Some(entry) = directory.children.get_mut(last) {
            let is_directory = matches!(entry.node, Node::Directory(_));
            if is_directory && comes_directory {
                entry.layer = self.layer;
                return Ok(());
            }
            if entry.layer == self.layer && is_directory != comes_directory {
                return Err("it is both a file and a directory".to_owned());
            }
        }
        if comes_directory {
            count(&mut self.directories)?;
        }
        let layer = self.layer;
        directory
            .children
            .insert(last.into(), Entry { node, layer });
        Ok(())
    }
}

fn count(directories: &mut usize) -> Result<(), String> {
    *directories += 1;
    if *directories > DIRECTORIES_MAX {
        return Err(format!("there are more than {DIRECTORIES_MAX} directories"));
    }
    Ok(())
}

impl Directory {
    pub(super) fn get(&self, segment: &str) -> Option<&Node> {
        self.children.get(segment).map(|entry| &entry.node)
    }

    /// Sorted by name.
    pub(super) fn children(&self) -> impl Iterator<Item = (&str, &Node)> {
        let children = self.children.iter();
        children.map(|(segment, entry)| (&**segment, &entry.node))
    }

    fn below<'n>(&self, segments: impl Iterator<Item = &'n str>) -> Option<&Directory> {
        let mut directory = self;
        for segment in segments {
            directory = match directory.get(segment)? {
                Node::Directory(below) => below,
                Node::File(_) | Node::Link(_) => return None,
            };
        }
        Some(directory)
    }

    fn below_mut<'n>(&mut self, segments: impl Iterator<Item = &'n str>) -> Option<&mut Directory> {
        let mut directory = self;
        for segment in segments {
            directory = match &mut directory.children.get_mut(segment)?.node {
                Node::Directory(below) => below,
                Node::File(_) | Node::Link(_) => return None,
            };
        }
        Some(directory)
    }
}
