//! From what was asked for and what is known to the one command that builds.

use std::path::Path;
use std::process::Command;

use super::engine::{Engine, Invocation};
use super::knobs::{ARGUMENTS, PROXIES};
use super::settings::Settings;
use super::{Failure, data};
use crate::stamp::Stamp;

/// The name of images whose project is not told.
const PROJECT: &str = "chapbook";
/// What is compiled in, if no site is told.
const DATA: &str = "data";

/// What is known before a build.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) version: String,
    pub(super) revision: Option<String>,
    pub(super) seconds: Option<u64>,
    /// Where the sources are kept.
    pub(super) source: Option<String>,
    /// The digest of the data set.
    pub(super) data: Option<String>,
    /// What the builder's label says of its compiler.
    pub(super) rust: Option<String>,
    /// The image's name and tag.
    pub(super) name: String,
}

impl Facts {
    /// Asks git, the file system, and, for a label, the engine.
    pub(super) fn find(settings: &Settings, engine: &Engine) -> Result<Facts, Failure> {
        let root = &settings.root;
        let asked = |name: &str| settings.argument(name).map(str::to_owned);
        let told = |name: &str| match name {
            "APP_VERSION" | "APP_REVISION" | "SOURCE_DATE_EPOCH" => asked(name),
            _ => None,
        };
        let stamp = Stamp::of(root, env!("CARGO_PKG_VERSION"), &told);
        let stamp = stamp.map_err(Failure::Unusable)?;
        let name = name(settings, &stamp.build)?;
        let rust = match (asked("BUILDER_IMAGE"), settings.variable(LABEL)) {
            (Some(image), Some(label)) => Some(engine.label(&image, label)?),
            (Some(_), None) => Some("unknown".to_owned()),
            (None, Some(_)) => {
                let message =
                    format!("{LABEL} needs DOCKER_BUILDER_IMAGE, the image to read it of");
                return Err(Failure::Unusable(message));
            }
            (None, None) => None,
        };
        Ok(Facts {
            version: stamp.build,
            revision: stamp.commit,
            seconds: stamp.time,
            source: origin(root),
            data: digest(root, asked("CHAPBOOK_SITE"))?,
            rust,
            name,
        })
    }

    fn argument(&self, name: &str) -> Option<String> {
        match name {
            "APP_VERSION" => Some(self.version.clone()),
            "APP_REVISION" => self.revision.clone(),
            "APP_CREATED" => self.seconds.map(sitepack::date::rfc3339),
            "APP_SOURCE" => self.source.clone(),
            "SOURCE_DATE_EPOCH" => self.seconds.map(|seconds| seconds.to_string()),
            "DATA_DIGEST" => self.data.clone(),
            "BUILDER_RUST_VERSION" => self.rust.clone(),
            _ => None,
        }
    }
}

const LABEL: &str = "EXTRACT_RUST_VERSION_FROM_LABEL";

/// The command that builds.
pub(super) fn build(
    settings: &Settings,
    facts: &Facts,
    engine: &Engine,
) -> Result<Invocation, Failure> {
    let value = |name: &str| {
        let asked = settings.argument(name).map(str::to_owned);
        asked.or_else(|| facts.argument(name))
    };
    let mut build = engine.build(value("SOURCE_DATE_EPOCH").as_deref());
    build.push("--tag", &facts.name);
    build.push("--file", "Dockerfile");
    if let Some(stage) = settings.variable("MAKE_DOCKER_TARGET") {
        build.push("--target", stage);
    }
    for known in &ARGUMENTS {
        if let Some(value) = value(known.name) {
            build.push("--build-arg", &format!("{}={value}", known.name));
        }
    }
    for proxy in PROXIES {
        // Without a value the client takes it from its environment.
        if let Some(value) = settings.variable(&format!("DOCKER_{proxy}")) {
            build.push("--build-arg", proxy);
            build.environment.push((proxy.to_owned(), value.to_owned()));
        }
    }
    // Scratch is no image, so there is nothing to name.
    if let Some(base) = value("RUNTIME_BASE_IMAGE").filter(|base| base != "scratch") {
        let label = format!("org.opencontainers.image.base.name={base}");
        build.push("--label", &label);
    }
    let extra = settings.variable("EXTRA_DOCKER_BUILD_ARGS");
    let extra = extra.unwrap_or_default().split_whitespace();
    build.words.extend(extra.map(str::to_owned));
    build.words.extend(settings.rest.iter().cloned());
    build.words.push(".".to_owned());
    Ok(build)
}

/// The image's name: `PROJECT:[target-STAGE-]TAG`, the tag from the version and the features.
pub(super) fn name(settings: &Settings, version: &str) -> Result<String, Failure> {
    let project = settings.variable("DOCKER_PROJECT").unwrap_or(PROJECT);
    let tag = settings.variable("DOCKER_TAG").map(str::to_owned);
    let tag = tag.unwrap_or_else(|| {
        let features = settings.argument("FEATURES").unwrap_or_default();
        let words: Vec<&str> = features
            .split([' ', ','])
            .filter(|s| !s.is_empty())
            .collect();
        let suffix = settings.variable("DOCKER_TAG_SUFFIX").map(str::to_owned);
        let suffix = suffix.unwrap_or_else(|| words.join("-"));
        let version = version.replace([',', '/', '+', '~'], "_");
        match suffix.is_empty() {
            true => version,
            false => format!("{version}-{suffix}"),
        }
    });
    let tag = match settings.variable("MAKE_DOCKER_TARGET") {
        Some(stage) => format!("target-{stage}-{tag}"),
        None => tag,
    };
    if !is_tag(&tag) {
        return Err(Failure::Unusable(format!(
            "`{tag}` is no tag: 1 to {TAG_BYTES_MAX} letters, digits and _.-, not . or - first"
        )));
    }
    Ok(format!("{project}:{tag}"))
}

/// The longest tag: distribution-spec, "Pulling manifests".
const TAG_BYTES_MAX: usize = 128;

fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= TAG_BYTES_MAX
        && text.starts_with(word)
        && text.chars().all(|c| word(c) || c == '.' || c == '-')
}

/// The digest of the data set. Remote ones carry theirs.
fn digest(root: &Path, site: Option<String>) -> Result<Option<String>, Failure> {
    let site = site.unwrap_or_else(|| DATA.to_owned());
    if let Some(image) = site.strip_prefix("oci://") {
        return Ok(image.split_once('@').map(|(_, digest)| digest.to_owned()));
    }
    if site.starts_with("https://") {
        return Ok(None);
    }
    let digest = data::digest(root, &site);
    let unusable = |error| Failure::Unusable(format!("failed to read `{site}`: {error}"));
    digest.map(Some).map_err(unusable)
}

/// Where the sources come from, if that is an address for everybody, with nobody's name in it.
fn origin(root: &Path) -> Option<String> {
    let mut git = Command::new("git");
    git.arg("-C")
        .arg(root)
        .args(["remote", "get-url", "origin"]);
    let output = git.output().ok().filter(|output| output.status.success())?;
    let address = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    let is_public = address.starts_with("https://") && !address.contains('@');
    is_public.then_some(address)
}
