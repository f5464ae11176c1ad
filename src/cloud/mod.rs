//! What a server asks the cloud that it runs in, and tells it: the page `/aws` (`metadata`) and
//! Heroku's metrics (`heroku`), each with a Cargo feature of its name.
//!
//! 1. Nothing is asked or told unless an operator wants it: `--aws`, `HEROKU_METRICS_URL`.
//! 2. Each has a thread of its own; no event loop waits for it, and nothing that goes wrong here
//!    changes an answer of the site.
//! 3. All that the sandbox would keep from them is done before ([`Cloud::prepare`]): names are
//!    resolved, certificates and files of `/proc` opened. What is left are ports to connect to and
//!    the directory of ECS's file.
//! 4. Every exchange has a bound on its time, and every answer on its length.

#[cfg(any(feature = "aws", feature = "heroku"))]
mod client;
#[cfg(feature = "heroku")]
mod heroku;
#[cfg(feature = "aws")]
mod metadata;
mod url;

use std::io;
use std::path::PathBuf;
#[cfg(feature = "aws")]
use std::sync::Arc;

use sitepack::Site;
#[cfg(feature = "aws")]
use sitepack::SitePath;

#[cfg(feature = "aws")]
pub use self::metadata::Places;
#[cfg(feature = "aws")]
pub(crate) use self::metadata::check;
pub use self::url::Url;
#[cfg(feature = "heroku")]
use crate::log::say;
use crate::origin::Manner;
#[cfg(feature = "aws")]
use crate::{log::warn, pages::aws};

/// What the options say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Where metadata are, if there is to be a page of them.
    #[cfg(feature = "aws")]
    pub aws: Option<Places>,
    /// Where metrics are posted to.
    #[cfg(feature = "heroku")]
    pub heroku: Option<Url>,
}

/// What is ready to be done from within a sandbox.
pub(crate) struct Cloud {
    #[cfg(feature = "aws")]
    aws: Option<(Places, Arc<aws::Page>)>,
    #[cfg(feature = "heroku")]
    heroku: Option<heroku::Prepared>,
}

impl Cloud {
    /// Does what has to be done before the sandbox. It may wait for a resolver of names, so long
    /// as [`HEROKU_FIND_SECONDS_MAX`](crate::limits::HEROKU_FIND_SECONDS_MAX) says.
    pub(crate) fn prepare(options: &Options) -> Cloud {
        let _ = options;
        Cloud {
            #[cfg(feature = "aws")]
            aws: options.aws.clone().map(|places| (places, Arc::default())),
            #[cfg(feature = "heroku")]
            heroku: options.heroku.clone().map(heroku::Prepared::of),
        }
    }

    /// How an origin answers that has the page, if it is wanted.
    pub(crate) fn manner(&self, manner: Manner) -> Manner {
        #[cfg(feature = "aws")]
        if let Some((_, page)) = &self.aws {
            return manner.with_aws(page.clone());
        }
        manner
    }

    /// The TCP ports that it connects to.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let ports: Vec<u16> = Vec::new();
        #[cfg(feature = "aws")]
        let ports = [
            ports,
            self.aws
                .iter()
                .flat_map(|(places, _)| places.ports())
                .collect(),
        ]
        .concat();
        #[cfg(feature = "heroku")]
        let ports = [ports, self.heroku.iter().map(|one| one.port()).collect()].concat();
        ports
    }

    /// The directory or file that it reads.
    pub(crate) fn readable(&self) -> Option<PathBuf> {
        #[cfg(feature = "aws")]
        return self.aws.as_ref()?.0.readable();
        #[cfg(not(feature = "aws"))]
        None
    }

    /// Begins, and says what there is to know of it.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(crate) fn start(&self, taken: &[&str]) -> io::Result<()> {
        let _ = taken;
        #[cfg(feature = "aws")]
        if let Some((places, page)) = &self.aws {
            for path in taken {
                warn(format_args!("--aws hides {path} of the site"));
            }
            metadata::start(places.clone(), page.clone())?;
        }
        Ok(())
    }

    /// Begins to post metrics; `totals` are answers and bytes of content so far, and connections
    /// now.
    ///
    /// # Errors
    /// When there can be no thread.
    #[cfg(feature = "heroku")]
    pub(crate) fn report(
        self,
        totals: impl Fn() -> (u64, u64, u64) + Send + 'static,
    ) -> io::Result<()> {
        match self.heroku {
            Some(prepared) => prepared.start(totals),
            None => {
                say(format_args!(
                    "no metrics are posted to Heroku: HEROKU_METRICS_URL is not set"
                ));
                Ok(())
            }
        }
    }
}

/// What a site has where pages of this module stand.
pub(crate) fn taken(site: &Site<'_>) -> Vec<&'static str> {
    #[cfg(feature = "aws")]
    if let Ok((path, _)) = SitePath::from_target(aws::PATH.as_bytes())
        && let Ok(Some(_)) = site.find(&path)
    {
        return vec![aws::PATH];
    }
    let _ = site;
    Vec::new()
}
