//! The first event: what is served, where, and by what.

use crate::about;
use crate::log::{Level, Value, tell};
use crate::server::Engine;

/// What the event tells besides what the executable knows of itself.
pub(super) struct Start<'a> {
    /// What is served, in words.
    pub(super) told: &'a str,
    /// Where.
    pub(super) addresses: &'a str,
    pub(super) engine: Engine,
    /// The digest of the site, in hexadecimal.
    pub(super) digest: &'a str,
    /// Where the site came from, as JSON in one line.
    pub(super) provenance: Option<&'a str>,
    /// The state of the sandbox.
    pub(super) sandbox: &'a str,
    /// Where this runs, in the words of who deployed it.
    pub(super) location: Option<&'a str>,
}

/// The fields of the event, in their order; `docs/log.md` lists the same.
pub const START_FIELDS: [&str; 11] = [
    "version", "build", "rustc", "engine", "site", "source", "sandbox", "uid", "gid", "pid",
    "location",
];

impl Start<'_> {
    /// Tells it.
    pub(super) fn tell(&self) {
        let (told, addresses, sandbox) = (self.told, self.addresses, self.sandbox);
        let engine = self.engine.name();
        let ids = ids();
        let values = [
            Some(Value::Text(about::VERSION)),
            Some(Value::Text(about::BUILD)),
            Some(Value::Text(about::RUSTC)),
            Some(Value::Text(engine)),
            Some(Value::Text(self.digest)),
            self.provenance.map(Value::Json),
            Some(Value::Text(self.sandbox)),
            ids.map(|(user, _)| Value::Number(user)),
            ids.map(|(_, group)| Value::Number(group)),
            Some(Value::Number(std::process::id().into())),
            self.location.map(Value::Text),
        ];
        let fields = START_FIELDS.into_iter().zip(values);
        let fields = fields.filter_map(|(name, value)| Some((name, value?)));
        let fields: Vec<(&'static str, Value<'_>)> = fields.collect();
        let version = about::VERSION;
        let build = about::BUILD;
        tell(
            Level::Info,
            format_args!(
                "serving {told} on {addresses} by {engine}, version {version} ({build}), \
                 sandbox {sandbox}"
            ),
            &fields,
        );
    }
}

/// The effective user and group.
fn ids() -> Option<(u64, u64)> {
    #[cfg(unix)]
    return Some((
        rustix::process::geteuid().as_raw().into(),
        rustix::process::getegid().as_raw().into(),
    ));
    #[cfg(not(unix))]
    None
}
