//! Targets of rules: what is checked once, when packing, so that serving only fills in.

use super::super::rule_file::encode_strays;
use super::one_host;
use crate::path::SitePath;
use crate::rules::{LOCATION_BYTES_MAX, Pattern, placeholder, split_origin};

/// Checks a target; `from` is the pattern whose placeholders it may name.
pub(super) fn check(raw: &str, from: Option<&str>, status: u16) -> Result<String, String> {
    if status_alone(raw) {
        return Err(format!("the target is missing: `{raw}` is a status"));
    }
    let text = lower_scheme(&encode_strays(raw));
    let not_a_target = || {
        format!(
            "the target `{raw}` is neither a path such as `/a` nor an http or https URL with a \
             plain host (letters, digits, `-`, `.`, a port)"
        )
    };
    let (origin, local) = split_origin(&text).ok_or_else(not_a_target)?;
    if matches!(status, 200 | 404) {
        if !origin.is_empty() {
            let cause = format!("a {status} to another host");
            return Err(one_host(&cause, raw));
        }
        if local.contains(['?', '#']) {
            return Err(format!(
                "with {status} the target is a page: no `?` and no `#`"
            ));
        }
    }
    let (path, rest) = local.split_at(local.find(['?', '#']).unwrap_or(local.len()));
    if path.contains('*') {
        return Err("what `*` took is called `:splat` in the target".to_owned());
    }
    let not_a_path = |cause: &str| format!("the target `{raw}` is not a path: {cause}");
    if origin.is_empty() {
        let (_, moved) =
            SitePath::from_target(path.as_bytes()).map_err(|e| not_a_path(&e.to_string()))?;
        if moved {
            return Err(not_a_path("it holds an empty, `.` or `..` segment"));
        }
    }
    if has_stray_percent(local) {
        return Err(not_a_path(
            "a `%` is not followed by two hexadecimal digits",
        ));
    }
    if rest.matches('#').count() > 1 {
        return Err(not_a_path("it has two fragments"));
    }
    if text.len() > LOCATION_BYTES_MAX {
        return Err(not_a_path("it is too long"));
    }
    known_names(local, from)?;
    Ok(text)
}

fn known_names(local: &str, from: Option<&str>) -> Result<(), String> {
    let names: Vec<&str> = match from {
        Some(from) => Pattern::new(from)
            .map_err(|e| e.to_string())?
            .names()
            .collect(),
        None => Vec::new(),
    };
    for (at, _) in local.match_indices(':') {
        if let Some(name) = local.get(at..).and_then(placeholder)
            && !names.contains(&name)
        {
            return Err(format!(
                "the target names `:{name}`, the pattern does not; where a `:` is meant, write \
                 `%3A`"
            ));
        }
    }
    Ok(())
}

/// `/old 301`: Netlify takes it for a rule that only sets a status.
fn status_alone(word: &str) -> bool {
    let digits = word.strip_suffix('!').unwrap_or(word);
    digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// RFC 3986 §3.1: schemes are written small.
fn lower_scheme(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            format!("{}://{rest}", scheme.to_ascii_lowercase())
        }
        Some(_) | None => text.to_owned(),
    }
}

fn has_stray_percent(text: &str) -> bool {
    text.split('%').skip(1).any(|behind| {
        let digits = behind.as_bytes().get(..2);
        !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}
