//! What may be turned: each knob once, with where its value is looked for.

/// An argument of the Dockerfile. It is taken from `DOCKER_` and its name, else from `also`, else
/// from what is known of the sources (`plan::Facts`), else the Dockerfile's own value stays.
pub(super) struct Argument {
    pub(super) name: &'static str,
    pub(super) also: Option<&'static str>,
}

const fn argument(name: &'static str) -> Argument {
    Argument { name, also: None }
}

const fn named(name: &'static str, also: &'static str) -> Argument {
    let also = Some(also);
    Argument { name, also }
}

/// All arguments of the Dockerfile.
pub(super) const ARGUMENTS: [Argument; 25] = [
    argument("BUILDER_RUST_VERSION"),
    argument("BUILDER_VARIANT"),
    argument("BUILDER_IMAGE_BASE"),
    argument("BUILDER_IMAGE"),
    argument("BUILDER_PREPARE"),
    argument("RUNTIME_BASE_IMAGE"),
    argument("PORT"),
    named("FEATURES", "BUILD_TAGS"),
    named("APP_VERSION", "REPO_VERSION"),
    argument("APP_REVISION"),
    argument("APP_CREATED"),
    argument("APP_SOURCE"),
    named("SOURCE_DATE_EPOCH", "SOURCE_DATE_EPOCH"),
    argument("DATA_DIGEST"),
    named("CHAPBOOK_SITE", "CHAPBOOK_SITE"),
    named("CHAPBOOK_SHA256", "CHAPBOOK_SHA256"),
    named("CHAPBOOK_ROOT", "CHAPBOOK_ROOT"),
    named("CHAPBOOK_BASE_PATH", "CHAPBOOK_BASE_PATH"),
    named("CHAPBOOK_BASE_URL", "CHAPBOOK_BASE_URL"),
    named("CHAPBOOK_CLEAN_URLS", "CHAPBOOK_CLEAN_URLS"),
    named("CHAPBOOK_SPA", "CHAPBOOK_SPA"),
    named("CHAPBOOK_CSP", "CHAPBOOK_CSP"),
    named("CHAPBOOK_DENY", "CHAPBOOK_DENY"),
    named("CHAPBOOK_CODINGS", "CHAPBOOK_CODINGS"),
    named("CHAPBOOK_STORE", "CHAPBOOK_STORE"),
];

/// Arguments that every engine knows without the Dockerfile, and keeps out of the history.
pub(super) const PROXIES: [&str; 10] = [
    "ALL_PROXY",
    "FTP_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "all_proxy",
    "ftp_proxy",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// The variables that are no argument of the Dockerfile.
pub(super) const OTHERS: [&str; 12] = [
    "BUILD_TAGS",
    "DIND_PERSIST_FILE",
    "DOCKER_CMD",
    "DOCKER_PROJECT",
    "DOCKER_TAG",
    "DOCKER_TAG_SUFFIX",
    "DRY_RUN",
    "EXTRACT_RUST_VERSION_FROM_LABEL",
    "EXTRA_DOCKER_BUILD_ARGS",
    "EXTRA_DOCKER_RUN_ARGS",
    "MAKE_DOCKER_TARGET",
    "REPO_VERSION",
];

/// Whether a variable is one of ours. Those that only begin like ours (`DOCKER_HOST`) are not.
pub(super) fn is_known(variable: &str) -> bool {
    let argument = variable.strip_prefix("DOCKER_").unwrap_or_default();
    OTHERS.contains(&variable)
        || PROXIES.contains(&argument)
        || ARGUMENTS
            .iter()
            .any(|known| known.name == argument || known.also == Some(variable))
}
