//! `chapbook serve`.

use std::sync::Arc;

use sitepack::Site;

#[cfg(feature = "pack")]
use super::compile;
use super::site;
#[cfg(feature = "pack")]
use super::watch::Watch;
use super::{respawn, start::Start};
use crate::cli::{Failure, ServeOptions};
use crate::log::{self, AccessLog, debug, say};
#[cfg(feature = "pack")]
use crate::origin::Manner;
use crate::origin::Origin;
use crate::server::{self, Context, Signals};
#[cfg(all(unix, feature = "native"))]
use crate::{
    embedded,
    server::{Engine, SiteFile},
};

pub(super) fn run(options: &ServeOptions) -> Result<(), Failure> {
    let failed = |error| Failure::failed(format!("failed to start: {error}"));
    let signals = Signals::catch().map_err(failed)?;
    #[cfg(unix)]
    respawn::heed().map_err(failed)?;
    let access_log = log::begin(&options.log).map_err(Failure::failed)?;
    let serving = Serving::of(options)?;
    let listening = format!("failed to listen on `{}`", options.listen);
    let unusable = |error| Failure::unusable(format!("{listening}: {error}"));
    // A thread has one connection at least.
    let threads = options.threads.min(options.server.connections.connections);
    let bound = options
        .listen
        .bind(options.engine.shape(threads))
        .map_err(unusable)?;
    let address = bound.address().map_err(unusable)?;

    let mut context = (serving.context)(access_log);
    context.options = options.server;
    #[cfg(all(unix, feature = "native"))]
    if options.engine == Engine::Native {
        context.site_file = embedded::bytes()
            .and_then(SiteFile::executable)
            .inspect_err(|e| log::warn(format_args!("large contents are copied, not sent: {e}")))
            .ok();
    }
    let context = Arc::new(context);
    signals.end(context.clone()).map_err(failed)?;
    Start {
        told: &serving.told,
        address: &address,
        engine: options.engine,
        provenance: serving.provenance.as_deref(),
        digest: &serving.digest,
        sandbox: None,
        location: options.location.as_deref(),
    }
    .tell();
    debug(format_args!(
        "{threads} threads at most, {:?}, {:?}",
        options.requests, options.server
    ));
    #[cfg(feature = "pack")]
    if let Some(watch) = serving.watch {
        watch.start(context.clone()).map_err(failed)?;
    }
    server::serve(options.engine, bound, &context).map_err(failed)?;
    context.access_log.flush();
    say(format_args!("{}", context.statistics));
    log::finish();
    Ok(())
}

/// What is served.
struct Serving {
    /// In words.
    told: String,
    /// The digest of the site.
    digest: String,
    /// Where the site came from, as JSON in one line.
    provenance: Option<String>,
    context: Box<dyn FnOnce(AccessLog) -> Context>,
    #[cfg(feature = "pack")]
    watch: Option<Watch>,
}

impl Serving {
    fn of(options: &ServeOptions) -> Result<Serving, Failure> {
        let limits = options.requests;
        #[cfg(feature = "pack")]
        if let Some(source) = &options.source {
            let (site, watch) = if options.watch {
                let (site, watch) = Watch::begin(source)?;
                (site, Some(watch))
            } else {
                let (_, site) = compile::in_memory(source, false, 0, &mut Default::default())?;
                (site, None)
            };
            return Ok(Serving {
                told: told(&site.site()),
                digest: site.site().digest().hex(),
                provenance: provenance(&site.site()),
                context: Box::new(move |log| Context::holding(site, Manner::new(limits), log)),
                watch,
            });
        }
        let site = site()?;
        Ok(Serving {
            told: told(&site),
            digest: site.digest().hex(),
            provenance: provenance(&site),
            context: Box::new(move |log| Context::new(Origin::new(site).with_limits(limits), log)),
            #[cfg(feature = "pack")]
            watch: None,
        })
    }
}

fn told(site: &Site<'_>) -> String {
    let digest = site.digest().hex();
    let digest = digest.get(..12).unwrap_or_default();
    format!("{} paths of site {digest}", site.len())
}

/// Where the site came from, as JSON in one line.
fn provenance(site: &Site<'_>) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(site.provenance()?).ok()?;
    Some(json.to_string())
}
