//! What the flags of each command mean.

use std::ffi::OsString;
#[cfg(feature = "pack")]
use std::path::PathBuf;

#[cfg(feature = "pack")]
use sitepack::ContentCoding;
#[cfg(feature = "pack")]
use sitepack::compiler::{Csp, FindingKind, Mount, Source, Store};

use super::typed::Typed;
#[cfg(feature = "pack")]
use super::{Cache, CheckOptions, PackOptions, SiteOptions};
use super::{Failure, ServeOptions};
use crate::limits::{ConnectionLimits, RESPAWN_SECONDS_MIN, RequestLimits};
use crate::server::{self, Address, Engine};

impl<E: Fn(&str) -> Option<OsString>> Typed<E> {
    pub(super) fn serve(&self) -> Result<ServeOptions, Failure> {
        #[cfg(not(feature = "pack"))]
        self.no_argument()?;
        #[cfg(feature = "pack")]
        let (source, watch) = (self.optional_source()?, self.switch("watch")?);
        #[cfg(feature = "pack")]
        if watch && source.is_none() {
            let message = "--watch needs a SOURCE, the directory to watch";
            return Err(Failure::unusable(message));
        }
        let (requests, server) = self.limits()?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(ServeOptions {
            listen: self.listen()?,
            engine: self.parsed::<Engine>("engine")?.unwrap_or_default(),
            log: self.log()?,
            location: self.location()?,
            respawn_seconds: self
                .number("respawn-pause", 0..=RESPAWN_SECONDS_MIN)?
                .unwrap_or(RESPAWN_SECONDS_MIN),
            threads: self.number("threads", 1..=1024)?.unwrap_or(processors),
            requests,
            server,
            #[cfg(feature = "pack")]
            source,
            #[cfg(feature = "pack")]
            watch,
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

    pub(super) fn on_or_off(&self, long: &str) -> Result<Option<bool>, Failure> {
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
            output: output.value.into(),
            base: self.value("base")?.map(|found| found.value.into()),
            site: self.site(&source)?,
        })
    }

    pub(super) fn check(&self) -> Result<CheckOptions, Failure> {
        Ok(CheckOptions {
            site: self.site(&self.one_argument()?)?,
            json: self.switch("json")?,
        })
    }

    /// The source that is served in place of the site in this executable, if one is typed.
    fn optional_source(&self) -> Result<Option<SiteOptions>, Failure> {
        match &*self.arguments {
            [] => Ok(None),
            [source] => Ok(Some(self.site(source)?)),
            _ => Err(Failure::unusable("serve takes one directory or none")),
        }
    }

    fn site(&self, source: &str) -> Result<SiteOptions, Failure> {
        let sha256 = self.value("sha256")?.map(|found| found.value);
        let stores = Store::ALL.map(|store| (store.name(), store));
        let csps = Csp::ALL.map(|csp| (csp.name(), csp));
        let cache = self.value("cache")?.map(|found| found.value);
        Ok(SiteOptions {
            source: Source::parse(source, sha256.as_deref()).map_err(Failure::unusable)?,
            root: self.value("root")?.map(|found| found.value),
            base_path: self.base_path()?,
            clean_urls: self.switch("clean-urls")?,
            single_page: self.switch("spa")?,
            csp: self.choice("csp", &csps)?.unwrap_or_default(),
            store: self.choice("store", &stores)?.unwrap_or_default(),
            codings: self.list("codings", "content coding", |name| {
                ContentCoding::from_token(name.as_bytes())
            })?,
            deny: self.denied()?,
            cache: match cache.as_deref() {
                None => Cache::Usual,
                Some("off") => Cache::Off,
                Some(directory) => Cache::In(PathBuf::from(directory)),
            },
        })
    }

    fn base_path(&self) -> Result<String, Failure> {
        let path = self.value("base-path")?.map(|found| found.value);
        Ok(Mount::prefix(&path.unwrap_or_default()))
    }

    fn denied(&self) -> Result<Option<Vec<FindingKind>>, Failure> {
        let deny = self.value("deny")?;
        if deny.is_some_and(|found| found.value == "all") {
            return Ok(Some(FindingKind::ALL.to_vec()));
        }
        self.list("deny", "finding", FindingKind::from_name)
    }

    /// The things that a flag names, with commas between.
    fn list<T>(
        &self,
        long: &str,
        noun: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<Vec<T>>, Failure> {
        let Some(found) = self.value(long)? else {
            return Ok(None);
        };
        let read_one = |name: &str| {
            read(name.trim()).ok_or_else(|| found.wrong(format!("there is no {noun} `{name}`")))
        };
        found
            .value
            .split(',')
            .map(read_one)
            .collect::<Result<_, _>>()
            .map(Some)
    }
}
