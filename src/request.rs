//! One end of the core: a request, as an engine parsed it, borrowed from the engine's buffer.

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method token, its case kept.
    pub method: &'a [u8],
    /// The request target, as it came.
    pub target: &'a [u8],
    /// The version in the request line.
    pub version: Version,
    /// The field section.
    pub fields: Fields<'a>,
}

/// An HTTP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Before the dot.
    pub major: u8,
    /// After it.
    pub minor: u8,
}

impl Version {
    /// Whether it is HTTP/1.1 or a later 1.x, which is treated the same (RFC 9110 §2.5).
    #[must_use]
    pub fn is_1_1(self) -> bool {
        self.major == 1 && self.minor >= 1
    }
}

/// A field line: name and value, white space around the value removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// In the case in which it came.
    pub name: &'a [u8],
    /// Any bytes but CR, LF and NUL.
    pub value: &'a [u8],
}

/// The field lines of a request, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(pub &'a [Field<'a>]);

impl<'a> Fields<'a> {
    /// The values of all lines of the field `name`, which is given in lower case.
    pub fn lines(self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name.as_bytes()))
            .map(|field| field.value)
    }

    /// Whether there is a line of the field `name`, which is given in lower case.
    #[must_use]
    pub fn has(self, name: &str) -> bool {
        self.lines(name).next().is_some()
    }
}

/// What tables of cases make requests with.
#[cfg(test)]
pub(crate) mod made {
    use super::{Field, Fields, Request, Version};

    /// Asks `ask` about field lines.
    pub(crate) fn with_fields<T>(lines: &[(&str, &str)], ask: impl FnOnce(Fields<'_>) -> T) -> T {
        let fields: Vec<Field<'_>> = lines
            .iter()
            .map(|(name, value)| Field {
                name: name.as_bytes(),
                value: value.as_bytes(),
            })
            .collect();
        ask(Fields(&fields))
    }

    /// Asks `ask` about a request of HTTP/1.`minor` with these field lines.
    pub(crate) fn with_request<T>(
        minor: u8,
        lines: &[(&str, &str)],
        ask: impl FnOnce(&Request<'_>) -> T,
    ) -> T {
        let version = Version { major: 1, minor };
        with_fields(lines, |fields| {
            ask(&Request {
                method: b"POST",
                target: b"/",
                version,
                fields,
            })
        })
    }
}
