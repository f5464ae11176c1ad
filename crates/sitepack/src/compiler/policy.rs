//! Policy: the Content-Security-Policy that one page works under, and as little more as can be.
//!
//! Everything comes from the site itself (`'self'`); what stands in the page is allowed by its
//! hash. Three things cannot be hashed beforehand, and each weakens one directive and is told as a
//! finding: style sheets and style attributes that scripts make, `eval`, and more inline texts
//! than a field has room for. `'unsafe-inline'` never stands beside a hash, which would cancel
//! it (CSP3 §6.7.3.2).
//!
//! Attributes have directives of their own, `script-src-attr` and `style-src-attr`, so that the
//! hash of a handler allows no `<script>` and loose style attributes allow no `<style>`. Browsers
//! of before 2022 do not know them and block such attributes: the page loses some looks, no more.

use std::fmt::Write as _;

use super::finding::{Finding, FindingKind};
use super::scan::{Hashes, Inline, Need, Needs};
use crate::digest::Digest;

/// How long the field's value may become. Proxies limit a field section to 8 KiB and less; this
/// leaves them room, and holds some fifty hashes.
const VALUE_BYTES_MAX: usize = 3000;

/// A policy, and what it had to give up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// The value of the field.
    pub(crate) value: String,
    relaxed: Vec<Relaxed>,
}

/// A directive that is weaker than hashes would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Relaxed {
    TooManyScripts,
    TooManyHandlers,
    TooManyStyles,
    TooManyStyleAttributes,
    Eval,
    StyleElement,
    StyleAttribute,
}

/// The groups of hashes, the one first that is given up first.
const GROUPS: [Relaxed; 4] = [
    Relaxed::TooManyStyleAttributes,
    Relaxed::TooManyStyles,
    Relaxed::TooManyHandlers,
    Relaxed::TooManyScripts,
];

/// Makes the policy of a page. `site` is what all scripts and style sheets of the site need
/// together: which of them a page loads in the end, only running it would tell.
pub(crate) fn policy(inline: &Inline, site: Needs) -> Policy {
    let needs = if inline.runs_scripts {
        inline.needs.union(site)
    } else if inline.loads_styles {
        inline.needs.union(data_needs(site))
    } else {
        inline.needs
    };
    let mut relaxed = Vec::new();
    for (need, relaxation) in [
        (Need::Eval, Relaxed::Eval),
        (Need::StyleElement, Relaxed::StyleElement),
        (Need::StyleAttribute, Relaxed::StyleAttribute),
    ] {
        if needs.has(need) {
            relaxed.push(relaxation);
        }
    }
    relaxed.extend(GROUPS.into_iter().filter(|group| group.overflows(inline)));
    let mut value = render(inline, needs, &relaxed);
    for group in GROUPS {
        if value.len() > VALUE_BYTES_MAX && !relaxed.contains(&group) {
            relaxed.push(group);
            let shorter = render(inline, needs, &relaxed);
            if shorter.len() < value.len() {
                value = shorter;
            } else {
                relaxed.pop();
            }
        }
    }
    relaxed.sort_unstable();
    Policy { value, relaxed }
}

/// What a style sheet can need: it runs nothing.
fn data_needs(site: Needs) -> Needs {
    let mut needs = Needs::default();
    for need in [Need::DataImage, Need::DataFont] {
        if site.has(need) {
            needs.insert(need);
        }
    }
    needs
}

impl Policy {
    /// What the author should know of this policy.
    pub(crate) fn findings(&self, origin: &str) -> impl Iterator<Item = Finding> {
        self.relaxed.iter().map(move |relaxed| Finding {
            file: origin.to_owned(),
            line: 0,
            kind: FindingKind::PolicyRelaxed,
            text: relaxed.text().to_owned(),
        })
    }
}

impl Relaxed {
    fn overflows(self, inline: &Inline) -> bool {
        match self {
            Relaxed::TooManyScripts => inline.scripts.overflow || inline.javascript_urls.overflow,
            Relaxed::TooManyHandlers => inline.handlers.overflow,
            Relaxed::TooManyStyles => inline.styles.overflow,
            Relaxed::TooManyStyleAttributes => inline.style_attributes.overflow,
            Relaxed::Eval | Relaxed::StyleElement | Relaxed::StyleAttribute => false,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Relaxed::TooManyScripts => "too many inline scripts to hash: all are allowed",
            Relaxed::TooManyHandlers => "too many event handlers to hash: all are allowed",
            Relaxed::TooManyStyles => "too many inline style sheets to hash: all are allowed",
            Relaxed::TooManyStyleAttributes => "too many style attributes to hash: all are allowed",
            Relaxed::Eval => "scripts of this site use eval: it is allowed",
            Relaxed::StyleElement => "scripts of this site make style sheets: all are allowed",
            Relaxed::StyleAttribute => {
                "scripts of this site write style attributes: all are allowed"
            }
        }
    }
}

/// Writes the directives, always in one order.
fn render(inline: &Inline, needs: Needs, relaxed: &[Relaxed]) -> String {
    let mut value = "default-src 'self'".to_owned();
    scripts(&mut value, inline, needs, relaxed);
    styles(&mut value, inline, relaxed);
    let when = |need, source| if needs.has(need) { source } else { "" };
    let blob = when(Need::Blob, " blob:");
    let sources = [
        ("img-src", when(Need::DataImage, " data:"), blob),
        ("font-src", when(Need::DataFont, " data:"), ""),
        ("media-src", when(Need::DataMedia, " data:"), blob),
        ("connect-src", when(Need::DataFetch, " data:"), blob),
        ("frame-src", when(Need::DataFrame, " data:"), blob),
        (
            "worker-src",
            "",
            if needs.has(Need::Worker) { blob } else { "" },
        ),
    ];
    for (directive, data, blob) in sources {
        if !data.is_empty() || !blob.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(value, "; {directive} 'self'{data}{blob}");
        }
    }
    if !needs.has(Need::Object) {
        value.push_str("; object-src 'none'");
    }
    value.push_str("; base-uri 'self'; form-action 'self'; frame-ancestors 'self'");
    value
}

fn scripts(value: &mut String, inline: &Inline, needs: Needs, relaxed: &[Relaxed]) {
    let all = relaxed.contains(&Relaxed::TooManyScripts);
    let mut sources = String::new();
    if all {
        sources.push_str(" 'unsafe-inline'");
    } else {
        if !inline.javascript_urls.is_empty() {
            sources.push_str(" 'unsafe-hashes'");
        }
        hashes(&mut sources, &inline.scripts);
        hashes(&mut sources, &inline.javascript_urls);
    }
    if needs.has(Need::WebAssembly) {
        sources.push_str(" 'wasm-unsafe-eval'");
    }
    if relaxed.contains(&Relaxed::Eval) {
        sources.push_str(" 'unsafe-eval'");
    }
    if !sources.is_empty() {
        let _ = write!(value, "; script-src 'self'{sources}");
    }
    if relaxed.contains(&Relaxed::TooManyHandlers) {
        value.push_str("; script-src-attr 'unsafe-inline'");
    } else if !inline.handlers.is_empty() {
        value.push_str("; script-src-attr 'unsafe-hashes'");
        hashes(value, &inline.handlers);
    } else if all {
        value.push_str("; script-src-attr 'none'");
    }
}

fn styles(value: &mut String, inline: &Inline, relaxed: &[Relaxed]) {
    let any = |reasons: [Relaxed; 2]| reasons.iter().any(|reason| relaxed.contains(reason));
    let all = any([Relaxed::TooManyStyles, Relaxed::StyleElement]);
    if all {
        // Holds for attributes too: a page that may make any style sheet gains nothing there.
        value.push_str("; style-src 'self' 'unsafe-inline'");
        return;
    }
    if !inline.styles.is_empty() {
        value.push_str("; style-src 'self'");
        hashes(value, &inline.styles);
    }
    if any([Relaxed::TooManyStyleAttributes, Relaxed::StyleAttribute]) {
        value.push_str("; style-src-attr 'unsafe-inline'");
    } else if !inline.style_attributes.is_empty() {
        value.push_str("; style-src-attr 'unsafe-hashes'");
        hashes(value, &inline.style_attributes);
    }
}

fn hashes(value: &mut String, hashes: &Hashes) {
    for digest in &hashes.digests {
        value.push_str(" 'sha256-");
        base64(value, digest);
        value.push('\'');
    }
}

/// RFC 4648 §4, with padding: 32 bytes are always 44 characters.
fn base64(text: &mut String, digest: &Digest) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in digest.0.chunks(3) {
        let byte = |place: usize| u32::from(group.get(place).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let sextet = bits >> (18 - 6 * place) & 63;
            let letter = ALPHABET.get(sextet as usize).copied().unwrap_or(b'=');
            let is_padding = place > group.len() as u32;
            text.push(if is_padding { '=' } else { char::from(letter) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{VALUE_BYTES_MAX, base64, policy};
    use crate::compiler::scan::{Need, Needs, html};
    use crate::digest::Digest;

    const END: &str =
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'";
    /// The hash of the text `a`.
    const A: &str = "'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='";

    fn needs(needs: &[Need]) -> Needs {
        let mut set = Needs::default();
        needs.iter().for_each(|need| set.insert(*need));
        set
    }

    #[test]
    fn a_page_is_allowed_what_is_in_it() {
        for (page, middle) in [
            ("<p>", String::new()),
            ("<script>a</script>", format!("script-src 'self' {A}; ")),
            (
                "<p onclick=a>",
                format!("script-src-attr 'unsafe-hashes' {A}; "),
            ),
            ("<style>a</style>", format!("style-src 'self' {A}; ")),
            (
                "<p style=a>",
                format!("style-src-attr 'unsafe-hashes' {A}; "),
            ),
            (
                "<script>a</script><p style=a onclick=a>",
                format!(
                    "script-src 'self' {A}; script-src-attr 'unsafe-hashes' {A}; \
                 style-src-attr 'unsafe-hashes' {A}; "
                ),
            ),
            ("<img src=data:,x>", "img-src 'self' data:; ".to_owned()),
            (
                "<iframe src=data:,x></iframe>",
                "frame-src 'self' data:; ".to_owned(),
            ),
        ] {
            let policy = policy(&html(page.as_bytes()).inline, Needs::default());
            assert_eq!(
                policy.value,
                format!("default-src 'self'; {middle}{END}"),
                "{page}"
            );
            assert_eq!(policy.findings("x").count(), 0, "{page}");
        }
        let object = policy(&html(b"<embed src=x>").inline, Needs::default());
        assert!(!object.value.contains("object-src"));
    }

    #[test]
    fn what_the_site_needs_counts_for_pages_that_run_or_load_it() {
        let script = "<script src=x></script>";
        let sheet = "<link rel=stylesheet href=x>";
        for (page, need, directive) in [
            (
                script,
                Need::WebAssembly,
                "script-src 'self' 'wasm-unsafe-eval'",
            ),
            (script, Need::Eval, "script-src 'self' 'unsafe-eval'"),
            (
                script,
                Need::StyleElement,
                "style-src 'self' 'unsafe-inline'",
            ),
            (
                script,
                Need::StyleAttribute,
                "style-src-attr 'unsafe-inline'",
            ),
            (script, Need::DataFetch, "connect-src 'self' data:"),
            (script, Need::DataMedia, "media-src 'self' data:"),
            (sheet, Need::DataImage, "img-src 'self' data:"),
            (sheet, Need::DataFont, "font-src 'self' data:"),
        ] {
            let has = |page: &str| {
                let value = policy(&html(page.as_bytes()).inline, needs(&[need])).value;
                value.split("; ").any(|found| found == directive)
            };
            assert!(has(page) && !has("<p>"), "{page} {directive}");
        }
        let value = policy(&html(sheet.as_bytes()).inline, needs(&[Need::Eval])).value;
        assert!(!value.contains("eval"));
        let both = needs(&[Need::Worker, Need::Blob]);
        let value = policy(&html(script.as_bytes()).inline, both).value;
        assert!(value.contains("; worker-src 'self' blob:;"));
    }

    /// `'unsafe-inline'` has no effect beside a hash (CSP3 §6.7.3.2).
    #[test]
    fn no_directive_has_both_a_hash_and_unsafe_inline() {
        let pages = [
            "<script>a</script><style>a</style><p style=a onclick=a>".to_owned(),
            (0..70).map(|i| format!("<script>{i}</script>")).collect(),
            (0..70)
                .map(|i| format!("<p style='a:{i}'>"))
                .collect::<String>()
                + "<style>b</style>",
            (0..70)
                .map(|i| format!("<p onclick='{i}'>"))
                .collect::<String>()
                + "<script>b</script>",
            (0..30)
                .map(|i| format!("<p style='a:{i}' onclick='{i}'><style>{i}</style>"))
                .collect(),
        ];
        for page in pages {
            for need in [Need::StyleElement, Need::StyleAttribute, Need::Eval] {
                let policy = policy(&html(page.as_bytes()).inline, needs(&[need]));
                assert!(policy.value.len() <= VALUE_BYTES_MAX);
                for directive in policy.value.split("; ") {
                    let inline = directive.contains("'unsafe-inline'");
                    assert!(!(inline && directive.contains("sha256-")), "{directive}");
                }
                assert!(policy.findings("x").count() > 0);
            }
        }
    }

    #[test]
    fn what_is_given_up_is_the_least_that_makes_room() {
        let styles: String = (0..70).map(|i| format!("<p style='a:{i}'>")).collect();
        let page = format!("{styles}<script>a</script><style>a</style>");
        let policy = policy(&html(page.as_bytes()).inline, Needs::default());
        let middle = format!(
            "script-src 'self' {A}; style-src 'self' {A}; style-src-attr 'unsafe-inline'; "
        );
        assert_eq!(policy.value, format!("default-src 'self'; {middle}{END}"));
        let found: Vec<String> = policy.findings("p.html").map(|f| f.to_string()).collect();
        let text = "too many style attributes to hash: all are allowed";
        assert_eq!(found, [format!("p.html: policy-relaxed: {text}")]);
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        let mut text = String::new();
        base64(&mut text, &Digest::of(b""));
        assert_eq!(text, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
