//! The PROXY protocol, versions 1 and 2: what a proxy that passes bytes on says of its client
//! before the first byte of HTTP. Pure: bytes in, a header out.
//!
//! 1. With `--proxy-protocol` every connection begins with a header, and none is read without it:
//!    a client that could leave it out could also make one up. So such a listener is for the
//!    proxy alone.
//! 2. A header is refused as soon as its bytes cannot become one, and beyond its bound. Nothing is
//!    answered: who speaks something else is no HTTP client.
//! 3. What the proxy says of itself (LOCAL), or does not know (UNKNOWN, UNSPEC), leaves the peer as
//!    it is. What follows the addresses of version 2, TLVs, is skipped unread.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::memchr;

use crate::limits::{PROXY_V1_BYTES_MAX, PROXY_V2_BYTES_MAX};

/// Which versions of the header are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// The line of text.
    V1,
    /// The binary one.
    V2,
    /// Either.
    Any,
}

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its length: what follows is the connection's.
    pub bytes: usize,
    /// Who is at the other end.
    pub client: Client,
}

/// Who is at the other end of a connection, as a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The proxy itself, or somebody it does not know.
    Peer,
    /// A client with this address; one of IPv4 as such.
    At(IpAddr),
    /// A client of a Unix socket.
    Unix,
}

/// It is no header, or one that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// What every header of version 1 begins with.
const V1_START: &[u8] = b"PROXY ";
/// What every header of version 2 begins with.
const V2_START: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The length of a header of version 2 before its addresses.
const V2_FIXED_BYTES: usize = 16;

impl Versions {
    /// Every choice.
    pub const ALL: [Versions; 3] = [Versions::V1, Versions::V2, Versions::Any];

    /// Its name, as `--proxy-protocol` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Versions::V1 => "v1",
            Versions::V2 => "v2",
            Versions::Any => "any",
        }
    }

    /// The header with which a health check on the same machine speaks for itself.
    #[must_use]
    pub const fn local_header(self) -> &'static [u8] {
        match self {
            Versions::V1 => b"PROXY UNKNOWN\r\n",
            Versions::V2 | Versions::Any => b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
        }
    }

    /// Reads the header in front of `input`; none if that may still become one.
    ///
    /// # Errors
    /// When it cannot.
    pub fn read(self, input: &[u8]) -> Result<Option<Header>, Malformed> {
        match (self, input.first()) {
            (Versions::V1, _) | (Versions::Any, Some(b'P')) => v1(input),
            (Versions::V2, _) | (Versions::Any, Some(_)) => v2(input),
            (Versions::Any, None) => Ok(None),
        }
    }
}

/// Whether `input` is `start`, or the beginning of it, or goes on behind it.
fn begins(input: &[u8], start: &[u8]) -> bool {
    input.iter().zip(start).all(|(one, other)| one == other)
}

/// Section 2.1: `PROXY TCP4 CLIENT SERVER PORT PORT`, a line of text.
fn v1(input: &[u8]) -> Result<Option<Header>, Malformed> {
    if !begins(input, V1_START) {
        return Err(Malformed);
    }
    let window = input.get(..PROXY_V1_BYTES_MAX).unwrap_or(input);
    let Some(end) = memchr(b'\n', window) else {
        return match window.len() {
            PROXY_V1_BYTES_MAX => Err(Malformed),
            _ => Ok(None),
        };
    };
    let line = window.get(..end).unwrap_or_default();
    let line = line.strip_suffix(b"\r").ok_or(Malformed)?;
    let rest = line.strip_prefix(V1_START).ok_or(Malformed)?;
    let text = std::str::from_utf8(rest).map_err(|_| Malformed)?;
    Ok(Some(Header {
        bytes: end + 1,
        client: v1_client(text)?,
    }))
}

fn v1_client(text: &str) -> Result<Client, Malformed> {
    let mut words = text.split(' ');
    let kind = words.next();
    // What follows is to be ignored.
    if kind == Some("UNKNOWN") {
        return Ok(Client::Peer);
    }
    let words: [Option<&str>; 5] = std::array::from_fn(|_| words.next());
    let [Some(client), Some(server), Some(from), Some(to), None] = words else {
        return Err(Malformed);
    };
    if ![from, to].into_iter().all(is_port) {
        return Err(Malformed);
    }
    let (client, server): (IpAddr, IpAddr) = match (client.parse(), server.parse()) {
        (Ok(client), Ok(server)) => (client, server),
        _ => return Err(Malformed),
    };
    match kind {
        Some("TCP4") if client.is_ipv4() && server.is_ipv4() => Ok(Client::At(client)),
        Some("TCP6") if client.is_ipv6() && server.is_ipv6() => {
            Ok(Client::At(client.to_canonical()))
        }
        _ => Err(Malformed),
    }
}

/// § 2.1: in decimal, and without zeros in front.
fn is_port(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let zeros = text.len() > 1 && text.starts_with('0');
    digits && !zeros && text.parse::<u16>().is_ok()
}

/// Section 2.2: a signature, a command, a family, a length, addresses, and what else the length
/// covers.
fn v2(input: &[u8]) -> Result<Option<Header>, Malformed> {
    if !begins(input, V2_START) {
        return Err(Malformed);
    }
    let behind = input.get(V2_START.len()..V2_FIXED_BYTES);
    let Some(&[command, family, high, low]) = behind else {
        return Ok(None);
    };
    let bytes = V2_FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    let needed = match (command, family) {
        // LOCAL: § 2.2 has the family ignored.
        (0x20, _) | (0x21, 0x00) => 0,
        // By a stream, or by datagrams: a proxy may have heard HTTP/3.
        (0x21, 0x11 | 0x12) => 12,
        (0x21, 0x21 | 0x22) => 36,
        (0x21, 0x31 | 0x32) => 216,
        _ => return Err(Malformed),
    };
    if bytes > PROXY_V2_BYTES_MAX || bytes < V2_FIXED_BYTES + needed {
        return Err(Malformed);
    }
    let Some(addresses) = input.get(V2_FIXED_BYTES..bytes) else {
        return Ok(None);
    };
    let client = match needed {
        12 => addresses
            .first_chunk::<4>()
            .map(|octets| IpAddr::V4(Ipv4Addr::from(*octets))),
        36 => addresses
            .first_chunk::<16>()
            .map(|octets| IpAddr::V6(Ipv6Addr::from(*octets))),
        _ => None,
    };
    let client = match (client, needed) {
        (Some(address), _) => Client::At(address.to_canonical()),
        (None, 216) => Client::Unix,
        (None, _) => Client::Peer,
    };
    Ok(Some(Header { bytes, client }))
}

#[cfg(test)]
mod tests {
    use super::{Client, Header, Malformed, V2_START, Versions};

    /// What every split of `header` comes to: nothing before its end, and then always the same.
    fn read(versions: Versions, header: &[u8]) -> Result<Option<Header>, Malformed> {
        let whole = versions.read(header);
        if let Ok(Some(Header { bytes, .. })) = whole {
            for end in 0..bytes {
                assert_eq!(versions.read(&header[..end]), Ok(None), "{end} bytes");
            }
            let more = [header, b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(versions.read(&more), whole);
        }
        whole
    }

    fn at(text: &str) -> Client {
        Client::At(text.parse().unwrap())
    }

    #[test]
    fn lines_of_version_1() {
        let longest = "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n";
        for (line, client) in [
            (
                "PROXY TCP4 192.0.2.1 192.0.2.2 1 65535\r\n",
                Some(at("192.0.2.1")),
            ),
            (
                "PROXY TCP6 2001:db8::1 ::1 0 80\r\n",
                Some(at("2001:db8::1")),
            ),
            (
                "PROXY TCP6 ::ffff:192.0.2.1 ::1 0 80\r\n",
                Some(at("192.0.2.1")),
            ),
            ("PROXY UNKNOWN\r\n", Some(Client::Peer)),
            ("PROXY UNKNOWN what ever\r\n", Some(Client::Peer)),
            (longest, Some(Client::Peer)),
            ("PROXY UNKNOWNS\r\n", None),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", None),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", None),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", None),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", None),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", None),
            ("PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n", None),
            ("PROXY TCP4 2001:db8::1 ::1 1 2\r\n", None),
            ("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", None),
            ("PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n", None),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", None),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n", None),
            ("PROXY udp4 192.0.2.1 192.0.2.2 1 2\r\n", None),
            ("PROXY \r\n", None),
            ("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", None),
            ("GET / HTTP/1.1\r\n", None),
        ] {
            let bytes = line.len();
            let expected = client.map(|client| Some(Header { bytes, client }));
            for versions in [Versions::V1, Versions::Any] {
                assert_eq!(
                    read(versions, line.as_bytes()),
                    expected.ok_or(Malformed),
                    "{line}"
                );
            }
            assert_eq!(read(Versions::V2, line.as_bytes()), Err(Malformed));
        }
    }

    #[test]
    fn a_line_has_at_most_107_bytes() {
        let line = |pad: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(pad));
        assert!(matches!(
            read(Versions::V1, line(91).as_bytes()),
            Ok(Some(_))
        ));
        assert_eq!(line(91).len(), 107);
        assert_eq!(read(Versions::V1, line(92).as_bytes()), Err(Malformed));
        let endless = line(500);
        assert_eq!(read(Versions::V1, &endless.as_bytes()[..106]), Ok(None));
        assert_eq!(
            read(Versions::V1, &endless.as_bytes()[..107]),
            Err(Malformed)
        );
    }

    #[test]
    fn headers_of_version_2() {
        let v4: Vec<u8> = [[192, 0, 2, 1, 192, 0, 2, 2], [0, 1, 0, 2, 4, 0, 1, 9]].concat();
        let v6 = [&[0x20, 1, 0x0d, 0xb8][..], &[7; 32]].concat();
        let mapped = [&[0; 10][..], &[0xff; 2], &[192, 0, 2, 1], &[7; 20]].concat();
        let unix = [b'/'; 216];
        for (command, family, said, client) in [
            (0x21, 0x11, &v4[..12], Some(at("192.0.2.1"))),
            (0x21, 0x11, &v4[..], Some(at("192.0.2.1"))),
            (0x21, 0x12, &v4[..], Some(at("192.0.2.1"))),
            (
                0x21,
                0x21,
                &v6[..36],
                Some(at("2001:db8:707:707:707:707:707:707")),
            ),
            (0x21, 0x21, &mapped[..], Some(at("192.0.2.1"))),
            (0x21, 0x31, &unix, Some(Client::Unix)),
            (0x21, 0x00, &[], Some(Client::Peer)),
            (0x21, 0x00, &v4, Some(Client::Peer)),
            (0x20, 0x00, &[], Some(Client::Peer)),
            (0x20, 0x11, &[], Some(Client::Peer)),
            (0x20, 0xff, &v4, Some(Client::Peer)),
            (0x21, 0x11, &v4[..11], None),
            (0x21, 0x21, &v6[..35], None),
            (0x21, 0x31, &unix[..215], None),
            (0x21, 0x01, &v4, None),
            (0x21, 0x13, &v4, None),
            (0x21, 0x41, &v4, None),
            (0x22, 0x11, &v4, None),
            (0x11, 0x11, &v4, None),
        ] {
            let header = header(command, family, said);
            let bytes = header.len();
            let expected = client.map(|client| Some(Header { bytes, client }));
            for versions in [Versions::V2, Versions::Any] {
                let found = read(versions, &header);
                assert_eq!(found, expected.ok_or(Malformed), "{command:#x} {family:#x}");
            }
            assert_eq!(read(Versions::V1, &header), Err(Malformed));
        }
    }

    fn header(command: u8, family: u8, said: &[u8]) -> Vec<u8> {
        let length = u16::try_from(said.len()).unwrap().to_be_bytes();
        [&V2_START[..], &[command, family], &length, said].concat()
    }

    #[test]
    fn a_header_of_version_2_is_refused_before_it_is_long() {
        let most = header(0x20, 0, &[0; 4080]);
        assert!(matches!(read(Versions::V2, &most), Ok(Some(_))));
        let more = header(0x20, 0, &[0; 4081]);
        assert_eq!(read(Versions::V2, &more[..16]), Err(Malformed));
        assert_eq!(read(Versions::V2, b"\r\n\r\n\0\r\nQUIT\r"), Err(Malformed));
    }

    #[test]
    fn a_health_check_speaks_for_itself() {
        for versions in Versions::ALL {
            let header = versions.local_header();
            let (bytes, client) = (header.len(), Client::Peer);
            assert_eq!(read(versions, header), Ok(Some(Header { bytes, client })));
        }
    }
}
