//! `chapbook.toml`: what is compiled in.

use std::path::Path;

use toml::{Table, Value};

use super::{Compiler, Csp, Error, Mount, Source, Store};
use crate::coding::ContentCoding;

/// The keys at the top, of which only `mount` is about one mount.
const SITE_KEYS: [&str; 5] = ["mount", "store", "csp", "codings", "base-url"];
/// The keys of a mount.
const MOUNT_KEYS: [&str; 7] = ["at", "from", "as", "sha256", "root", "clean-urls", "spa"];

impl Compiler {
    /// A compiler as a file such as `chapbook.toml` describes it:
    ///
    /// ```toml
    /// store = "all"            # or "coded", "small"
    /// csp = "enforce"          # or "report", "off"
    /// codings = ["gzip", "br"]
    ///
    /// [[mount]]
    /// at = "/poetry/"
    /// from = "data/poems"      # a directory, an archive, https://…, oci://…
    /// as = "poems"             # or "files"; those have clean-urls and spa, too
    /// ```
    ///
    /// Local sources are looked for below the file's own directory.
    ///
    /// # Errors
    /// When the file cannot be read or does not parse, or has a key that is not known.
    pub fn from_config(file: &Path) -> Result<Compiler, Error> {
        let failed = |cause: String| Error::new("read", file.display(), cause);
        let text = std::fs::read_to_string(file).map_err(|e| failed(e.to_string()))?;
        let table: Table = text.parse().map_err(|e: toml::de::Error| match e.span() {
            Some(span) => {
                let before = text.get(..span.start).unwrap_or_default();
                let line = before.matches('\n').count() + 1;
                Error::at_line(file, line, e.message())
            }
            None => failed(e.message().to_owned()),
        })?;
        let directory = file.parent().unwrap_or_else(|| Path::new(""));
        read(&table, directory).map_err(failed)
    }
}

fn read(table: &Table, directory: &Path) -> Result<Compiler, String> {
    known_keys(table, &SITE_KEYS, "the file")?;
    let mut compiler = Compiler::new();
    if let Some(name) = text(table, "store")? {
        compiler = compiler.store(choice(name, "store", &Store::ALL, Store::name)?);
    }
    if let Some(name) = text(table, "csp")? {
        compiler = compiler.csp(choice(name, "csp", &Csp::ALL, Csp::name)?);
    }
    if let Some(codings) = table.get("codings") {
        let names = codings.as_array().ok_or("`codings` is not a list")?;
        let coding = |name: &Value| {
            let name = name.as_str().unwrap_or_default();
            let coding = ContentCoding::from_token(name.as_bytes());
            coding.ok_or_else(|| format!("there is no content coding `{name}`"))
        };
        let codings: Vec<_> = names.iter().map(coding).collect::<Result<_, _>>()?;
        compiler = compiler.codings(&codings);
    }
    compiler = compiler.base_url(text(table, "base-url")?.map(str::to_owned));
    let mounts = table.get("mount").and_then(Value::as_array);
    let mounts = mounts.ok_or("there is no [[mount]] in it")?;
    for (number, value) in (1..).zip(mounts) {
        let name = format!("mount {number}");
        let table = value.as_table().ok_or(format!("{name} is no table"))?;
        let mount = mount(table, directory).map_err(|cause| format!("{name}: {cause}"))?;
        compiler = compiler.mount(mount);
    }
    Ok(compiler)
}

fn mount(table: &Table, directory: &Path) -> Result<Mount, String> {
    known_keys(table, &MOUNT_KEYS, "a mount")?;
    let missing = |key: &str| format!("`{key}` is missing");
    let at = text(table, "at")?.ok_or_else(|| missing("at"))?;
    let from = text(table, "from")?.ok_or_else(|| missing("from"))?;
    let source = Source::parse(from, text(table, "sha256")?).map_err(|e| e.to_string())?;
    let source = match source {
        Source::Path(path) => Source::Path(directory.join(path)),
        Source::Url { .. } | Source::Image { .. } => source,
    };
    let root = text(table, "root")?.map(str::to_owned);
    let style = |key| switch(table, key);
    match text(table, "as")?.ok_or_else(|| missing("as"))? {
        "poems" if style("clean-urls")? || style("spa")? => {
            Err("poems have neither `clean-urls` nor `spa`".to_owned())
        }
        "poems" => Ok(Mount::poems(at, source).root(root)),
        "files" => Ok(Mount::files(at, source)
            .root(root)
            .clean_urls(style("clean-urls")?)
            .single_page(style("spa")?)),
        other => Err(format!("`as` is either poems or files, not `{other}`")),
    }
}

fn known_keys(table: &Table, known: &[&str], place: &str) -> Result<(), String> {
    match table.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(format!(
            "{place} has no key `{key}`; it has {}",
            known.join(", ")
        )),
    }
}

fn text<'t>(table: &'t Table, key: &str) -> Result<Option<&'t str>, String> {
    match table.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(format!("`{key}` is a {}, not a string", other.type_str())),
    }
}

fn switch(table: &Table, key: &str) -> Result<bool, String> {
    match table.get(key) {
        None => Ok(false),
        Some(Value::Boolean(on)) => Ok(*on),
        Some(other) => Err(format!(
            "`{key}` is a {}, not true or false",
            other.type_str()
        )),
    }
}

fn choice<T: Copy>(
    name: &str,
    key: &str,
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
) -> Result<T, String> {
    named(name, all, name_of).map_err(|names| format!("`{key}` is either {names}, not `{name}`"))
}

/// The one that has the name; else all names, with `or` between.
pub(super) fn named<T: Copy>(
    name: &str,
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
) -> Result<T, String> {
    let chosen = all.iter().copied().find(|one| name_of(*one) == name);
    chosen.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|one| name_of(*one)).collect();
        names.join(" or ")
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Compiler;

    #[test]
    fn mistakes_are_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("chapbook.toml");
        for (text, message) in [
            ("", "there is no [[mount]]"),
            ("mount = 3", "there is no [[mount]]"),
            ("a = [", "chapbook.toml:1: "),
            ("\n\nstore = \"al", "chapbook.toml:3: "),
            ("stores = \"all\"", "no key `stores`"),
            (
                "store = \"half\"",
                "`store` is either all or coded or small",
            ),
            ("csp = 3", "`csp` is a integer"),
            ("codings = [\"lzma\"]", "no content coding `lzma`"),
            ("[[mount]]\nat = \"/\"", "mount 1: `from` is missing"),
            ("[[mount]]\nfrom = \"x\"", "mount 1: `at` is missing"),
            (
                "[[mount]]\nat = \"/\"\nfrom = \"x\"\nas = \"songs\"",
                "mount 1: `as` is either poems or files, not `songs`",
            ),
            (
                "[[mount]]\nat = \"/\"\nfrom = \"x\"\nas = \"poems\"\nspa = true",
                "neither",
            ),
            (
                "[[mount]]\nat = \"/\"\nfrom = \"https://a.example/x.zip\"\nas = \"files\"",
                "needs its sha256",
            ),
        ] {
            fs::write(&file, text).unwrap();
            let found = Compiler::from_config(&file).unwrap_err().to_string();
            assert!(found.contains(message), "{text}: {found}");
        }
    }

    #[test]
    fn two_mounts_make_a_site_and_one_path_is_had_once() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("chapbook.toml");
        for (directory, name) in [("one", "index.html"), ("two", "a.txt")] {
            fs::create_dir(root.path().join(directory)).unwrap();
            fs::write(root.path().join(directory).join(name), "x").unwrap();
        }
        let mount = |at: &str, from: &str| {
            format!("[[mount]]\nat = \"{at}\"\nfrom = \"{from}\"\nas = \"files\"\n")
        };
        fs::write(&file, mount("/", "one") + &mount("/more/", "two")).unwrap();
        let compiled = Compiler::from_config(&file).unwrap().compile().unwrap();
        assert_eq!(compiled.files, 2);
        let site = crate::Site::open(&compiled.bytes).unwrap();
        let path = crate::SitePath::from_decoded("/more/a.txt").unwrap();
        assert!(site.find(&path).unwrap().is_some());
        fs::write(&file, mount("/", "one") + &mount("/", "two")).unwrap();
        let failure = Compiler::from_config(&file).unwrap().compile().unwrap_err();
        assert!(failure.to_string().contains("two mounts have this path"));
    }
}
