//! What is said of syslog on the command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::limits::SYSLOG_TAG_BYTES_MAX;

/// The port of syslog: RFC 5426 §3.3. TCP without TLS has none of its own, and uses the same.
const PORT: u16 = 514;

/// Facilities by name, each at its number: RFC 5424 §6.2.1.
pub const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

/// How lines go to syslog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogOptions {
    /// Who receives.
    pub receiver: Receiver,
    /// How, if that is on a network.
    pub protocol: Protocol,
    /// The form of messages; none: what that receiver usually takes.
    pub standard: Option<Standard>,
    /// The name of the program.
    pub tag: String,
    /// The number of the facility.
    pub facility: u8,
}

impl SyslogOptions {
    /// The TCP port that is connected to.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match (&self.receiver, self.protocol) {
            (Receiver::Network(_, port), Protocol::Tcp) => Some(*port),
            (Receiver::Network(..), Protocol::Udp) => None,
            (Receiver::Local | Receiver::Socket(_), Protocol::Udp | Protocol::Tcp) => None,
        }
    }
}

/// Who receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// The system's own log.
    Local,
    /// A datagram socket.
    Socket(PathBuf),
    /// A host and a port.
    Network(String, u16),
}

/// How messages travel on a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// A datagram each: RFC 5426.
    #[default]
    Udp,
    /// Counted frames: RFC 6587 §3.4.1.
    Tcp,
}

/// The form of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// With structure, milliseconds and a year.
    Rfc5424,
    /// What all know.
    Rfc3164,
}

impl Standard {
    /// What this receiver usually takes. The C library's `syslog` writes the older form to the
    /// system's own log, and journald knows no other.
    pub(super) fn usual(receiver: &Receiver) -> Standard {
        match receiver {
            Receiver::Local | Receiver::Socket(_) => Standard::Rfc3164,
            Receiver::Network(..) => Standard::Rfc5424,
        }
    }
}

/// Whether it is a tag that both forms can have.
#[must_use]
pub fn is_tag(tag: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=SYSLOG_TAG_BYTES_MAX).contains(&tag.len()) && tag.bytes().all(fits)
}

impl FromStr for Receiver {
    type Err = String;

    fn from_str(text: &str) -> Result<Receiver, String> {
        if text == "local" {
            return Ok(Receiver::Local);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.starts_with('/') {
                true => Ok(Receiver::Socket(path.into())),
                false => Err("a socket is named by its whole path: unix:/path".to_owned()),
            };
        }
        let wrong = || "it is neither HOST:PORT nor unix:/path nor local".to_owned();
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or_else(wrong)?,
            None => text.find(':').map_or((text, ""), |at| text.split_at(at)),
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => PORT,
            None => return Err(wrong()),
            Some(port) => {
                let number = port.parse().ok().filter(|port| *port != 0);
                number.ok_or_else(|| format!("`{port}` is no port"))?
            }
        };
        let is_address = text.starts_with('[') && host.parse::<std::net::Ipv6Addr>().is_ok();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_name = !host.is_empty() && host.len() <= 253 && host.bytes().all(fits);
        match is_address || (is_name && !text.starts_with('[')) {
            true => Ok(Receiver::Network(host.to_owned(), port)),
            false => Err(wrong()),
        }
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Receiver::Local => formatter.write_str("local"),
            Receiver::Socket(path) => write!(formatter, "unix:{}", path.display()),
            Receiver::Network(host, port) if host.contains(':') => {
                write!(formatter, "[{host}]:{port}")
            }
            Receiver::Network(host, port) => write!(formatter, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Receiver, is_tag};

    #[test]
    fn receivers_are_read_and_told() {
        for (text, told) in [
            ("local", "local"),
            ("unix:/dev/log", "unix:/dev/log"),
            ("logs.example:5140", "logs.example:5140"),
            ("logs", "logs:514"),
            ("192.0.2.1:1", "192.0.2.1:1"),
            ("[2001:db8::1]", "[2001:db8::1]:514"),
            ("[::1]:5140", "[::1]:5140"),
        ] {
            let receiver: Receiver = text.parse().unwrap();
            assert_eq!(receiver.to_string(), told);
        }
        for text in [
            "",
            ":514",
            "a b:514",
            "a:",
            "a:0",
            "a:65536",
            "a:x",
            "::1",
            "[::1",
            "[::1]514",
            "[a]:1",
            "unix:",
            "unix:log",
            "https://a.example/",
            "user@a:514",
            "a:1:2",
        ] {
            assert!(text.parse::<Receiver>().is_err(), "{text}");
        }
    }

    #[test]
    fn tags_are_short_words() {
        for (tag, fits) in [
            ("chapbook", true),
            ("a-b_c.d9", true),
            ("", false),
            ("a b", false),
            ("a[1]", false),
            ("a:", false),
            ("ü", false),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(is_tag(tag), fits, "{tag}");
        }
    }
}
