//! Which hosts may be asked. A server outside must not make a build ask inside.
//!
//! The first host of a fetch is the user's choice. Every later one (redirects, token services)
//! is a server's, and may be as near as the first at most: a registry on the Internet cannot send
//! a build to 10.0.0.1 or to this machine. Names are judged by what they resolve to, at the
//! moment of connecting, so that a name with two answers gains nothing. What goes through a proxy
//! is resolved there, and the proxy's own host is the user's choice.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// How near a host is, the nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Near {
    /// No address of a host, yet connecting to it reaches this machine.
    Unspecified,
    /// This machine.
    Loopback,
    /// A network that is not the Internet.
    Private,
    /// The Internet.
    Public,
}

/// How near a host is by its text alone: a name other than localhost's tells nothing.
#[must_use]
pub fn near(host: &str) -> Option<Near> {
    if host == "localhost" || host.ends_with(".localhost") {
        return Some(Near::Loopback);
    }
    host.parse().ok().map(near_address)
}

fn near_address(address: IpAddr) -> Near {
    match address.to_canonical() {
        IpAddr::V4(v4) if v4.is_loopback() => Near::Loopback,
        IpAddr::V4(v4) if v4.is_unspecified() => Near::Unspecified,
        IpAddr::V4(v4) if is_private(v4) => Near::Private,
        IpAddr::V4(_) => Near::Public,
        IpAddr::V6(v6) if v6.is_loopback() => Near::Loopback,
        IpAddr::V6(v6) if v6.is_unspecified() => Near::Unspecified,
        IpAddr::V6(v6) if v6.is_unique_local() || v6.is_unicast_link_local() => Near::Private,
        IpAddr::V6(v6) if v6.is_multicast() => Near::Private,
        IpAddr::V6(_) => Near::Public,
    }
}

/// Whatever the registry of special-purpose addresses does not call globally reachable.
fn is_private(address: Ipv4Addr) -> bool {
    let is_special = match address.octets() {
        [0, ..] | [240..=255, ..] => true,
        // Shared address space (RFC 6598) and benchmarks (RFC 2544).
        [100, 64..=127, ..] | [198, 18..=19, ..] => true,
        [192, 0, 0, _] => true,
        _ => false,
    };
    is_special || address.is_private() || address.is_link_local() || address.is_multicast()
}

/// The first host's nearness, once it is known.
#[derive(Clone, Debug, Default)]
pub struct First(Arc<OnceLock<Near>>);

impl First {
    /// Takes note of how near a host is by its text, or of a name that a proxy resolves, and says
    /// no to what is nearer than the first.
    ///
    /// # Errors
    /// Why the host may not be asked.
    pub fn admit(&self, host: &str, is_proxied: bool) -> Result<(), String> {
        let proxied = is_proxied.then_some(Near::Public);
        let Some(near) = near(host).or(proxied) else {
            return Ok(()); // a name, which the resolver will judge
        };
        self.admit_near(near, near)
    }

    fn admit_near(&self, nearest: Near, farthest: Near) -> Result<(), String> {
        let first = *self.0.get_or_init(|| farthest);
        if nearest >= first {
            return Ok(());
        }
        Err(match nearest {
            Near::Unspecified | Near::Loopback => {
                "a server elsewhere may not send a build to this machine"
            }
            Near::Private | Near::Public => {
                "a server on the Internet may not send a build into a private network"
            }
        }
        .to_owned())
    }
}

/// Resolves as `ureq` does, and judges the addresses.
#[derive(Debug)]
pub struct Guard {
    /// Shared with whoever asks, who admits hosts by their text.
    pub first: First,
    /// What resolves.
    pub inner: DefaultResolver,
}

/// A host that may not be asked.
#[derive(Debug)]
struct Refused(String);

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        if config.proxy().is_some() {
            return Ok(found); // of the proxy itself
        }
        let near = || found.iter().map(|address| near_address(address.ip()));
        let (Some(nearest), Some(farthest)) = (near().min(), near().max()) else {
            return Err(ureq::Error::HostNotFound);
        };
        let refused = |cause| ureq::Error::Other(Box::new(Refused(cause)));
        if uri.scheme_str() == Some("http") && farthest != Near::Loopback {
            return Err(refused(
                "its host is not this machine, as plain http needs".to_owned(),
            ));
        }
        self.first.admit_near(nearest, farthest).map_err(refused)?;
        Ok(found)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::{First, Near, near};

    #[test]
    fn hosts_are_told_apart_by_their_addresses() {
        for (host, expected) in [
            ("localhost", Some(Near::Loopback)),
            ("a.localhost", Some(Near::Loopback)),
            ("127.0.0.1", Some(Near::Loopback)),
            ("127.255.0.3", Some(Near::Loopback)),
            ("::1", Some(Near::Loopback)),
            ("::ffff:127.0.0.1", Some(Near::Loopback)),
            ("0.0.0.0", Some(Near::Unspecified)),
            ("::", Some(Near::Unspecified)),
            ("10.1.2.3", Some(Near::Private)),
            ("172.31.0.1", Some(Near::Private)),
            ("192.168.0.1", Some(Near::Private)),
            ("169.254.169.254", Some(Near::Private)),
            ("::ffff:169.254.169.254", Some(Near::Private)),
            ("100.64.0.1", Some(Near::Private)),
            ("255.255.255.255", Some(Near::Private)),
            ("224.0.0.1", Some(Near::Private)),
            ("fd00::1", Some(Near::Private)),
            ("fe80::1", Some(Near::Private)),
            ("192.0.2.1", Some(Near::Public)),
            ("2001:db8::1", Some(Near::Public)),
            ("example.com", None),
            ("127.1", None),
            ("notlocalhost", None),
        ] {
            assert_eq!(near(host), expected, "{host}");
        }
    }

    #[test]
    fn no_later_host_is_nearer_than_the_first() {
        let first = First::default();
        first.admit("192.0.2.1", false).unwrap();
        assert!(first.admit("10.0.0.1", false).is_err());
        assert!(first.admit("127.0.0.1", false).is_err());
        assert!(first.admit("localhost", true).is_err());
        first.admit("198.51.100.1", false).unwrap();

        let first = First::default();
        first.admit("10.0.0.1", false).unwrap();
        first.admit("10.0.0.2", false).unwrap();
        first.admit("192.0.2.1", false).unwrap();
        assert!(first.admit("::1", false).is_err());

        let first = First::default();
        first.admit("registry.example", true).unwrap();
        assert!(
            first.admit("10.0.0.2", true).is_err(),
            "as far as the text tells"
        );
    }

    #[test]
    fn a_name_with_two_answers_gains_nothing() {
        let first = First::default();
        first.admit_near(Near::Loopback, Near::Public).unwrap_err();
        assert!(first.admit_near(Near::Private, Near::Public).is_err());
        first.admit_near(Near::Public, Near::Public).unwrap();
    }
}
