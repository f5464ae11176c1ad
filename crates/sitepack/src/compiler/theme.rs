//! The theme: templates and style sheet, and the substitution that fills them.
//!
//! Embedded in release builds, read from disk in debug builds, so that a designer sees an edit at
//! the next run.

use std::path::Path;

use super::error::Error;

#[derive(rust_embed::RustEmbed)]
#[folder = "theme"]
struct Files;

/// What a compiler reads besides its sources: nothing, but in debug builds the theme. A release has
/// it compiled in, and names no directory of the machine that built it: its bytes would hang on
/// where that was.
#[must_use]
pub fn theme_directory() -> Option<&'static Path> {
    #[cfg(debug_assertions)]
    let directory = Some(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/theme")));
    #[cfg(not(debug_assertions))]
    let directory = None;
    directory
}

/// The bytes of a file of the theme.
pub(crate) fn file(name: &str) -> Result<Vec<u8>, Error> {
    let file =
        Files::get(name).ok_or_else(|| Error::new("find", name, "it is not in the theme"))?;
    Ok(file.data.into_owned())
}

/// Fills a template of the theme: each `{{name}}` becomes its value, in one pass, so that a value
/// is never read as a template. The values are markup.
pub(crate) fn fill(name: &str, values: &[(&str, &str)]) -> Result<String, Error> {
    let template = String::from_utf8(file(name)?).map_err(|e| Error::new("read", name, e))?;
    fill_text(&template, values).map_err(|cause| Error::new("fill", name, cause))
}

fn fill_text(template: &str, values: &[(&str, &str)]) -> Result<String, String> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or("a `{{` without its `}}`")?;
        let (_, value) = values
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| format!("there is no value for `{name}`"))?;
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Text as markup, for HTML and XML, between tags and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{escape, fill_text};

    #[test]
    fn values_are_put_in_once() {
        let values = [("a", "{{b}}"), ("b", "2")];
        assert_eq!(
            fill_text("{{a}}-{{b}}-{{a}}", &values),
            Ok("{{b}}-2-{{b}}".to_owned())
        );
    }

    #[test]
    fn a_template_that_asks_for_too_much_is_refused() {
        assert!(fill_text("{{c}}", &[("a", "")]).is_err());
        assert!(fill_text("{{a", &[("a", "")]).is_err());
    }

    #[test]
    fn markup_in_text_is_text() {
        assert_eq!(
            escape("<a href=\"x\">'&'"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;"
        );
    }
}
