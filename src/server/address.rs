//! Where to listen: what was typed.
//!
//! A Unix socket may say who may connect to it: `unix:/run/x.sock,mode=0660,owner=1000:33`. Without
//! a mode the umask decides, and with the usual one, 022, nobody but its owner may: connecting
//! takes the right to write. So a path has no comma in it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use crate::pages;

/// The port that is listened on when nobody says otherwise.
const DEFAULT_PORT: u16 = 8080;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP port of one address, or of all.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(UnixAddress),
}

/// Where a Unix socket is, and whose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnixAddress {
    /// Its path; one that was passed may have a name that begins with `@`, and no file.
    pub path: PathBuf,
    /// Who may connect; if none is said, what the umask leaves.
    pub mode: Option<u32>,
    /// Whose it is, if not this process's.
    pub user: Option<u32>,
    /// The group that it is of, if not this process's.
    pub group: Option<u32>,
}

impl Default for Address {
    fn default() -> Address {
        Address::Tcp(SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT)))
    }
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        if let Some(rest) = text.strip_prefix("unix:") {
            return rest.parse().map(Address::Unix);
        }
        let port = text.strip_prefix(':').unwrap_or(text);
        if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) {
            let port: u16 = port
                .parse()
                .map_err(|_| "a port is at most 65535".to_owned())?;
            return Ok(Address::Tcp(SocketAddr::from((
                Ipv6Addr::UNSPECIFIED,
                port,
            ))));
        }
        text.parse().map(Address::Tcp).map_err(|_| {
            "it is no address like 8080, :8080, 127.0.0.1:8080, [::1]:8080 or unix:/path".to_owned()
        })
    }
}

impl std::str::FromStr for UnixAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<UnixAddress, String> {
        let (path, options) = match text.split_once(',') {
            Some((path, options)) => (path, Some(options)),
            None => (text, None),
        };
        match path.chars().next() {
            None => return Err("it names no path".to_owned()),
            Some('@') => return Err("abstract sockets are not supported".to_owned()),
            Some(_) => {}
        }
        let mut address = UnixAddress {
            path: path.into(),
            ..UnixAddress::default()
        };
        for option in options.into_iter().flat_map(|options| options.split(',')) {
            address.set(option)?;
        }
        Ok(address)
    }
}

impl UnixAddress {
    /// What stands behind the path: `mode=0660`, `owner=UID`, `owner=UID:GID` or `owner=:GID`.
    fn set(&mut self, option: &str) -> Result<(), String> {
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse::<u32>().ok(),
            false => None,
        };
        let owned = self.user.is_some() || self.group.is_some();
        match option.split_once('=') {
            Some(("mode", octal)) if self.mode.is_none() => {
                let digits = octal.bytes().all(|byte| byte.is_ascii_digit());
                let mode = u32::from_str_radix(octal, 8).ok();
                let mode = mode.filter(|mode| digits && *mode <= 0o777);
                self.mode = Some(mode.ok_or("a mode is octal, such as 0660, and at most 0777")?);
                Ok(())
            }
            Some(("owner", owner)) if !owned => {
                let (user, group) = match owner.split_once(':') {
                    Some((user, group)) => (user, Some(group)),
                    None => (owner, None),
                };
                let cause = "an owner is UID, UID:GID or :GID, in numbers";
                if !(user.is_empty() && group.is_some()) {
                    self.user = Some(number(user).ok_or(cause)?);
                }
                self.group = group.map(|group| number(group).ok_or(cause)).transpose()?;
                Ok(())
            }
            Some(("mode" | "owner", _)) => Err(format!("`{option}` is the second of its kind")),
            _ => Err(format!(
                "behind a socket's path stands mode= or owner=, not `{option}`"
            )),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(formatter, "{address}"),
            Address::Unix(unix) => write!(formatter, "unix:{}", unix.path.display()),
        }
    }
}

impl Address {
    /// Where a client on this machine reaches it.
    #[must_use]
    pub fn local_url(&self) -> String {
        match self {
            Address::Tcp(address) => {
                let ip = match address.ip() {
                    // Also right for `[::]`, which listens for both.
                    ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
                    ip => ip,
                };
                format!("http://{}/", SocketAddr::new(ip, address.port()))
            }
            Address::Unix(unix) => format!("unix:{}", unix.path.display()),
        }
    }

    /// The URL of its health page; for a Unix socket only the socket.
    #[must_use]
    pub fn health_url(&self) -> String {
        match self {
            Address::Tcp(_) => {
                format!(
                    "{}{}",
                    self.local_url().trim_end_matches('/'),
                    pages::HEALTH
                )
            }
            Address::Unix(_) => self.local_url(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, UnixAddress};

    #[test]
    fn unix_sockets_say_whose_they_are() {
        for (text, mode, user, group) in [
            ("unix:/run/x.sock", None, None, None),
            ("unix:/run/x.sock,mode=0660", Some(0o660), None, None),
            (
                "unix:/run/x.sock,mode=777,owner=1",
                Some(0o777),
                Some(1),
                None,
            ),
            (
                "unix:/run/x.sock,owner=0:33,mode=0",
                Some(0),
                Some(0),
                Some(33),
            ),
            ("unix:/run/x.sock,owner=:33", None, None, Some(33)),
        ] {
            let path = "/run/x.sock".into();
            let expected = UnixAddress {
                path,
                mode,
                user,
                group,
            };
            assert_eq!(text.parse(), Ok(Address::Unix(expected)), "{text}");
        }
        for (text, cause) in [
            ("unix:", "names no path"),
            ("unix:,mode=0660", "names no path"),
            ("unix:@x", "abstract"),
            ("unix:/x,mode=8", "octal"),
            ("unix:/x,mode=", "octal"),
            ("unix:/x,mode=+7", "octal"),
            ("unix:/x,mode=1777", "octal"),
            ("unix:/x,owner=www", "in numbers"),
            ("unix:/x,owner=", "in numbers"),
            ("unix:/x,owner=:", "in numbers"),
            ("unix:/x,owner=1:", "in numbers"),
            ("unix:/x,owner=4294967296", "in numbers"),
            ("unix:/x,mode=1,mode=1", "second"),
            ("unix:/x,owner=1,owner=:1", "second"),
            ("unix:/x,backlog=1", "not `backlog=1`"),
            ("unix:/x,", "not ``"),
        ] {
            let found = text.parse::<Address>().unwrap_err();
            assert!(found.contains(cause), "{text}: {found}");
        }
    }
}
