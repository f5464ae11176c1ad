//! Requests as text: a request line, then field lines. Short forms let the fuzzer reach far.

use chapbook::request::{Field, Fields, Request, Version};

use super::answer::Head;

/// A name of one byte stands for one of these.
const NAMES: &str = "host accept-encoding range if-range if-match if-none-match if-modified-since \
    if-unmodified-since connection content-length transfer-encoding expect";

/// For a site that states no time.
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// Puts the validators in `head` for `{etag}` and `{date}`, and so many bytes for `{kib}`. NUL
/// and CR go: no engine lets them through.
pub(super) fn fill(data: &[u8], head: &Head) -> Vec<u8> {
    let date = head.get("last-modified").unwrap_or(DATE);
    let clean = data.iter().filter(|byte| !b"\0\r".contains(byte));
    let text: String = clean.map(|byte| char::from(*byte)).collect(); // a byte, a character
    let text = text.replace("{etag}", head.get("etag").unwrap_or("\"\""));
    let text = text.replace("{date}", date);
    let text = text.replacen("{kib}", &"k".repeat(1024), 40);
    text.chars().flat_map(u8::try_from).collect()
}

/// Reads a request, the fields beside it, with another method if `method` is not empty. A field
/// whose name begins with one of `hidden` gets another name, of equal length.
pub(super) fn read<'a>(
    text: &'a [u8],
    method: &'a [u8],
    hidden: &[&str],
) -> (Request<'a>, Vec<Field<'a>>) {
    let mut lines = text.split(|byte| *byte == b'\n');
    let (stated, rest) = cut(lines.next().unwrap_or_default(), b' ');
    let space = rest.iter().rposition(|byte| *byte == b' ');
    let (target, version) = rest.split_at(space.unwrap_or(rest.len()));
    let (major, minor) = match version {
        [.., major, b'.', minor] => (major & 15, minor & 15),
        _ => (1, 1),
    };
    let request = Request {
        method: if method.is_empty() { stated } else { method },
        target,
        version: Version { major, minor },
        fields: Fields(&[]),
    };
    let lines = lines.filter(|line| !line.is_empty());
    let field = |line| {
        let (name, value) = cut(line, b':');
        let name = name_of(name, hidden);
        let value = value.trim_ascii();
        Field { name, value }
    };
    (request, lines.map(field).collect())
}

fn name_of<'a>(name: &'a [u8], hidden: &[&str]) -> &'a [u8] {
    let mut names = NAMES.split(' ').map(str::as_bytes);
    let name = match name {
        [byte] => names.nth(usize::from(*byte % 12)).unwrap_or(name),
        name => name,
    };
    let lower = name.to_ascii_lowercase();
    let mut hidden = hidden.iter().map(|start| start.as_bytes());
    let is_hidden = hidden.any(|start| lower.starts_with(start));
    let other = b"xxxxxxxxxxxxxxxxxxxx".get(..name.len()).unwrap_or(name);
    if is_hidden { other } else { name }
}

fn cut(line: &[u8], at: u8) -> (&[u8], &[u8]) {
    let end = line.iter().position(|byte| *byte == at);
    let (before, after) = line.split_at(end.unwrap_or(line.len()));
    (before, after.get(1..).unwrap_or_default())
}
