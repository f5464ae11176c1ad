//! What the flags and variables about clouds mean.

use std::ffi::OsString;

use super::Failure;
use super::typed::Typed;
use crate::cloud::Options;
#[cfg(any(feature = "aws", feature = "heroku"))]
use crate::cloud::Url;
#[cfg(feature = "aws")]
use crate::cloud::{Places, check};

impl<E: Fn(&str) -> Option<OsString>> Typed<E> {
    pub(super) fn cloud(&self) -> Result<Options, Failure> {
        #[cfg(not(feature = "aws"))]
        for found in [self.value("aws")?, self.value("aws-metadata-url")?] {
            if let Some(found) = found.filter(|found| found.value != "false") {
                let cause = "this executable has no page /aws: it lacks the feature `aws`";
                return Err(found.wrong(cause));
            }
        }
        Ok(Options {
            #[cfg(feature = "aws")]
            aws: self.aws()?,
            #[cfg(feature = "heroku")]
            heroku: self.url_of("HEROKU_METRICS_URL")?,
        })
    }

    #[cfg(feature = "aws")]
    fn aws(&self) -> Result<Option<Places>, Failure> {
        let ec2 = self.value("aws-metadata-url")?;
        if !self.switch("aws")? {
            return match ec2 {
                Some(found) => Err(found.wrong("it is for --aws, which is not there")),
                None => Ok(None),
            };
        }
        let mut places = Places::usual().map_err(Failure::failed)?;
        if let Some(found) = ec2 {
            let url: Url = found.value.parse().map_err(|cause| found.wrong(cause))?;
            check(&url).map_err(|cause| found.wrong(cause))?;
            if url.has_path() {
                return Err(found.wrong("it has a path, and those that are asked for are known"));
            }
            places.ec2 = url;
        }
        let file = self.variable("ECS_CONTAINER_METADATA_FILE")?;
        places.file = file.map(|found| found.value.into());
        const URI: &str = "ECS_CONTAINER_METADATA_URI_V4";
        places.ecs = self.url_of(URI)?;
        if let Some(Err(cause)) = places.ecs.as_ref().map(check) {
            return Err(Failure::unusable(format!("${URI}: {cause}")));
        }
        Ok(Some(places))
    }

    /// A variable that a platform sets. What it holds is not repeated: it may be a credential.
    #[cfg(any(feature = "aws", feature = "heroku"))]
    fn url_of(&self, name: &str) -> Result<Option<Url>, Failure> {
        let found = self.variable(name)?;
        let url = found.map(|found| found.value.parse());
        url.transpose()
            .map_err(|cause: &str| Failure::unusable(format!("${name}: {cause}")))
    }
}
