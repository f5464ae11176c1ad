//! Every bound of talking to a registry, and of the image files that are pushed. Neither is
//! trusted to be quick, short or sane.

use std::time::Duration;

/// To resolve a name, and again to connect and shake hands: a host that is there needs one or two.
const CONNECT_SECONDS: u64 = 10;
/// Without a byte, in either direction: after the last byte of a blob a registry may first move it
/// to its storage, which for some hundred megabytes takes most of a minute.
const IDLE_SECONDS: u64 = 60;
/// For all of a command: 8 GiB at 5 MB/s. A job of CI that pushes for longer is stuck.
const WHOLE_SECONDS: u64 = 1_800;
/// Before the first retry; doubled before each other. A restarted process is back by then.
const BACKOFF_MILLISECONDS: u64 = 500;
/// The longest `Retry-After` that is waited for.
const RETRY_AFTER_SECONDS_MAX: u64 = 30;
/// For a credential helper, which may ask its user to unlock something.
const HELPER_SECONDS: u64 = 60;

/// How often something is asked that is answered with "later", the first time included.
pub(crate) const ATTEMPTS_MAX: u32 = 4;
/// A registry redirects to its storage: once, or twice through a CDN.
pub(crate) const REDIRECTS_MAX: u32 = 5;
/// A manifest, an index or a configuration: what the distribution specification asks registries to
/// accept at least.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 4 << 20;
/// Container engines stop at 125 to 127 layers, as overlay file systems do.
pub(crate) const LAYERS_MAX: usize = 128;
/// Image manifests and whatever else an index may name: more platforms than there are.
pub(crate) const MANIFESTS_MAX: usize = 256;
/// Members of an image file: a hundred layers, and what old versions of Docker add for each.
pub(crate) const MEMBERS_MAX: usize = 4096;
/// What stands before a member in a tar: a name, or pax's records.
pub(crate) const EXTENSION_BYTES_MAX: u64 = 64 << 10;
/// Names and tags in one command.
pub(crate) const NAMES_MAX: usize = 64;
/// How much of an error's text is read.
pub(crate) const ERROR_BYTES_MAX: u64 = 16 << 10;
/// The answer of a token service, of which the token is the largest part.
pub(crate) const TOKEN_ANSWER_BYTES_MAX: u64 = 256 << 10;
/// A token, a password or an identity token: it must fit into a field of a request.
pub(crate) const SECRET_BYTES_MAX: usize = 32 << 10;
/// Docker's configuration, which lists the registries that somebody logged in to.
pub(crate) const CONFIGURATION_BYTES_MAX: u64 = 1 << 20;
/// What a credential helper answers.
pub(crate) const HELPER_BYTES_MAX: u64 = 64 << 10;
/// The field section of an answer.
pub(crate) const FIELD_SECTION_BYTES_MAX: usize = 64 << 10;

/// The bounds in time, which tests shorten.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// To connect.
    pub connect: Duration,
    /// Without a byte.
    pub idle: Duration,
    /// For all of a command.
    pub whole: Duration,
    /// Before the first retry.
    pub backoff: Duration,
    /// The longest pause that a server may ask for.
    pub retry_after_max: Duration,
    /// For a credential helper.
    pub helper: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(CONNECT_SECONDS),
            idle: Duration::from_secs(IDLE_SECONDS),
            whole: Duration::from_secs(WHOLE_SECONDS),
            backoff: Duration::from_millis(BACKOFF_MILLISECONDS),
            retry_after_max: Duration::from_secs(RETRY_AFTER_SECONDS_MAX),
            helper: Duration::from_secs(HELPER_SECONDS),
        }
    }
}
