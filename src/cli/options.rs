//! What the flags of each command mean.

use std::ffi::OsString;
#[cfg(feature = "pack")]
use std::path::PathBuf;

#[cfg(feature = "pack")]
use sitepack::ContentCoding;
#[cfg(feature = "pack")]
use sitepack::compiler::{Csp, FindingKind, Mount, Source, Store};

use super::typed::{Found, Typed};
#[cfg(feature = "pack")]
use super::{Cache, CheckOptions, PackOptions, SiteOptions};
use super::{Command, Failure, ServeOptions};
#[cfg(feature = "image")]
use super::{ImageOptions, KitOptions, Output};
#[cfg(feature = "image")]
use crate::image::{self, Deployed, Labels, MediaTypes, Platform, Reference};
use crate::limits::{
    ConnectionLimits, LISTENERS_MAX, RESPAWN_SECONDS_MIN, RequestLimits, TRUSTED_NETWORKS_MAX,
};
use crate::sandbox;
use crate::server::proxy::Versions;
use crate::server::{self, Address, Engine, Proxies, Trusted};

/// The name of an image that is given none.
#[cfg(feature = "image")]
const IMAGE_NAME: &str = "chapbook:latest";
/// The name of what is deployed that is given none: that of no registry.
#[cfg(feature = "image")]
const KIT_NAME: &str = "localhost/chapbook";

impl<E: Fn(&str) -> Option<OsString>> Typed<E> {
    pub(super) fn serve(&self) -> Result<ServeOptions, Failure> {
        #[cfg(not(feature = "pack"))]
        self.no_argument()?;
        #[cfg(feature = "pack")]
        let (source, watch) = (self.optional_source()?, self.switch("watch")?);
        #[cfg(feature = "pack")]
        if watch && source.as_ref().is_none_or(|source| source.as_poems) {
            let message = "--watch needs a SOURCE, the directory to watch";
            return Err(Failure::unusable(message));
        }
        #[cfg(not(feature = "pack"))]
        if let Some(found) = self.poetry_dir()? {
            let cause = "this executable cannot make pages of poems: it lacks the feature `pack`";
            return Err(found.wrong(cause));
        }
        let (requests, server) = self.limits()?;
        let modes = sandbox::Mode::ALL.map(|mode| (mode.name(), mode));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let engine = self.parsed::<Engine>("engine")?.unwrap_or_default();
        Ok(ServeOptions {
            listen: self.listen()?,
            demo: self.switch("demo")?,
            admin_listen: addresses(self.values_of(&["admin-listen"])?)?,
            engine,
            proxies: self.proxies(engine)?,
            log: self.log()?,
            location: self.location()?,
            cloud: self.cloud()?,
            respawn_seconds: self
                .number("respawn-pause", 0..=RESPAWN_SECONDS_MIN)?
                .unwrap_or(RESPAWN_SECONDS_MIN),
            threads: self.number("threads", 1..=1024)?.unwrap_or(processors),
            requests,
            server,
            sandbox: self.choice("sandbox", &modes)?.unwrap_or_default(),
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
    fn listen(&self) -> Result<Vec<Address>, Failure> {
        let mut chosen = self.values_of(&["listen", "port"])?;
        if chosen.is_empty() {
            chosen.extend(self.variable("PORT")?);
        }
        addresses(chosen)
    }

    fn proxies(&self, engine: Engine) -> Result<Proxies, Failure> {
        let mut trusted = Trusted::default();
        for found in self.values_of(&["trusted-proxy"])? {
            for text in found.value.split(',') {
                trusted.add(text.trim()).map_err(|e| found.wrong(e))?;
            }
            if trusted.networks() > TRUSTED_NETWORKS_MAX {
                let cause = format!("there are more than {TRUSTED_NETWORKS_MAX} networks");
                return Err(found.wrong(cause));
            }
        }
        let header = self.header()?;
        match engine {
            #[cfg(all(unix, feature = "native"))]
            Engine::Native => Ok(Proxies { header, trusted }),
            #[cfg(feature = "tiny_http")]
            Engine::TinyHttp if header.is_none() => Ok(Proxies { header, trusted }),
            #[cfg(feature = "tiny_http")]
            Engine::TinyHttp => Err(Failure::unusable(
                "--proxy-protocol does not go with the engine tiny_http, which owns its sockets",
            )),
        }
    }

    /// The header of the PROXY protocol that connections begin with.
    fn header(&self) -> Result<Option<Versions>, Failure> {
        let versions = Versions::ALL.map(|versions| (versions.name(), versions));
        self.choice("proxy-protocol", &versions)
    }

    /// `$POETRY_DIR` is dummyapp's name of it.
    fn poetry_dir(&self) -> Result<Option<Found>, Failure> {
        match self.value("poetry-dir")? {
            Some(found) => Ok(Some(found)),
            None => self.variable("POETRY_DIR"),
        }
    }

    pub(super) fn on_or_off(&self, long: &str) -> Result<Option<bool>, Failure> {
        self.choice(long, &[("on", true), ("off", false)])
    }

    pub(super) fn healthcheck(&self) -> Result<Command, Failure> {
        let target = match &*self.arguments {
            // Whoever listens on several addresses answers alike on all.
            [] => self
                .listen()?
                .first()
                .cloned()
                .unwrap_or_default()
                .health_url(),
            [target] => target.clone(),
            _ => return Err(Failure::unusable("healthcheck takes one URL or none")),
        };
        let header = self.header()?;
        Ok(Command::Healthcheck { target, header })
    }

    pub(super) fn version(&self) -> Result<Command, Failure> {
        let json = self.json()?;
        #[cfg(feature = "image")]
        if self.switch("sbom")? {
            return Ok(Command::Sbom); // which is JSON in any case
        }
        Ok(Command::Version { json })
    }

    pub(super) fn json(&self) -> Result<bool, Failure> {
        self.no_argument()?;
        self.switch("json")
    }
}

/// What several lists of addresses say together.
fn addresses(chosen: Vec<Found>) -> Result<Vec<Address>, Failure> {
    let mut addresses = Vec::new();
    for found in &chosen {
        for text in pieces(&found.value) {
            let address = text.parse();
            addresses.push(address.map_err(|e: String| found.wrong(e))?);
        }
        if addresses.len() > LISTENERS_MAX {
            return Err(found.wrong(format!("there are more than {LISTENERS_MAX} addresses")));
        }
    }
    Ok(addresses)
}

/// The addresses of a list. What stands behind a socket's path belongs to it: `mode=`, `owner=`.
fn pieces(list: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for piece in list.split(',').map(str::trim) {
        match pieces.last_mut() {
            Some(last) if piece.starts_with("mode=") || piece.starts_with("owner=") => {
                last.push(',');
                last.push_str(piece);
            }
            _ => pieces.push(piece.to_owned()),
        }
    }
    pieces
}

#[cfg(feature = "image")]
impl<E: Fn(&str) -> Option<OsString>> Typed<E> {
    pub(super) fn image(&self) -> Result<ImageOptions, Failure> {
        self.no_argument()?;
        let output = self.value("output")?.ok_or_else(|| {
            let wanted = "where the image is to be written, or - for standard output";
            Failure::unusable(format!("image needs -o FILE.tar: {wanted}"))
        })?;
        let reference = self.parsed::<Reference>("tag")?;
        let mut labels = Labels::default();
        for found in self.values("label")? {
            labels.take(&found.value).map_err(|e| found.wrong(e))?;
        }
        let types = MediaTypes::ALL.map(|types| (types.name(), types));
        Ok(ImageOptions {
            output: match &*output.value {
                "-" => Output::Standard,
                file => Output::File(file.into()),
            },
            base: self.value("base")?.map(|found| found.value.into()),
            reference: reference.map_or_else(|| IMAGE_NAME.parse().map_err(Failure::failed), Ok)?,
            platform: self.parsed::<Platform>("platform")?,
            labels,
            media_types: self.choice("media-types", &types)?.unwrap_or_default(),
            allow_dynamic: self.switch("allow-dynamic")?,
            time: self.time()?,
        })
    }

    pub(super) fn kit(&self) -> Result<KitOptions, Failure> {
        let image = self.parsed::<Deployed>("image")?;
        let usual = || KIT_NAME.parse().map_err(Failure::failed);
        Ok(KitOptions {
            directory: self.one_argument()?.into(),
            image: image.map_or_else(usual, Ok)?,
            time: self.time()?,
        })
    }

    /// The time that reproducible builds state, or else the epoch.
    fn time(&self) -> Result<u64, Failure> {
        let Some(found) = self.variable("SOURCE_DATE_EPOCH")? else {
            return Ok(0);
        };
        let seconds = found.value.parse().ok();
        let seconds = seconds.filter(|seconds| *seconds <= image::LAST_SECOND);
        let wanted = format!(
            "it is no number of seconds from 0 to {}",
            image::LAST_SECOND
        );
        seconds.ok_or_else(|| found.wrong(wanted))
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
        let poems = self.poetry_dir()?;
        match (&*self.arguments, poems) {
            ([], None) => Ok(None),
            ([], Some(found)) => self.poems(&found.value).map(Some),
            ([source], None) => self.site(source).map(Some),
            ([_], Some(found)) => {
                let message = format!("{} does not go with a SOURCE", found.name);
                Err(Failure::unusable(message))
            }
            _ => Err(Failure::unusable("serve takes one directory or none")),
        }
    }

    fn site(&self, source: &str) -> Result<SiteOptions, Failure> {
        let sha256 = self.value("sha256")?.map(|found| found.value);
        let source = Source::parse(source, sha256.as_deref()).map_err(Failure::unusable)?;
        self.site_of(source)
    }

    /// The poems of a directory, where they are in the site inside this executable.
    fn poems(&self, directory: &str) -> Result<SiteOptions, Failure> {
        let site = self.site_of(Source::Path(directory.into()))?;
        if site.clean_urls || site.single_page {
            let message = "poems have neither --clean-urls nor --spa";
            return Err(Failure::unusable(message));
        }
        let base_path = match self.value("base-path")? {
            Some(_) => site.base_path,
            None => "/poetry/".to_owned(),
        };
        Ok(SiteOptions {
            as_poems: true,
            base_path,
            ..site
        })
    }

    fn site_of(&self, source: Source) -> Result<SiteOptions, Failure> {
        let stores = Store::ALL.map(|store| (store.name(), store));
        let csps = Csp::ALL.map(|csp| (csp.name(), csp));
        let cache = self.value("cache")?.map(|found| found.value);
        Ok(SiteOptions {
            source,
            as_poems: false,
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
