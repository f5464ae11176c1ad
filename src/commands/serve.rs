//! `chapbook serve`.

use std::sync::Arc;

#[cfg(feature = "pack")]
use super::compile::{self, Source};
use super::site;
use crate::cli::{Failure, ServeOptions};
use crate::log::{AccessLog, say};
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
    #[cfg(feature = "pack")]
    let site = match &options.source {
        Some((source, how)) => compile::in_memory(&Source::of(source, how)?)?,
        None => site()?,
    };
    #[cfg(not(feature = "pack"))]
    let site = site()?;
    let listening = format!("failed to listen on `{}`", options.listen);
    let unusable = |error| Failure::unusable(format!("{listening}: {error}"));
    // A thread has one connection at least.
    let threads = options.threads.min(options.server.connections.connections);
    let bound = options
        .listen
        .bind(options.engine.shape(threads))
        .map_err(unusable)?;
    let address = bound.address().map_err(unusable)?;

    let access_log = if options.access_log {
        AccessLog::to(Box::new(std::io::stdout())).map_err(failed)?
    } else {
        AccessLog::off()
    };
    let started = format!(
        "serving {} paths of site {} on {} by {}, version {}",
        site.len(),
        site.digest().hex().get(..12).unwrap_or_default(),
        address.local_url(),
        options.engine.name(),
        env!("CARGO_PKG_VERSION"),
    );
    let origin = Origin::new(site).with_limits(options.requests);
    let mut context = Context::new(origin, access_log);
    context.options = options.server;
    #[cfg(all(unix, feature = "native"))]
    if options.engine == Engine::Native {
        context.site_file = embedded::bytes()
            .and_then(SiteFile::executable)
            .inspect_err(|e| say(format_args!("large contents are copied, not sent: {e}")))
            .ok();
    }
    let context = Arc::new(context);
    signals.end(context.clone()).map_err(failed)?;
    say(format_args!("{started}"));
    server::serve(options.engine, bound, &context).map_err(failed)?;
    context.access_log.flush();
    say(format_args!("{}", context.statistics));
    Ok(())
}
