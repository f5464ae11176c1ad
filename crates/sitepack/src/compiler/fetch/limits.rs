//! Every bound of fetching. A server is not trusted to be quick, short or sane.

use std::time::Duration;

/// To resolve a name, and again to connect and shake hands: a host that is there needs one or two.
const CONNECT_SECONDS: u64 = 10;
/// Without a byte, in either direction: a registry may look for a blob in cold storage first.
const IDLE_SECONDS: u64 = 30;
/// For one download with its redirects and retries: 8 GiB at 14 MB/s, 100 MB at 170 kB/s.
const WHOLE_SECONDS: u64 = 600;
/// Before the first retry; doubled before the second. A restarted process is back by then.
const BACKOFF_MILLISECONDS: u64 = 500;
/// The longest `Retry-After` that is waited for: nobody watches a build stand still for longer.
const RETRY_AFTER_SECONDS_MAX: u64 = 30;

/// All blobs of an image together, or one file. A packed site is a part of an executable, and
/// the largest site that was tried has 0.7 GB.
const CONTENT_BYTES_MAX: u64 = 8 << 30;
/// A manifest, an index or a configuration: what the distribution specification asks registries
/// to accept at least.
const MANIFEST_BYTES_MAX: u64 = 4 << 20;

/// Retries of an answer that says "later" (429, 500 and above).
pub(super) const RETRIES_MAX: u32 = 2;
/// A registry redirects to its storage: once, or twice through a CDN.
pub(super) const REDIRECTS_MAX: u32 = 5;
/// Container engines stop at 125 to 127 layers, as overlay file systems do.
pub(super) const LAYERS_MAX: usize = 128;
/// Image manifests and whatever else an index may name: more platforms than there are.
pub(super) const MANIFESTS_MAX: usize = 256;
/// The answer of a token service, of which the token is the largest part.
pub(super) const TOKEN_ANSWER_BYTES_MAX: u64 = 256 << 10;
/// A token, or a credential: it must fit into a field of a request.
pub(super) const TOKEN_BYTES_MAX: usize = 32 << 10;
/// How much of an error's body is searched for the registry's error code.
pub(super) const ERROR_BYTES_MAX: u64 = 4 << 10;
/// Docker's configuration, which lists the registries that somebody logged in to.
pub(super) const DOCKER_CONFIG_BYTES_MAX: u64 = 1 << 20;
/// The field section of an answer.
pub(super) const FIELD_SECTION_BYTES_MAX: usize = 64 << 10;
/// Read at a time.
pub(super) const BUFFER_BYTES: usize = 64 << 10;

/// The bounds that tests shorten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connect: Duration,
    pub(super) idle: Duration,
    pub(super) whole: Duration,
    pub(super) backoff: Duration,
    pub(super) retry_after_max: Duration,
    pub(super) content_bytes: u64,
    pub(super) manifest_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(CONNECT_SECONDS),
            idle: Duration::from_secs(IDLE_SECONDS),
            whole: Duration::from_secs(WHOLE_SECONDS),
            backoff: Duration::from_millis(BACKOFF_MILLISECONDS),
            retry_after_max: Duration::from_secs(RETRY_AFTER_SECONDS_MAX),
            content_bytes: CONTENT_BYTES_MAX,
            manifest_bytes: MANIFEST_BYTES_MAX,
        }
    }
}
