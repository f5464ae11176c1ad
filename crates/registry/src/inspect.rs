//! `inspect`: what a registry has under a name, in words or as JSON. No layer is fetched.
//!
//! Of the environment in a configuration the names are shown and not the values: whoever may pull
//! can read them, but more people read the logs of CI.

use std::io::Write;

use remote::{Deadline, shorten};
use serde_json::{Map, Value, json};

use crate::cli::Inspect;
use crate::failure::Failure;
use crate::manifest::{Descriptor, Document, Manifest};
use crate::repository::{Action, Repository};
use crate::{World, written};

const VERB: &str = "inspect";
/// What is told in words, in the order in which people ask.
const PARTS: [&str; 7] = [
    "name",
    "digest",
    "mediaType",
    "size",
    "manifests",
    "config",
    "layers",
];

/// Prints what is there.
pub(crate) fn run(
    world: &World<'_>,
    inspect: &Inspect,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let reference = &inspect.reference;
    let failed = |cause| Failure::failed(VERB, &reference.typed, cause);
    let repository = Repository::open(
        world,
        inspect.given.as_ref(),
        reference.name.clone(),
        Action::Pull,
        Deadline::after(world.limits.whole),
    )
    .map_err(failed)?;
    let manifest = repository.manifest(&reference.place(), reference.digest);
    let manifest = manifest.map_err(failed)?;
    let config = match &manifest.document {
        Document::Index(_) => None,
        Document::Image { config, .. } => {
            let text = repository.blob(config.digest).map_err(failed)?;
            // Of other artefacts than images nothing is known.
            serde_json::from_slice::<Value>(&text).ok()
        }
    };
    let told = tell(&reference.typed, &manifest, config.as_ref());
    if inspect.is_json {
        return written(writeln!(out, "{told:#}"));
    }
    let mut lines = Vec::new();
    for part in PARTS {
        if let Some(value) = told.get(part) {
            lay_out(part, value, &mut lines);
        }
    }
    written(writeln!(out, "{}", lines.join("\n")))
}

/// All that is told, as JSON.
fn tell(name: &str, manifest: &Manifest, config: Option<&Value>) -> Value {
    let mut told = Map::new();
    told.insert("name".into(), name.into());
    let digest = format!("sha256:{}", manifest.digest);
    told.insert("digest".into(), digest.into());
    told.insert("mediaType".into(), (&*manifest.media_type).into());
    told.insert("size".into(), manifest.bytes.len().into());
    match &manifest.document {
        Document::Index(images) => {
            let images: Vec<Value> = images.iter().map(described).collect();
            told.insert("manifests".into(), images.into());
        }
        Document::Image { config: at, layers } => {
            let layers: Vec<Value> = layers.iter().map(described).collect();
            told.insert("layers".into(), layers.into());
            let mut image = described(at);
            if let (Some(image), Some(config)) = (image.as_object_mut(), config) {
                image.append(&mut configured(config));
            }
            told.insert("config".into(), image);
        }
    }
    told.into()
}

fn described(descriptor: &Descriptor) -> Value {
    let mut told = json!({
        "mediaType": descriptor.media_type,
        "digest": format!("sha256:{}", descriptor.digest),
        "size": descriptor.bytes,
    });
    if let (Some(told), Some(platform)) = (told.as_object_mut(), &descriptor.platform) {
        told.insert("platform".into(), (&**platform).into());
    }
    told
}

/// § image-spec, config.md.
fn configured(config: &Value) -> Map<String, Value> {
    let mut told = Map::new();
    let parts = ["os", "architecture", "variant"];
    let parts = parts.map(|part| config.get(part).and_then(Value::as_str));
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    told.insert("platform".into(), parts.join("/").into());
    let mut keep = |name: &str, value: Option<&Value>| {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            told.insert(name.to_owned(), value.clone());
        }
    };
    keep("created", config.get("created"));
    let run = config.get("config");
    let of = |name: &str| run.and_then(|run| run.get(name));
    keep("user", of("User"));
    keep("entrypoint", of("Entrypoint"));
    keep("cmd", of("Cmd"));
    keep("workingDir", of("WorkingDir"));
    keep("exposedPorts", of("ExposedPorts"));
    keep("stopSignal", of("StopSignal"));
    keep("labels", of("Labels"));
    let names = of("Env").and_then(Value::as_array).map(|all| {
        let all = all.iter().filter_map(Value::as_str);
        let names: Vec<&str> = all.filter_map(|one| one.split('=').next()).collect();
        Value::from(names)
    });
    keep("env", names.as_ref());
    told
}

/// One line a value, `config.labels.a: b`.
fn lay_out(name: &str, value: &Value, lines: &mut Vec<String>) {
    let below = |part: &str| format!("{name}.{part}");
    match value {
        Value::Object(fields) => {
            for (part, value) in fields {
                lay_out(&below(part), value, lines);
            }
        }
        Value::Array(all) if all.iter().any(Value::is_object) => {
            for (number, value) in all.iter().enumerate() {
                lay_out(&below(&number.to_string()), value, lines);
            }
        }
        Value::String(text) => lines.push(format!("{}: {}", shorten(name), shorten(text))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            lines.push(format!(
                "{}: {}",
                shorten(name),
                shorten(&value.to_string())
            ));
        }
    }
}
