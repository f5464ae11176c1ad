//! A start or end tag, as it is being read.

/// Attributes of one tag. Each may be looked up among all others, so there must not be a million.
const ATTRIBUTES_MAX: usize = 256;

/// A tag, its attributes in one buffer that the next tag uses again.
#[derive(Debug, Default)]
pub(super) struct Tag {
    pub(super) name: Vec<u8>,
    pub(super) is_end: bool,
    pub(super) closes_itself: bool,
    is_full: bool,
    pub(super) offset: usize,
    bytes: Vec<u8>,
    attributes: Vec<Attribute>,
}

/// An attribute: where its name begins, where its value begins and ends, in the tag's buffer.
#[derive(Debug)]
struct Attribute {
    offset: usize,
    start: usize,
    middle: usize,
    end: usize,
}

impl Tag {
    pub(super) fn clear(&mut self, is_end: bool, offset: usize) {
        self.name.clear();
        self.bytes.clear();
        self.attributes.clear();
        self.is_end = is_end;
        self.closes_itself = false;
        self.is_full = false;
        self.offset = offset;
    }

    /// Name, value and offset in the file of each attribute: of two with one name the first.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&[u8], &[u8], usize)> {
        self.all().enumerate().filter_map(|(index, attribute)| {
            let (name, _, _) = attribute;
            let again = self.all().take(index).any(|(before, _, _)| before == name);
            (!again).then_some(attribute)
        })
    }

    fn all(&self) -> impl Iterator<Item = (&[u8], &[u8], usize)> {
        self.attributes.iter().map(|attribute| {
            let name = self.bytes.get(attribute.start..attribute.middle);
            let value = self.bytes.get(attribute.middle..attribute.end);
            (
                name.unwrap_or_default(),
                value.unwrap_or_default(),
                attribute.offset,
            )
        })
    }

    /// The value of an attribute: of two with one name the first counts.
    pub(super) fn value(&self, name: &[u8]) -> Option<&[u8]> {
        self.all()
            .find(|(found, _, _)| *found == name)
            .map(|(_, value, _)| value)
    }

    pub(super) fn push_attribute(&mut self, offset: usize) {
        self.is_full = self.attributes.len() == ATTRIBUTES_MAX;
        if !self.is_full {
            let start = self.bytes.len();
            self.attributes.push(Attribute {
                offset,
                start,
                middle: start,
                end: start,
            });
        }
    }

    pub(super) fn push_name(&mut self, text: &[u8]) {
        self.push_value(text);
        if let Some(attribute) = self.attributes.last_mut().filter(|_| !self.is_full) {
            attribute.middle = attribute.end;
        }
    }

    pub(super) fn push_value(&mut self, text: &[u8]) {
        if let Some(attribute) = self.attributes.last_mut().filter(|_| !self.is_full) {
            self.bytes.extend_from_slice(text);
            attribute.end = self.bytes.len();
        }
    }
}
