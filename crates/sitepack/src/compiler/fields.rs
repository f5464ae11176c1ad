//! The field lines of a representation, prepared for every answer that will hold them.

use super::encode::{Encoded, Resource};
use super::headers::FieldChange;
use crate::coding::ContentCoding;
use crate::date::imf_fixdate;
use crate::format::Making;

/// The field lines of a representation that are its own: `Content-Length`, `ETag`. One that is
/// made has none.
pub(crate) fn own_fields(encoded: &Encoded) -> [String; 2] {
    if encoded.making != Making::Stored {
        return [String::new(), String::new()];
    }
    [
        format!("Content-Length: {}\r\n", encoded.length),
        format!("ETag: {}\r\n", encoded.digest.entity_tag()),
    ]
}

/// Field lines that a representation shares with others, and the end of its policy.
pub(crate) struct Fields {
    /// The content's, those about the resource, those for caches, those for the browser's
    /// security and whatever else the author wants.
    pub(crate) shared: [String; 4],
    /// The end of the last of them, if that is a policy of which the end is the page's own.
    pub(crate) policy: String,
}

/// The field lines of a resource under a coding.
pub(crate) fn fields(
    resource: &Resource,
    changes: &[FieldChange],
    coding: ContentCoding,
    modified: Option<u64>,
) -> Fields {
    let mut content = format!("Content-Type: {}\r\n", resource.media_type);
    if coding != ContentCoding::Identity {
        content.push_str(&format!("Content-Encoding: {coding}\r\n"));
    }
    let mut about = "Accept-Ranges: bytes\r\n".to_owned();
    if let Some(seconds) = modified {
        about.push_str(&format!("Last-Modified: {}\r\n", imf_fixdate(seconds)));
    }
    let mut cache = String::new();
    if resource.representations.len() > 1 {
        cache.push_str("Vary: Accept-Encoding\r\n");
    }
    let freshness = if resource.immutable {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    push(&mut cache, changes, "Cache-Control", Some(freshness));
    let (security, policy) = security_fields(resource, changes);
    Fields {
        shared: [content, about, cache, security],
        policy,
    }
}

/// The lines for the browser's security and of the author, and the end of the policy.
fn security_fields(resource: &Resource, changes: &[FieldChange]) -> (String, String) {
    let mut security = String::new();
    push(
        &mut security,
        changes,
        "Referrer-Policy",
        Some("no-referrer"),
    );
    push(
        &mut security,
        changes,
        "X-Content-Type-Options",
        Some("nosniff"),
    );
    let policy = resource.policy.as_ref();
    let policy = policy.filter(|(name, _)| {
        let is = |change: &FieldChange| change.name().eq_ignore_ascii_case(name);
        !changes.iter().any(is)
    });
    let own = [
        "content-type",
        "cache-control",
        "referrer-policy",
        "x-content-type-options",
    ];
    for (place, change) in changes.iter().enumerate() {
        let is = |other: &FieldChange| other.name().eq_ignore_ascii_case(change.name());
        let is_last = changes.iter().rposition(is) == Some(place);
        if let FieldChange::Set { name, value } = change
            && is_last
            && !own.contains(&&*name.to_ascii_lowercase())
        {
            security.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    let mut end = String::new();
    if let Some((name, policy)) = policy {
        // Directives have no order (CSP3 §2.2): what only this page has comes last.
        let is_own = |directive: &&str| directive.contains("'sha256-");
        let (page, site): (Vec<&str>, Vec<&str>) = policy.split("; ").partition(is_own);
        security.push_str(&format!("{name}: {}", site.join("; ")));
        let between = if page.is_empty() { "" } else { "; " };
        end = format!("{between}{}\r\n", page.join("; "));
    }
    (security, end)
}

/// Adds a field with the value that the author wants, or else with the server's.
fn push(group: &mut String, changes: &[FieldChange], name: &str, usual: Option<&str>) {
    let last = changes
        .iter()
        .rfind(|change| change.name().eq_ignore_ascii_case(name));
    let value = match last {
        Some(FieldChange::Set { value, .. }) => Some(&**value),
        Some(FieldChange::Remove { .. }) => None,
        None => usual,
    };
    if let Some(value) = value {
        group.push_str(&format!("{name}: {value}\r\n"));
    }
}
