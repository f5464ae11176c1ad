//! What the flags of each command mean.

use std::ffi::OsString;
#[cfg(feature = "pack")]
use std::path::PathBuf;

use super::typed::Typed;
use super::{Failure, ServeOptions};
#[cfg(feature = "pack")]
use super::{PackOptions, SiteOptions};
use crate::limits::{ConnectionLimits, RequestLimits};
use crate::server::{self, Address, Engine};

impl<E: Fn(&str) -> Option<OsString>> Typed<E> {
    pub(super) fn serve(&self) -> Result<ServeOptions, Failure> {
        #[cfg(not(feature = "pack"))]
        self.no_argument()?;
        let (requests, server) = self.limits()?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(ServeOptions {
            listen: self.listen()?,
            engine: self.parsed::<Engine>("engine")?.unwrap_or_default(),
            access_log: self.on_or_off("access-log")?.unwrap_or(true),
            threads: self.number("threads", 1..=1024)?.unwrap_or(processors),
            requests,
            server,
            #[cfg(feature = "pack")]
            source: self.optional_source()?,
        })
    }

    fn limits(&self) -> Result<(RequestLimits, server::Options), Failure> {
        const DAY: u64 = 86_400;
        const MIB: usize = 1 << 20;
        let number =
            |long, bounds, default| Ok::<_, Failure>(self.number(long, bounds)?.unwrap_or(default));
        let seconds = |long, least, default| {
            Ok::<_, Failure>(self.number(long, least..=DAY)?.unwrap_or(default))
        };
        let requests = RequestLimits::default();
        let connections = ConnectionLimits::default();
        let most = self.number("max-requests", 1..=u32::MAX)?;
        let requests = RequestLimits {
            target_bytes: number("max-target", 64..=MIB, requests.target_bytes)?,
            field_section_bytes: number("max-field-bytes", 64..=MIB, requests.field_section_bytes)?,
            field_lines: number("max-fields", 1..=10_000, requests.field_lines)?,
        };
        let connections = ConnectionLimits {
            connections: number("max-connections", 1..=MIB, connections.connections)?,
            requests: most.unwrap_or(connections.requests),
            request_seconds: seconds("request-timeout", 1, connections.request_seconds)?,
            idle_seconds: seconds("idle-timeout", 1, connections.idle_seconds)?,
            write_seconds: seconds("write-timeout", 1, connections.write_seconds)?,
        };
        let drain_delay_seconds = seconds("drain-delay", 0, 0)?;
        Ok((
            requests,
            server::Options {
                connections,
                drain_delay_seconds,
            },
        ))
    }

    /// `$PORT` is what Heroku and Cloud Run set.
    fn listen(&self) -> Result<Address, Failure> {
        let chosen = match self.value_of(&["listen", "port"])? {
            Some(chosen) => Some(chosen),
            None => self.variable("PORT")?,
        };
        chosen.map_or(Ok(Address::default()), |found| {
            found.value.parse().map_err(|e| found.wrong(e))
        })
    }

    fn on_or_off(&self, long: &str) -> Result<Option<bool>, Failure> {
        self.choice(long, &[("on", true), ("off", false)])
    }

    pub(super) fn healthcheck(&self) -> Result<String, Failure> {
        match &*self.arguments {
            [] => Ok(self.listen()?.health_url()),
            [target] => Ok(target.clone()),
            _ => Err(Failure::unusable("healthcheck takes one URL or none")),
        }
    }

    pub(super) fn json(&self) -> Result<bool, Failure> {
        self.no_argument()?;
        self.switch("json")
    }
}

#[cfg(feature = "pack")]
impl<E: Fn(&str) -> Option<OsString>> Typed<E> {
    pub(super) fn pack(&self) -> Result<PackOptions, Failure> {
        let source = self.one_argument()?;
        let output = self.value("output")?.ok_or_else(|| {
            Failure::unusable("pack needs -o FILE: where the new executable is to be written")
        })?;
        Ok(PackOptions {
            source,
            output: output.value.into(),
            base: self.value("base")?.map(|found| found.value.into()),
            site: self.site()?,
        })
    }

    /// The source that is served in place of the site in this executable, if one is typed.
    fn optional_source(&self) -> Result<Option<(String, SiteOptions)>, Failure> {
        match &*self.arguments {
            [] => Ok(None),
            [source] => Ok(Some((source.clone(), self.site()?))),
            _ => Err(Failure::unusable("serve takes one directory or none")),
        }
    }

    fn site(&self) -> Result<SiteOptions, Failure> {
        use sitepack::compiler::Store;
        let stores = Store::ALL.map(|store| (store.name(), store));
        let cache = self.value("cache")?.map(|found| found.value);
        Ok(SiteOptions {
            store: self.choice("store", &stores)?.unwrap_or_default(),
            cache: match cache.as_deref() {
                None => super::Cache::Usual,
                Some("off") => super::Cache::Off,
                Some(directory) => super::Cache::In(PathBuf::from(directory)),
            },
        })
    }
}
