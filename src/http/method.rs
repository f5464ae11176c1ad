//! Methods: RFC 9110 §9, and the registry of methods that IANA keeps.

use super::is_token_byte;
use crate::reason::Reason;

/// A method, as far as it makes a difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// § 9.3.1.
    Get,
    /// § 9.3.2.
    Head,
    /// § 9.3.7.
    Options,
    /// Registered, known, and not allowed on anything here.
    NotAllowed,
}

/// The value of `Allow` for everything here (§10.2.1).
pub const ALLOW: &str = "GET, HEAD, OPTIONS";

/// The other registered methods: iana.org/assignments/http-methods.
const REGISTERED: [&str; 37] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

impl Method {
    /// The method that a token names; § 9.1: its case matters.
    ///
    /// # Errors
    /// `MethodUnknown` (§ 9.1: 501) for what is not registered, `RequestMalformed` for what is no
    /// token.
    pub fn parse(token: &[u8]) -> Result<Method, Reason> {
        match token {
            b"GET" => Ok(Method::Get),
            b"HEAD" => Ok(Method::Head),
            b"OPTIONS" => Ok(Method::Options),
            other if REGISTERED.iter().any(|name| name.as_bytes() == other) => {
                Ok(Method::NotAllowed)
            }
            token if !token.is_empty() && token.iter().all(|byte| is_token_byte(*byte)) => {
                Err(Reason::MethodUnknown)
            }
            _ => Err(Reason::RequestMalformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Method;
    use crate::reason::Reason;

    #[test]
    fn known_registered_and_unknown_methods() {
        assert_eq!(Method::parse(b"GET"), Ok(Method::Get));
        assert_eq!(Method::parse(b"HEAD"), Ok(Method::Head));
        assert_eq!(Method::parse(b"OPTIONS"), Ok(Method::Options));
        for token in [
            "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "QUERY",
        ] {
            assert_eq!(
                Method::parse(token.as_bytes()),
                Ok(Method::NotAllowed),
                "{token}"
            );
        }
        for token in ["get", "Get", "FOO", "GETS", "GE"] {
            assert_eq!(
                Method::parse(token.as_bytes()),
                Err(Reason::MethodUnknown),
                "{token}"
            );
        }
        for token in ["", "G ET", "GET\t", "G\0ET", "é"] {
            assert_eq!(
                Method::parse(token.as_bytes()),
                Err(Reason::RequestMalformed),
                "{token}"
            );
        }
    }
}
