//! Who asked, as proxies tell it: `Forwarded` (RFC 7239) and `X-Forwarded-For`.
//!
//! Each proxy appends the address of whom it got the request from; what stands before that, a
//! client may have written. So the list is read from its end, as long as it names proxies that
//! are trusted, and the first address that is not of one is the client's.
//!
//! 1. Nothing is read unless the peer itself is trusted: the caller sees to that.
//! 2. A name that is hidden (`unknown`, `_hidden`), missing or malformed ends the reading: the
//!    proxy that wrote it is the nearest that is known.
//! 3. If there are both fields and they do not agree, neither is believed. A proxy that writes one
//!    passes on what its client wrote as the other.
//! 4. Lines are read one by one, the last first: what is malformed in one that a client wrote does
//!    not spoil one that a proxy added.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use smallvec::SmallVec;

use super::{is_token_byte, trim_ows};
use crate::limits::FORWARDED_HOPS_MAX;
use crate::request::Fields;

/// The client's address, if trusted proxies tell it; `trusted` says which addresses are theirs.
#[must_use]
pub fn client(fields: Fields<'_>, trusted: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let standard = fields.lines("forwarded").rev().flat_map(nodes);
    let usual = fields.lines("x-forwarded-for").rev();
    let usual = usual.flat_map(|line| line.rsplit(|byte| *byte == b',').map(usual_node));
    match (fields.has("forwarded"), fields.has("x-forwarded-for")) {
        (false, false) => None,
        (true, false) => nearest(standard, trusted),
        (false, true) => nearest(usual, trusted),
        (true, true) => {
            let one = nearest(standard, &trusted);
            one.filter(|one| nearest(usual, &trusted) == Some(*one))
        }
    }
}

/// Whether somebody says that the request was handed on; proxies that say nothing cannot be told.
#[must_use]
pub fn is_forwarded(fields: Fields<'_>) -> bool {
    // Many a proxy is told to say only how it was reached: X-Forwarded-Proto, X-Forwarded-Host.
    let family = b"x-forwarded-";
    let is_told = |name: &[u8]| {
        let start = name.get(..family.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(family))
    };
    let is_of_proxies = |name: &str| fields.has(name);
    ["forwarded", "x-real-ip", "via"]
        .into_iter()
        .any(is_of_proxies)
        || fields.0.iter().any(|field| is_told(field.name))
}

/// Who handed the request on, or made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    At(IpAddr),
    /// Somebody without an address.
    Hidden,
    /// An empty member of the list: nobody.
    Nobody,
}

/// The first of the nodes, which come from the end, that is not trusted; the last if all are.
fn nearest(nodes: impl Iterator<Item = Node>, trusted: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let mut found = None;
    for node in nodes.take(FORWARDED_HOPS_MAX) {
        match node {
            Node::Nobody => {}
            Node::Hidden => break,
            Node::At(address) => {
                found = Some(address);
                if !trusted(address) {
                    break;
                }
            }
        }
    }
    found
}

/// A member of X-Forwarded-For, which no document defines: an address, perhaps with a port.
fn usual_node(member: &[u8]) -> Node {
    let member = trim_ows(member);
    if member.is_empty() {
        return Node::Nobody;
    }
    let Ok(text) = std::str::from_utf8(member) else {
        return Node::Hidden;
    };
    let literal = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = match literal {
        Some(inside) => inside.parse().map(IpAddr::V6).ok(),
        None => {
            let with_port = || text.parse().map(|address: SocketAddr| address.ip());
            text.parse().or_else(|_| with_port()).ok()
        }
    };
    address.map_or(Node::Hidden, |address| Node::At(address.to_canonical()))
}

/// The last nodes of a line of Forwarded, from its end; one that is hidden if it is malformed.
fn nodes(line: &[u8]) -> impl Iterator<Item = Node> + use<> {
    let nodes = elements(line).unwrap_or_else(|| SmallVec::from_slice(&[Node::Hidden]));
    nodes.into_iter().rev()
}

/// The last nodes of a line, in its order. § 4: elements with commas between; they can be told
/// apart from the front only, since quoted strings may hold commas.
fn elements(line: &[u8]) -> Option<SmallVec<[Node; FORWARDED_HOPS_MAX]>> {
    let mut nodes = SmallVec::new();
    let mut rest = line;
    loop {
        let node;
        (node, rest) = element(rest)?;
        if nodes.len() == FORWARDED_HOPS_MAX {
            nodes.remove(0);
        }
        nodes.push(node);
        match rest.split_first() {
            None => return Some(nodes),
            Some((_comma, behind)) => rest = behind,
        }
    }
}

/// An element and what is behind it: nothing, or a comma. § 4: pairs with semicolons between, no
/// name twice.
fn element(mut rest: &[u8]) -> Option<(Node, &[u8])> {
    let (mut node, mut pairs) = (None, 0);
    loop {
        rest = trim_start(rest);
        if !matches!(rest.first(), None | Some(b',' | b';')) {
            let (is_for, read);
            (is_for, read, rest) = pair(rest)?;
            pairs += 1;
            if is_for && node.replace(read).is_some() {
                return None;
            }
            rest = trim_start(rest);
        }
        match rest.split_first() {
            Some((b';', behind)) => rest = behind,
            None | Some((b',', _)) => break,
            Some(_) => return None,
        }
    }
    let absent = if pairs == 0 {
        Node::Nobody
    } else {
        Node::Hidden
    };
    Some((node.unwrap_or(absent), rest))
}

/// `token "=" value`: whether the token is `for`, the node that the value names, and the rest.
fn pair(text: &[u8]) -> Option<(bool, Node, &[u8])> {
    let (name, rest) = token(text)?;
    let rest = rest.strip_prefix(b"=")?;
    let (value, rest) = match rest.strip_prefix(b"\"") {
        Some(inside) => quoted(inside)?,
        None => {
            let (value, rest) = token(rest)?;
            (SmallVec::from_slice(value), rest)
        }
    };
    Some((name.eq_ignore_ascii_case(b"for"), node(&value), rest))
}

fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| !is_token_byte(*byte));
    let (token, rest) = text.split_at(end.unwrap_or(text.len()));
    (!token.is_empty()).then_some((token, rest))
}

/// What the longest node takes: an address in brackets and an obfuscated port of some length.
type Value = SmallVec<[u8; 64]>;

/// What a quoted string holds, and what is behind it; `text` begins inside it.
fn quoted(text: &[u8]) -> Option<(Value, &[u8])> {
    let mut value = Value::new();
    let mut rest = text;
    loop {
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        match byte {
            b'"' => return Some((value, rest)),
            b'\\' => {
                let (byte, behind) = rest.split_first()?;
                rest = behind;
                value.push(*byte);
            }
            byte => value.push(*byte),
        }
    }
}

/// § 6: `( IPv4address / "[" IPv6address "]" / "unknown" / obfnode ) [ ":" node-port ]`.
fn node(value: &[u8]) -> Node {
    let found = std::str::from_utf8(value).ok().and_then(|text| {
        let (address, port) = match text.strip_prefix('[') {
            Some(literal) => {
                let (inside, port) = literal.split_once(']')?;
                (IpAddr::V6(inside.parse::<Ipv6Addr>().ok()?), port)
            }
            None => {
                let end = text.find(':').unwrap_or(text.len());
                let (name, port) = text.split_at_checked(end)?;
                (IpAddr::V4(name.parse::<Ipv4Addr>().ok()?), port)
            }
        };
        (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(address)
    });
    found.map_or(Node::Hidden, |address| Node::At(address.to_canonical()))
}

/// § 6.3: digits, at most five, or an obfuscated one.
fn is_port(text: &str) -> bool {
    let is_named = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match text.strip_prefix('_') {
        Some(name) => !name.is_empty() && name.bytes().all(is_named),
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !matches!(byte, b' ' | b'\t'));
    text.get(start.unwrap_or(text.len())..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{client, is_forwarded};
    use crate::request::made::with_fields;

    /// The networks 10.0.0.0/8 and fd00::/8 are trusted.
    fn told(lines: &[(&str, &str)]) -> String {
        let trusted = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets()[0] == 10,
            IpAddr::V6(address) => address.octets()[0] == 0xfd,
        };
        let found = with_fields(lines, |fields| client(fields, trusted));
        found.map_or("-".to_owned(), |address| address.to_string())
    }

    #[test]
    fn who_hands_on_is_seen_by_what_it_says() {
        for (name, expected) in [
            ("Forwarded", true),
            ("X-Forwarded-For", true),
            ("x-forwarded-proto", true),
            ("X-Forwarded-Host", true),
            ("X-Real-IP", true),
            ("Via", true),
            ("X-Forwarded", false),
            ("X-Forwarde", false),
            ("Host", false),
        ] {
            let found = with_fields(&[("Accept", "*/*"), (name, "a")], is_forwarded);
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn the_rightmost_that_is_not_trusted_is_the_client() {
        let hops = |count: usize| vec!["10.0.0.1"; count].join(", ");
        let (few, many) = (
            format!("192.0.2.1, {}", hops(15)),
            format!("192.0.2.1, {}", hops(16)),
        );
        for (value, client) in [
            ("192.0.2.1", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1", "192.0.2.1"),
            ("6.6.6.6, 192.0.2.1, 10.0.0.1", "192.0.2.1"),
            ("6.6.6.6,192.0.2.1 ,\t10.0.0.1,10.0.0.2", "192.0.2.1"),
            ("10.0.0.3, 10.0.0.1", "10.0.0.3"),
            ("192.0.2.1,, ,10.0.0.1,", "192.0.2.1"),
            ("192.0.2.1:8080", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:80, [fd00::1]:80", "2001:db8::1"),
            ("::ffff:192.0.2.1, ::ffff:10.0.0.1", "192.0.2.1"),
            ("192.0.2.1, unknown", "-"),
            ("192.0.2.1, garbage, 10.0.0.1", "10.0.0.1"),
            ("6.6.6.6, \u{e4}, 10.0.0.1", "10.0.0.1"),
            ("192.0.2.01", "-"),
            ("\"192.0.2.1\"", "-"),
            ("", "-"),
            (&few, "192.0.2.1"),
            (&many, "10.0.0.1"),
        ] {
            assert_eq!(told(&[("x-forwarded-for", value)]), client, "{value}");
        }
    }

    #[test]
    fn forwarded_is_read_as_it_is_written() {
        for (value, client) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=192.0.2.1;proto=https;by=203.0.113.43", "192.0.2.1"),
            ("proto=https ; FOR=\"192.0.2.1:47011\"", "192.0.2.1"),
            ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=\"[2001:db8:cafe::17]\"", "2001:db8:cafe::17"),
            ("for=\"[::ffff:192.0.2.1]:_http\"", "192.0.2.1"),
            ("for=\"\\1\\9\\2.0.2.1\"", "192.0.2.1"),
            (
                "for=6.6.6.6, for=192.0.2.1, for=10.0.0.1;by=\"_a,b\"",
                "192.0.2.1",
            ),
            ("for=192.0.2.1,,for=10.0.0.1,", "192.0.2.1"),
            ("for=_hidden, for=10.0.0.1", "10.0.0.1"),
            ("for=unknown", "-"),
            ("for=\"_gazonk\"", "-"),
            ("for=192.0.2.1, proto=https", "-"),
            ("for=192.0.2.1:80", "-"),
            ("for=[2001:db8::1]", "-"),
            ("for=\"2001:db8::1\"", "-"),
            ("for=\"192.0.2.1:\"", "-"),
            ("for=\"192.0.2.1:123456\"", "-"),
            ("for=\"[2001:db8::1]x\"", "-"),
            ("for=192.0.2.1;for=192.0.2.2", "-"),
            ("for=192.0.2.1 for=192.0.2.2", "-"),
            ("for = 192.0.2.1", "-"),
            ("for=", "-"),
            ("for", "-"),
            ("=192.0.2.1", "-"),
            ("for=\"192.0.2.1", "-"),
            ("for=\"192.0.2.1\\", "-"),
            ("for=\"6.6.6.6, for=192.0.2.1", "-"),
            ("", "-"),
        ] {
            assert_eq!(told(&[("forwarded", value)]), client, "{value}");
        }
    }

    #[test]
    fn a_line_of_a_client_spoils_none_of_a_proxy() {
        for forged in ["for=6.6.6.6", "for=\"6.6.6.6", "\"", "for=\"x, ", "garbage"] {
            let lines = [("forwarded", forged), ("forwarded", "for=\"192.0.2.1\"")];
            assert_eq!(told(&lines), "192.0.2.1", "{forged}");
        }
        let lines = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-for", "192.0.2.1"),
        ];
        assert_eq!(told(&lines), "192.0.2.1");
    }

    #[test]
    fn both_fields_have_to_agree() {
        for (standard, usual, client) in [
            ("for=192.0.2.1", "192.0.2.1", "192.0.2.1"),
            ("for=192.0.2.1", "6.6.6.6, 192.0.2.1, 10.0.0.1", "192.0.2.1"),
            ("for=6.6.6.6", "192.0.2.1", "-"),
            ("for=192.0.2.1", "6.6.6.6", "-"),
            ("for=192.0.2.1", "", "-"),
            ("", "6.6.6.6", "-"),
        ] {
            let lines = [("Forwarded", standard), ("X-Forwarded-For", usual)];
            assert_eq!(told(&lines), client, "{standard} and {usual}");
        }
    }
}
