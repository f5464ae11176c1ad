//! The list of packages as a CycloneDX document: a bill of materials that scanners read.
//!
//! 1. The same executable says the same: no time but that of the sources, and what a list holds is
//!    ordered by name. The serial number, which actions/attest wants, is a digest of the rest:
//!    another document has another one (§ RFC 9562 5.8, a UUID of our own making).
//! 2. What is in the executable is `required`. What only worked on it (build scripts, procedural
//!    macros) is `excluded`, CycloneDX' word for what is told, but not delivered.
//! 3. What came from crates.io has a package URL, and the SHA-256 that `Cargo.lock` holds it to.
//!    Our own packages are nowhere else, so they have neither.
//!
//! `cargo xtask sbom` writes the same of sources that are not compiled.

use serde_json::{Map, Value, json};
use sitepack::Digest;

/// The version of the format. Its schema is that of cyclonedx.org.
const SPECIFICATION: &str = "1.6";

/// What is said of the executable itself.
#[derive(Clone, Copy)]
pub struct Made<'a> {
    /// Which state of the sources.
    pub build: &'a str,
    /// Their commit.
    pub commit: Option<&'a str>,
    /// Their time, as RFC 3339 has it.
    pub time: Option<&'a str>,
    /// The compiler.
    pub rustc: &'a str,
    /// What it was compiled for.
    pub target: &'a str,
    /// The features, with a comma between them.
    pub features: &'a str,
}

/// The document, from the list that `build/packages.rs` makes.
#[must_use]
pub fn cyclonedx(list: &Value, made: Made<'_>) -> Value {
    let none = Vec::new();
    let packages = list["packages"].as_array().unwrap_or(&none);
    let is_root = |package: &&Value| package["root"] == true;
    let mut root = packages.iter().find(is_root).map_or(Value::Null, component);
    let mut properties = vec![
        property("build", made.build),
        property("features", made.features),
        property("rustc", made.rustc),
        property("target", made.target),
    ];
    properties.extend(made.commit.map(|commit| property("commit", commit)));
    if let Some(root) = root.as_object_mut() {
        root.insert("type".to_owned(), json!("application"));
        root.insert("properties".to_owned(), json!(properties));
        root.remove("scope");
    }
    let mut metadata = json!({ "component": root });
    if let (Some(time), Some(metadata)) = (made.time, metadata.as_object_mut()) {
        metadata.insert("timestamp".to_owned(), json!(time));
    }
    let others = packages.iter().filter(|package| !is_root(package));
    let edges = packages.iter().map(|package| {
        let places = package["dependencies"].as_array().unwrap_or(&none).iter();
        let others =
            places.filter_map(|place| packages.get(usize::try_from(place.as_u64()?).ok()?));
        json!({ "ref": reference(package), "dependsOn": others.map(reference).collect::<Vec<_>>() })
    });
    let mut document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "version": 1,
        "metadata": metadata,
        "components": others.map(component).collect::<Vec<_>>(),
        "dependencies": edges.collect::<Vec<_>>(),
    });
    let serial_number = serial_number(&document);
    if let Some(document) = document.as_object_mut() {
        document.insert("serialNumber".to_owned(), json!(serial_number));
    }
    document
}

/// § CycloneDX 1.6 `serialNumber`: `urn:uuid:` and a UUID; here version 8, of a SHA-256.
fn serial_number(document: &Value) -> String {
    let digest = Digest::of(document.to_string().as_bytes());
    let bytes = digest.0.first_chunk().copied();
    let number = u128::from_be_bytes(bytes.unwrap_or_default());
    let number = number & !(0xf << 76 | 0x3 << 62) | 0x8 << 76 | 0x2 << 62;
    let hex = format!("{number:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| hex.get(part).unwrap_or_default());
    format!("urn:uuid:{}", parts.join("-"))
}

fn component(package: &Value) -> Value {
    let mut told = Map::new();
    let mut tell = |name: &str, value: Value| told.insert(name.to_owned(), value);
    tell("type", json!("library"));
    tell("bom-ref", json!(reference(package)));
    tell("name", package["name"].clone());
    tell("version", package["version"].clone());
    let is_build = package["kind"] == "build";
    tell(
        "scope",
        json!(if is_build { "excluded" } else { "required" }),
    );
    if package["source"] == "crates.io" {
        tell("purl", json!(format!("pkg:cargo/{}", reference(package))));
    }
    if let Some(checksum) = package["checksum"].as_str() {
        tell("hashes", json!([{ "alg": "SHA-256", "content": checksum }]));
    }
    if let Some(license) = package["license"].as_str() {
        tell("licenses", json!([{ "expression": license }]));
    }
    Value::Object(told)
}

/// What one package is called in the document.
fn reference(package: &Value) -> String {
    let [name, version] = ["name", "version"].map(|key| package[key].as_str().unwrap_or_default());
    format!("{name}@{version}")
}

fn property(name: &str, value: &str) -> Value {
    json!({ "name": format!("chapbook:{name}"), "value": value })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Made, cyclonedx};

    #[test]
    fn a_list_becomes_a_document() {
        let list = json!({ "packages": [
            { "name": "a", "version": "1.0.0", "source": "local", "root": true,
              "license": "MIT", "dependencies": [1, 2] },
            { "name": "b", "version": "2.0.0+x", "source": "crates.io", "checksum": "00ff" },
            { "name": "c", "version": "3.0.0", "source": "git", "kind": "build" },
        ]});
        let made = Made {
            build: "B",
            commit: None,
            time: Some("1994-11-06T08:49:37Z"),
            rustc: "R",
            target: "T",
            features: "",
        };
        let document = cyclonedx(&list, made);
        let serial = document["serialNumber"].as_str().unwrap();
        let parts: Vec<&str> = serial
            .strip_prefix("urn:uuid:")
            .unwrap()
            .split('-')
            .collect();
        assert_eq!(
            parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12]
        );
        assert!(
            parts[2].starts_with('8') && parts[3].starts_with(['8', '9', 'a', 'b']),
            "{serial}"
        );
        let other = cyclonedx(&list, Made { build: "C", ..made });
        assert_ne!(other["serialNumber"], serial);
        let root = &document["metadata"]["component"];
        assert_eq!(root["bom-ref"], "a@1.0.0");
        assert_eq!(root["type"], "application");
        assert_eq!(root["licenses"][0]["expression"], "MIT");
        assert_eq!(document["metadata"]["timestamp"], "1994-11-06T08:49:37Z");
        let [b, c] = [0, 1].map(|place| &document["components"][place]);
        assert_eq!(b["purl"], "pkg:cargo/b@2.0.0+x");
        assert_eq!(b["scope"], "required");
        assert_eq!(b["hashes"][0]["content"], "00ff");
        assert_eq!(c["purl"], json!(null));
        assert_eq!(c["scope"], "excluded");
        let edges = json!({ "ref": "a@1.0.0", "dependsOn": ["b@2.0.0+x", "c@3.0.0"] });
        assert_eq!(document["dependencies"][0], edges);
    }
}
