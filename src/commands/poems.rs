//! `chapbook serve --poetry-dir DIR`: the poems of a directory in place of the site inside this
//! executable, as a volume brings them.
//!
//! 1. They are read when the server starts. What is missing, empty or broken is told, and nothing
//!    starts: a server that fell back on other poems would look healthy.
//! 2. SIGHUP has them read anew, all or nothing: what does not compile is told in one line, and
//!    what was served before stays.
//! 3. Names that begin with a dot are left out: Kubernetes keeps what a ConfigMap is made of there.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use sitepack::compiler::Source;
use sitepack::{Digest, OwnedSite};

use super::compile::{self, Told};
use crate::cli::{Failure, SiteOptions};
use crate::log::{say, warn};
use crate::server::Context;

/// A directory of poems that is served, and what is known of it.
pub(super) struct Poems {
    options: SiteOptions,
    digest: Digest,
    /// The length of the site.
    bytes: usize,
    told: Told,
}

/// What SIGHUP asks for.
pub(super) struct Anew(SyncSender<()>);

impl Anew {
    /// Has the poems read anew, soon. Who asks again before that has begun asks for the same.
    pub(super) fn ask(&self) {
        let _ = self.0.try_send(());
    }
}

impl Poems {
    /// Reads them for the first time.
    ///
    /// # Errors
    /// When they are not there, or do not compile.
    pub(super) fn begin(options: &SiteOptions) -> Result<(OwnedSite, Poems), Failure> {
        let mut told = Told::default();
        let compiled = compile::in_memory(options, false, 0, &mut told);
        // Whatever it is, nothing was done.
        let (compiled, site) = compiled.map_err(|failure| Failure { code: 2, ..failure })?;
        let poems = Poems {
            options: options.clone(),
            digest: compiled.digest,
            bytes: usize::try_from(compiled.length).unwrap_or(0),
            told,
        };
        Ok((site, poems))
    }

    /// What it will read.
    pub(super) fn directory(&self) -> Option<&Path> {
        match &self.options.source {
            Source::Path(path) => Some(path),
            Source::Url { .. } | Source::Image { .. } => None,
        }
    }

    /// Waits, on a thread of its own, for somebody to ask.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(super) fn start(mut self, context: Arc<Context>) -> io::Result<Anew> {
        let (sender, asked): (_, Receiver<()>) = sync_channel(1);
        let read = move || {
            for () in asked {
                self.read_anew(&context);
            }
        };
        thread::Builder::new()
            .name("poems".to_owned())
            .spawn(read)?;
        Ok(Anew(sender))
    }

    fn read_anew(&mut self, context: &Context) {
        match compile::in_memory(&self.options, false, self.bytes, &mut self.told) {
            Ok((compiled, site)) => {
                self.bytes = usize::try_from(compiled.length).unwrap_or(0);
                if std::mem::replace(&mut self.digest, compiled.digest) == compiled.digest {
                    return say(format_args!("poems read anew: nothing has changed"));
                }
                let digest = compiled.digest.hex();
                let digest = digest.get(..12).unwrap_or_default();
                context.replace(site);
                say(format_args!("poems read anew: now of site {digest}"));
            }
            Err(failure) => {
                let cause = failure.line();
                warn(format_args!("poems not read anew, what was stays: {cause}"));
            }
        }
    }
}
