//! `chapbook serve`.

use std::path::Path;
use std::sync::Arc;

use sitepack::Site;

#[cfg(feature = "pack")]
use super::compile;
use super::site;
#[cfg(feature = "pack")]
use super::watch::Watch;
use crate::about;
use crate::cli::{Failure, ServeOptions};
use crate::log::{AccessLog, say};
#[cfg(feature = "pack")]
use crate::origin::Manner;
use crate::origin::Origin;
use crate::sandbox::{self, Needs};
use crate::server::{self, Address, Context, Signals};
#[cfg(all(unix, feature = "native"))]
use crate::{
    embedded,
    server::{Engine, SiteFile},
};

pub(super) fn run(options: &ServeOptions) -> Result<(), Failure> {
    let failed = |error| Failure::failed(format!("failed to start: {error}"));
    let signals = Signals::catch().map_err(failed)?;
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

    #[cfg(all(unix, feature = "native"))]
    let site_file = site_file(options.engine);
    // Everything is open, and the first thread is started below this line: so the sandbox is
    // around all of them.
    let sandbox = sandbox::enter(options.sandbox, &needs(options, &[&address], &serving))
        .map_err(|lack| Failure::failed(format!("failed to enter the sandbox: {lack}")))?;
    let access_log = if options.access_log {
        AccessLog::to(Box::new(std::io::stdout())).map_err(failed)?
    } else {
        AccessLog::off()
    };
    let started = format!(
        "serving {} on {} by {}, version {} ({}), sandbox {sandbox}",
        serving.told,
        address.local_url(),
        options.engine.name(),
        about::VERSION,
        about::BUILD,
    );
    let mut context = (serving.context)(access_log);
    context.options = options.server;
    context.sandbox = sandbox;
    #[cfg(all(unix, feature = "native"))]
    {
        context.site_file = site_file;
    }
    let context = Arc::new(context);
    signals.end(context.clone()).map_err(failed)?;
    say(format_args!("{started}"));
    #[cfg(feature = "pack")]
    if let Some(watch) = serving.watch {
        watch.start(context.clone()).map_err(failed)?;
    }
    server::serve(options.engine, bound, &context).map_err(failed)?;
    context.access_log.flush();
    say(format_args!("{}", context.statistics));
    Ok(())
}

/// What has to be done from inside the sandbox.
fn needs(options: &ServeOptions, addresses: &[&Address], serving: &Serving) -> Needs {
    let mut needs = Needs::default();
    for address in addresses {
        match address {
            Address::Tcp(address) if options.engine.knocks() => needs.connect.push(address.port()),
            Address::Tcp(_) => {}
            Address::Unix(path) => {
                if options.engine.knocks() {
                    needs.unix.push(path.clone());
                }
                let directory = path.parent().filter(|name| !name.as_os_str().is_empty());
                needs
                    .remove
                    .push(directory.unwrap_or(Path::new(".")).to_owned());
            }
        }
    }
    #[cfg(feature = "pack")]
    if let (Some(watch), Some(source)) = (&serving.watch, &options.source) {
        needs.read.push(watch.directory().to_owned());
        let cache = compile::cache(source).filter(|directory| directory.is_dir());
        needs.write = cache.into_iter().collect();
    }
    #[cfg(not(feature = "pack"))]
    let _ = serving;
    needs
}

/// The file to send large contents from, for an engine that does, if there is one.
#[cfg(all(unix, feature = "native"))]
fn site_file(engine: Engine) -> Option<SiteFile> {
    if engine != Engine::Native {
        return None;
    }
    embedded::bytes()
        .and_then(SiteFile::executable)
        .inspect_err(|e| say(format_args!("large contents are copied, not sent: {e}")))
        .ok()
}

/// What is served.
struct Serving {
    /// In words.
    told: String,
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
                context: Box::new(move |log| Context::holding(site, Manner::new(limits), log)),
                watch,
            });
        }
        let site = site()?;
        Ok(Serving {
            told: told(&site),
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
