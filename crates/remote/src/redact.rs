//! What messages may show of texts that came from elsewhere.

use crate::limits::SHOWN_CHARS_MAX;

/// What may be shown of a text that should be an address or a reference, and perhaps is none:
/// nothing before an `@` (save that of a digest), nothing of a query.
#[must_use]
pub fn redacted(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let (shown, hidden) = text.split_at(end);
    let (name, digest) = match shown.rfind("@sha") {
        Some(at) => shown.split_at(at),
        None => (shown, ""),
    };
    let (scheme, rest) = name.split_once("://").unwrap_or(("", name));
    let separator = if scheme.is_empty() { "" } else { "://" };
    let hidden = if hidden.is_empty() { "" } else { "?…" };
    let shown = match rest.rsplit_once('@') {
        Some((_, rest)) => format!("{scheme}{separator}…@{rest}{digest}{hidden}"),
        None => format!("{scheme}{separator}{rest}{digest}{hidden}"),
    };
    shorten(&shown)
}

/// One line of bounded length, whatever somebody has put in.
#[must_use]
pub fn shorten(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown.replace(is_unfit, "\u{fffd}")
}

/// What moves a terminal's cursor, or the order in which a line is read.
fn is_unfit(character: char) -> bool {
    let directs = matches!(
        character,
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || directs
}

#[cfg(test)]
mod tests {
    use crate::redacted;

    #[test]
    fn messages_show_no_secrets() {
        let digest = "@sha256:00";
        for (text, shown) in [
            ("https://u:secret@example.com/a", "https://…@example.com/a"),
            ("https://u:sec/ret@example.com/a", "https://…@example.com/a"),
            (
                "https://example.com/a?sig=secret",
                "https://example.com/a?…",
            ),
            ("https://example.com/a#secret", "https://example.com/a?…"),
            ("oci://alpine@sha256:00", "oci://alpine@sha256:00"),
            (
                &format!("oci://u:secret@alpine{digest}"),
                "oci://…@alpine@sha256:00",
            ),
            ("u:secret@example.com", "…@example.com"),
            ("a\nb", "a\u{fffd}b"),
            ("a\u{202e}b", "a\u{fffd}b"),
        ] {
            assert_eq!(redacted(text), shown);
        }
        assert!(redacted(&"x".repeat(5000)).chars().count() < 310);
    }
}
