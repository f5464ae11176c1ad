//! What the flags about logging mean.

use std::ffi::OsString;

use super::Failure;
use super::typed::Typed;
use crate::limits::LOCATION_BYTES_MAX;
use crate::log::{
    FACILITIES, Format, Level, Options, Protocol, Receiver, Standard, SyslogOptions, is_tag,
};

/// Flags that say how to log to syslog, and nothing without it.
const SYSLOG_FLAGS: [&str; 4] = [
    "log-syslog-proto",
    "log-syslog-format",
    "log-syslog-tag",
    "log-syslog-facility",
];

impl<E: Fn(&str) -> Option<OsString>> Typed<E> {
    pub(super) fn log(&self) -> Result<Options, Failure> {
        let formats = [("text", Format::Text), ("json", Format::Json)];
        let levels = Level::ALL.map(|level| (level.name(), level));
        let no_local = self.switch("log-no-local")?;
        let syslog = self.syslog()?;
        if no_local && syslog.is_none() {
            let message = "--log-no-local needs --log-syslog: else nothing is logged";
            return Err(Failure::unusable(message));
        }
        Ok(Options {
            format: self.choice("log-format", &formats)?,
            level: self.choice("log-level", &levels)?.unwrap_or(Level::Info),
            access: self.on_or_off("access-log")?.unwrap_or(true),
            local: !no_local,
            colours: self.colours()?,
            syslog,
        })
    }

    fn syslog(&self) -> Result<Option<SyslogOptions>, Failure> {
        let Some(receiver) = self.parsed::<Receiver>("log-syslog")? else {
            for long in SYSLOG_FLAGS {
                if let Some(found) = self.value(long)? {
                    return Err(found.wrong("it needs --log-syslog"));
                }
            }
            return Ok(None);
        };
        let protocols = [("udp", Protocol::Udp), ("tcp", Protocol::Tcp)];
        let protocol = self.choice("log-syslog-proto", &protocols)?;
        if let (Some(found), Some(Protocol::Tcp), Receiver::Local | Receiver::Socket(_)) =
            (self.value("log-syslog-proto")?, protocol, &receiver)
        {
            return Err(found.wrong("a socket of this system takes datagrams"));
        }
        let standards = [
            ("rfc5424", Standard::Rfc5424),
            ("rfc3164", Standard::Rfc3164),
        ];
        let facilities: Vec<(&str, u8)> = FACILITIES.into_iter().zip(0..).collect();
        let daemon = 3;
        Ok(Some(SyslogOptions {
            receiver,
            protocol: protocol.unwrap_or_default(),
            standard: self.choice("log-syslog-format", &standards)?,
            tag: self.tag()?,
            facility: self
                .choice("log-syslog-facility", &facilities)?
                .unwrap_or(daemon),
        }))
    }

    fn tag(&self) -> Result<String, Failure> {
        match self.value("log-syslog-tag")? {
            None => Ok("chapbook".to_owned()),
            Some(found) if is_tag(&found.value) => Ok(found.value),
            Some(found) => Err(found.wrong("it is not 1 to 32 letters, digits, `-`, `_` and `.`")),
        }
    }

    /// What no-color.org and terminals without colours say.
    fn colours(&self) -> Result<bool, Failure> {
        let dumb = self
            .variable("TERM")?
            .is_some_and(|term| term.value == "dumb");
        Ok(!dumb && self.variable("NO_COLOR")?.is_none())
    }

    /// What dummyapp's deployments set: where this runs.
    pub(super) fn location(&self) -> Result<Option<String>, Failure> {
        match self.variable("LOCATION")? {
            Some(found) if found.value.len() > LOCATION_BYTES_MAX => {
                let most = format!("it has over {LOCATION_BYTES_MAX} bytes");
                Err(found.wrong(most))
            }
            found => Ok(found.map(|found| found.value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::{Command, Failure, parse};
    use crate::log::{Format, Level, Options, Protocol, Standard};

    fn read(arguments: &str, environment: &[(&str, &str)]) -> Result<Options, Failure> {
        let words = arguments.split_whitespace().map(OsString::from);
        let lookup = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        };
        let Command::Serve(options) = parse(words, lookup)? else {
            panic!("{arguments}: not serve")
        };
        Ok(options.log)
    }

    fn log(arguments: &str, environment: &[(&str, &str)]) -> Options {
        read(arguments, environment).unwrap()
    }

    #[test]
    fn wrong_usage_is_named() {
        for (arguments, environment, message) in [
            ("--log-format xml", &[][..], "--log-format `xml`"),
            ("--log-level trace", &[], "--log-level `trace`"),
            ("--log-syslog :514", &[], "--log-syslog `:514`"),
            (
                "",
                &[("CHAPBOOK_LOG_SYSLOG", "a:b")],
                "$CHAPBOOK_LOG_SYSLOG `a:b`: `b` is no port",
            ),
            (
                "--log-syslog local --log-syslog-tag a[b]",
                &[],
                "--log-syslog-tag `a[b]`",
            ),
            (
                "--log-syslog local --log-syslog-facility local8",
                &[],
                "--log-syslog-facility `local8`",
            ),
            (
                "--log-syslog local --log-syslog-proto tcp",
                &[],
                "--log-syslog-proto `tcp`: a socket of this system takes datagrams",
            ),
            (
                "--log-syslog-proto tcp",
                &[],
                "--log-syslog-proto `tcp`: it needs --log-syslog",
            ),
            ("--log-no-local", &[], "--log-no-local needs --log-syslog"),
            ("--respawn-pause 3", &[], "--respawn-pause `3`"),
        ] {
            let failure = read(arguments, environment).unwrap_err();
            assert_eq!(failure.code, 2);
            assert!(failure.message.contains(message), "{}", failure.message);
        }
    }

    #[test]
    fn options_come_from_flags_and_variables() {
        let usual = log("", &[]);
        assert!(usual.access && usual.local && usual.colours && usual.syslog.is_none());
        assert_eq!((usual.format, usual.level), (None, Level::Info));
        assert!(!log("", &[("NO_COLOR", "1")]).colours);
        assert!(log("", &[("NO_COLOR", "")]).colours);
        assert!(!log("", &[("TERM", "dumb")]).colours);
        let chosen = log(
            "--log-format text --log-no-local --log-syslog a:1 --log-syslog-tag t",
            &[
                ("CHAPBOOK_LOG_FORMAT", "json"),
                ("CHAPBOOK_LOG_LEVEL", "debug"),
                ("CHAPBOOK_LOG_SYSLOG_PROTO", "tcp"),
                ("CHAPBOOK_LOG_SYSLOG_FORMAT", "rfc3164"),
                ("CHAPBOOK_LOG_SYSLOG_FACILITY", "local7"),
                ("CHAPBOOK_ACCESS_LOG", "off"),
            ],
        );
        assert!(!chosen.access && !chosen.local);
        assert_eq!(
            (chosen.format, chosen.level),
            (Some(Format::Text), Level::Debug)
        );
        let syslog = chosen.syslog.unwrap();
        assert_eq!(syslog.receiver.to_string(), "a:1");
        assert_eq!(syslog.protocol, Protocol::Tcp);
        assert_eq!(syslog.standard, Some(Standard::Rfc3164));
        assert_eq!((&*syslog.tag, syslog.facility), ("t", 23));
    }
}
