//! What a build script is told: by `chapbook.toml`, and by variables of the environment.

use std::path::Path;

use super::config::named;
use super::{Compiler, Csp, Error, FindingKind, Mount, Source, Store};
use crate::coding::ContentCoding;

/// Reads a variable of the environment; one that is set and empty counts as none.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Compiler {
    /// A compiler for what `CHAPBOOK_SITE` names, or else for the mounts of `config`; either with
    /// the options that the other variables set: those of `pack`.
    ///
    /// # Errors
    /// When the file or a variable cannot be understood.
    pub fn from_environment(config: &Path, lookup: Lookup<'_>) -> Result<Compiler, Error> {
        let mut compiler = match lookup("CHAPBOOK_SITE") {
            Some(source) => Compiler::new().mount(site(&source, lookup)?),
            None => Compiler::from_config(config)?,
        };
        if let Some(url) = lookup("CHAPBOOK_BASE_URL") {
            compiler = compiler.base_url(Some(url));
        }
        if let Some(store) = one_of("CHAPBOOK_STORE", &Store::ALL, Store::name, lookup)? {
            compiler = compiler.store(store);
        }
        if let Some(csp) = one_of("CHAPBOOK_CSP", &Csp::ALL, Csp::name, lookup)? {
            compiler = compiler.csp(csp);
        }
        let coding = |name: &str| ContentCoding::from_token(name.as_bytes());
        if let Some(codings) = list("CHAPBOOK_CODINGS", coding, lookup)? {
            compiler = compiler.codings(&codings);
        }
        if let Some(seconds) = lookup("SOURCE_DATE_EPOCH") {
            let parsed = seconds.parse();
            let parsed = parsed.map_err(|e| wrong("SOURCE_DATE_EPOCH", &seconds, e))?;
            compiler = compiler.modified(Some(parsed));
        }
        Ok(compiler)
    }
}

/// The findings that `CHAPBOOK_DENY` names: errors, not warnings.
///
/// # Errors
/// When it names one that there is not.
pub fn denied(lookup: Lookup<'_>) -> Result<Vec<FindingKind>, Error> {
    if lookup("CHAPBOOK_DENY").is_some_and(|names| names == "all") {
        return Ok(FindingKind::ALL.to_vec());
    }
    let kinds = list("CHAPBOOK_DENY", FindingKind::from_name, lookup)?;
    Ok(kinds.unwrap_or_default())
}

/// One mount of files.
fn site(source: &str, lookup: Lookup<'_>) -> Result<Mount, Error> {
    let source = Source::parse(source, lookup("CHAPBOOK_SHA256").as_deref())?;
    let at = lookup("CHAPBOOK_BASE_PATH").unwrap_or_default();
    Ok(Mount::files(&Mount::prefix(&at), source)
        .root(lookup("CHAPBOOK_ROOT"))
        .clean_urls(switch("CHAPBOOK_CLEAN_URLS", lookup)?)
        .single_page(switch("CHAPBOOK_SPA", lookup)?))
}

fn wrong(variable: &str, value: &str, cause: impl std::fmt::Display) -> Error {
    Error::new("use the variable", format!("{variable}={value}"), cause)
}

fn one_of<T: Copy>(
    variable: &str,
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
    lookup: Lookup<'_>,
) -> Result<Option<T>, Error> {
    let Some(name) = lookup(variable) else {
        return Ok(None);
    };
    let chosen = named(&name, all, name_of);
    let chosen = chosen.map_err(|names| wrong(variable, &name, format!("it is either {names}")))?;
    Ok(Some(chosen))
}

fn list<T>(
    variable: &str,
    read: impl Fn(&str) -> Option<T>,
    lookup: Lookup<'_>,
) -> Result<Option<Vec<T>>, Error> {
    let Some(names) = lookup(variable) else {
        return Ok(None);
    };
    let read_one = |name: &str| {
        let name = name.trim();
        read(name).ok_or_else(|| wrong(variable, &names, format!("there is no `{name}`")))
    };
    let read_all: Result<Vec<T>, Error> = names.split(',').map(read_one).collect();
    read_all.map(Some)
}

fn switch(variable: &str, lookup: Lookup<'_>) -> Result<bool, Error> {
    let name = |on| if on { "true" } else { "false" };
    let chosen = one_of(variable, &[true, false], name, lookup)?;
    Ok(chosen.unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Compiler, denied};

    fn read(variables: &[(&str, &str)]) -> Result<(), String> {
        let lookup = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let compiler = Compiler::from_environment(Path::new("no such file"), &lookup);
        let denied = denied(&lookup).map(|_| ());
        compiler.map(|_| ()).and(denied).map_err(|e| e.to_string())
    }

    #[test]
    fn variables_are_read_and_mistakes_named() {
        let site = ("CHAPBOOK_SITE", "public");
        for (variable, value, message) in [
            ("CHAPBOOK_STORE", "coded", ""),
            (
                "CHAPBOOK_STORE",
                "half",
                "CHAPBOOK_STORE=half`: it is either all or",
            ),
            ("CHAPBOOK_CSP", "report", ""),
            ("CHAPBOOK_CSP", "no", "CHAPBOOK_CSP=no"),
            ("CHAPBOOK_CODINGS", "gzip, br", ""),
            ("CHAPBOOK_CODINGS", "gzip,lzma", "there is no `lzma`"),
            ("CHAPBOOK_SPA", "true", ""),
            ("CHAPBOOK_SPA", "yes", "CHAPBOOK_SPA=yes"),
            ("CHAPBOOK_DENY", "all", ""),
            ("CHAPBOOK_DENY", "rain", "there is no `rain`"),
            ("SOURCE_DATE_EPOCH", "0", ""),
            ("SOURCE_DATE_EPOCH", "now", "SOURCE_DATE_EPOCH=now"),
            ("CHAPBOOK_SHA256", "00", "64 hexadecimal digits"),
        ] {
            match read(&[site, (variable, value)]) {
                Ok(()) => assert_eq!(message, "", "{variable}={value}"),
                Err(found) => {
                    assert!(!message.is_empty() && found.contains(message), "{found}");
                }
            }
        }
        assert!(read(&[]).unwrap_err().contains("no such file"));
    }
}
