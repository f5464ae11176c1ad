//! `cargo xtask deny`: licences, sources and doubles of every package, by `deny.toml`.
//!
//! It does of `cargo deny check licenses bans sources` what this repository needs, since
//! that program has some hundred dependencies to compile. Every platform and feature counts, and
//! what only tests use. What a rule allows and nothing needs any more is a finding, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, ParseMode};

use super::{cargo, output, root};
use crate::{Done, Ended};

/// How `deny` is called.
const USAGE: &str = "\
usage: cargo xtask deny
Checks the packages in Cargo.lock by deny.toml: licences, sources, several versions of one.
Advisories are for `cargo deny check advisories`, which needs the network.
";

/// What `deny.toml` says.
#[derive(Default)]
struct Rules {
    licenses: BTreeSet<String>,
    registries: BTreeSet<String>,
    /// Name and the beginning of a version.
    doubles: BTreeSet<(String, String)>,
}

/// What cargo says of a package.
struct Package {
    name: String,
    version: String,
    license: String,
    /// Empty, if it is ours.
    source: String,
}

/// Does what the words say.
pub(crate) fn main(words: &[&str]) -> Ended {
    match words {
        [] => Ended::Done(check()),
        ["--help" | "-h"] => Ended::Help(USAGE),
        [word, ..] => Ended::wrong(word, USAGE),
    }
}

fn check() -> Done {
    let file = root().join("deny.toml");
    let text =
        fs::read_to_string(file).map_err(|error| format!("failed to read deny.toml: {error}"))?;
    let rules = rules(&text)?;
    let mut metadata = Command::new(cargo());
    metadata.current_dir(root());
    metadata.args([
        "metadata",
        "--locked",
        "--all-features",
        "--format-version",
        "1",
    ]);
    let packages = packages(&output(&mut metadata)?)?;
    let findings = findings(&rules, &packages);
    for finding in &findings {
        eprintln!("deny: {finding}");
    }
    match findings.len() {
        0 => {
            println!("{} packages are as deny.toml wants them", packages.len());
            Ok(())
        }
        count => Err(format!("{count} findings by deny.toml")),
    }
}

fn rules(text: &str) -> Result<Rules, String> {
    let failed = |cause: &dyn std::fmt::Display| format!("failed to read deny.toml: {cause}");
    let table: toml::Table = text.parse().map_err(|error| failed(&error))?;
    let list = |section: &str, key: &str| {
        let found = table
            .get(section)
            .and_then(|section| section.get(key)?.as_array());
        found.ok_or_else(|| failed(&format_args!("[{section}] lacks {key}")))
    };
    let names = |section: &str, key: &str| -> Result<BTreeSet<String>, String> {
        let names = list(section, key)?.iter().filter_map(toml::Value::as_str);
        Ok(names.map(str::to_owned).collect())
    };
    let mut rules = Rules {
        licenses: names("licenses", "allow")?,
        registries: names("sources", "allow-registry")?,
        doubles: BTreeSet::new(),
    };
    for skipped in list("bans", "skip")? {
        let field = |name| skipped.get(name).and_then(toml::Value::as_str);
        let parts = field("crate").and_then(|text| text.split_once('@'));
        let reason = field("reason").filter(|reason| !reason.is_empty());
        let (Some((name, version)), Some(_)) = (parts, reason) else {
            let what = "an entry of `skip` is no crate = \"NAME@VERSION\" with a reason";
            return Err(failed(&what));
        };
        rules.doubles.insert((name.to_owned(), version.to_owned()));
    }
    Ok(rules)
}

fn packages(metadata: &str) -> Result<Vec<Package>, String> {
    let failed =
        |cause: &dyn std::fmt::Display| format!("failed to read `cargo metadata`: {cause}");
    let metadata: Value = serde_json::from_str(metadata).map_err(|error| failed(&error))?;
    let packages = metadata
        .get("packages")
        .and_then(Value::as_array)
        .ok_or_else(|| failed(&"no packages"))?;
    let text = |package: &Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    let packages = packages.iter().map(|package| Package {
        name: text(package, "name"),
        version: text(package, "version"),
        license: text(package, "license"),
        source: text(package, "source"),
    });
    Ok(packages.collect())
}

/// One line for each package, or rule, that is not as it should be.
fn findings(rules: &Rules, packages: &[Package]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut encountered = BTreeSet::new();
    for package in packages {
        let Package {
            name,
            version,
            license,
            source,
        } = package;
        versions.entry(name).or_default().insert(version);
        match Expression::parse_mode(license, ParseMode::LAX) {
            Err(_) => findings.push(format!(
                "{name} {version} has no licence that can be read: `{license}`"
            )),
            Ok(expression) => {
                encountered.extend(expression.requirements().map(|one| one.req.to_string()));
                if !expression.evaluate(|one| rules.licenses.contains(&one.to_string())) {
                    findings.push(format!("{name} {version} is under {license}"));
                }
            }
        }
        let registry = source.strip_prefix("registry+");
        let is_known = registry.is_some_and(|registry| rules.registries.contains(registry));
        if !(source.is_empty() || is_known) {
            findings.push(format!("{name} {version} is from {source}"));
        }
    }
    let fits = |begin: &str, version: &str| {
        let rest = version.strip_prefix(begin);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    for (name, versions) in &versions {
        let is_skipped = |version: &&&str| {
            let mut skipped = rules.doubles.iter();
            skipped.any(|(skipped, begin)| skipped == name && fits(begin, version))
        };
        let left: Vec<&str> = versions
            .iter()
            .filter(|version| !is_skipped(version))
            .copied()
            .collect();
        if left.len() > 1 {
            findings.push(format!(
                "{name} is there in several versions: {}",
                left.join(", ")
            ));
        }
    }
    for (name, begin) in &rules.doubles {
        let versions = versions.get(name.as_str());
        let is_needed = |versions: &BTreeSet<&str>| {
            versions.len() > 1 && versions.iter().any(|version| fits(begin, version))
        };
        if !versions.is_some_and(is_needed) {
            findings.push(format!(
                "`skip` names {name}@{begin}, which is no second version"
            ));
        }
    }
    for license in rules.licenses.difference(&encountered) {
        findings.push(format!(
            "`allow` names {license}, which no package is under"
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{Package, findings, rules};

    const RULES: &str = r#"
        [licenses]
        allow = ["MIT", "Zlib"]
        [bans]
        skip = [{ crate = "old@0.2", reason = "someone has not moved yet" }]
        [sources]
        allow-registry = ["https://registry.example/"]
    "#;

    fn package(words: &str) -> Package {
        let mut fields = words.split('|').map(str::to_owned);
        let mut next = || fields.next().unwrap();
        Package {
            name: next(),
            version: next(),
            license: next(),
            source: next(),
        }
    }

    #[test]
    fn packages_are_held_to_the_rules() {
        let fine = [
            "ours|1.0.0|MIT|",
            "old|0.2.9|Zlib OR GPL-3.0-only|registry+https://registry.example/",
            "old|0.3.0|MIT/Apache-2.0|registry+https://registry.example/",
        ];
        for (more, expected) in [
            ("a|1.0.0|MIT AND Zlib|", None),
            (
                "a|1.0.0|GPL-3.0-only|",
                Some("a 1.0.0 is under GPL-3.0-only"),
            ),
            (
                "a|1.0.0|MIT AND GPL-3.0-only|",
                Some("a 1.0.0 is under MIT AND GPL-3.0-only"),
            ),
            (
                "a|1.0.0||",
                Some("a 1.0.0 has no licence that can be read: ``"),
            ),
            (
                "a|1.0.0|MIT|git+https://x.example/",
                Some("a 1.0.0 is from git+https://x.example/"),
            ),
            (
                "a|1.0.0|MIT|registry+https://x.example/",
                Some("a 1.0.0 is from registry+https://x.example/"),
            ),
            (
                "old|0.4.0|MIT|",
                Some("old is there in several versions: 0.3.0, 0.4.0"),
            ),
            (
                "old|0.20.0|MIT|",
                Some("old is there in several versions: 0.20.0, 0.3.0"),
            ),
        ] {
            let packages = fine.iter().chain([&more]).map(|words| package(words));
            let found = findings(&rules(RULES).unwrap(), &packages.collect::<Vec<_>>());
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{more}");
        }
    }

    #[test]
    fn rules_that_nothing_needs_are_found() {
        let found = findings(&rules(RULES).unwrap(), &[package("old|0.2.0|MIT|")]);
        let expected = [
            "`skip` names old@0.2, which is no second version",
            "`allow` names Zlib, which no package is under",
        ];
        assert_eq!(found, expected);
        let without = RULES.replace(", reason = \"someone has not moved yet\"", "");
        assert!(rules(&without).is_err_and(|error| error.contains("with a reason")));
        assert!(rules("[licenses]").is_err());
    }
}
