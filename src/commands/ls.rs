//! `chapbook ls`: what is in the site; with `--json`, its manifest.

use serde_json::{Value, json};
use sitepack::{Entry, Resource};

use super::{index, print};
use crate::cli::Failure;

pub(super) fn run(json: bool) -> Result<(), Failure> {
    let site = index()?;
    let entries: Vec<Entry<'_>> = site
        .entries()
        .collect::<Result<_, _>>()
        .map_err(Failure::failed)?;
    let text = if json {
        let listed: Vec<Value> = entries
            .iter()
            .map(|entry| match entry {
                Entry::Resource(resource) => manifest(resource),
                Entry::Redirect(to) => Ok(json!({
                    "path": to.path, "status": to.status, "location": to.location,
                })),
            })
            .collect::<Result<_, Failure>>()?;
        let manifest = json!({ "sha256": site.digest().hex(), "entries": listed });
        format!("{manifest:#}\n")
    } else {
        entries
            .iter()
            .map(line)
            .collect::<Result<String, Failure>>()?
    };
    print(text.as_bytes())
}

fn manifest(resource: &Resource<'_>) -> Result<Value, Failure> {
    let mut representations = Vec::new();
    for found in resource.representations() {
        let found = found.map_err(Failure::failed)?;
        representations.push(json!({
            "coding": found.coding.token(),
            "size": found.length,
            "sha256": found.digest.hex(),
            "etag": found.entity_tag().to_string(),
        }));
    }
    let identity = resource.identity().map_err(Failure::failed)?;
    Ok(json!({
        "path": resource.path,
        "media_type": resource.media_type,
        "size": identity.length,
        "sha256": identity.digest.hex(),
        "representations": representations,
    }))
}

fn line(entry: &Entry<'_>) -> Result<String, Failure> {
    match entry {
        Entry::Redirect(to) => Ok(format!(
            "{:>10}  {} -> {}\n",
            to.status, to.path, to.location
        )),
        Entry::Resource(resource) => {
            let mut codings = String::new();
            for found in resource.representations() {
                let found = found.map_err(Failure::failed)?;
                codings.push_str(&format!(" {}:{}", found.coding, found.length));
            }
            let size = resource.identity().map_err(Failure::failed)?.length;
            Ok(format!(
                "{size:>10}  {}  {}{codings}\n",
                resource.path, resource.media_type
            ))
        }
    }
}
