//! `cargo xtask image run`: the image as it should run, here, until Ctrl-C.

use super::Failure;
use super::engine::{Invocation, Kind};
use super::plan;
use super::settings::Settings;
use crate::stamp::Stamp;

/// The port within, unless another was built in.
const PORT: &str = "8080";

pub(super) fn run(settings: &Settings) -> Result<(), Failure> {
    let engine = settings.engine()?;
    if engine.kind == Kind::Buildah {
        let message = "buildah builds and does not run images: --engine docker or podman does";
        return Err(Failure::Unusable(message.to_owned()));
    }
    let told = |name: &str| match name {
        "APP_VERSION" | "SOURCE_DATE_EPOCH" => settings.argument(name).map(str::to_owned),
        _ => None,
    };
    let stamp = Stamp::of(&settings.root, env!("CARGO_PKG_VERSION"), &told);
    let stamp = stamp.map_err(Failure::Unusable)?;
    let name = plan::name(settings, &stamp.build)?;
    let port = settings.argument("PORT").unwrap_or(PORT);
    let start = start(settings, engine.run(&[]), &name, port);
    if settings.dry_run {
        println!("{start}");
        return Ok(());
    }
    let identifier = start.output()?;
    let identifier = identifier.trim();
    let published = engine.run(&["port", identifier, port]).output();
    // Nothing is published on the network of the host: the port is the one within.
    let published = published.unwrap_or_default();
    let published = published
        .lines()
        .next()
        .and_then(|line| line.rsplit(':').next());
    let published = published.filter(|port| !port.is_empty()).unwrap_or(port);
    println!("http://127.0.0.1:{published}/");
    eprintln!("container {identifier}, until Ctrl-C");
    // The client passes signals on; the container ends by itself, and is removed: so soon that
    // `attach` may not find what it ended with. Who waits from the beginning is told.
    let wait = engine.run(&["wait", identifier]);
    let waiting = std::thread::spawn(move || wait.output());
    let attached = engine.run(&["attach", identifier]).run(&settings.root);
    match waiting.join() {
        Ok(Ok(code)) if code.trim() == "0" => Ok(()),
        Ok(Ok(code)) => Err(Failure::Failed(format!(
            "the container ended with exit code {}",
            code.trim()
        ))),
        Ok(Err(_)) | Err(_) => attached,
    }
}

/// The command that starts it: nothing to write to, no capability, none to gain, on loopback.
fn start(settings: &Settings, mut start: Invocation, name: &str, port: &str) -> Invocation {
    let words = [
        "run",
        "--detach",
        "--rm",
        "--read-only",
        "--cap-drop",
        "ALL",
    ];
    start.words.extend(words.map(str::to_owned));
    start.push("--security-opt", "no-new-privileges");
    let extra = settings.variable("EXTRA_DOCKER_RUN_ARGS");
    let extra: Vec<&str> = extra.unwrap_or_default().split_whitespace().collect();
    if !extra.iter().any(|word| word.starts_with("--net")) {
        start.push("--publish", &format!("127.0.0.1::{port}"));
    }
    start
        .words
        .extend(extra.iter().map(|word| (*word).to_owned()));
    start.words.push(name.to_owned());
    start.words.extend(settings.rest.iter().cloned());
    start
}

#[cfg(test)]
mod tests {
    use super::super::engine::Engine;
    use super::super::settings::Settings;

    #[test]
    fn it_runs_with_nothing_that_it_does_not_need() {
        let engine = Engine::named("podman").unwrap();
        for (words, expected) in [
            (
                &["--", "--access-log", "off"][..],
                "podman run --detach --rm --read-only --cap-drop ALL --security-opt \
                 no-new-privileges --publish 127.0.0.1::8080 a:b --access-log off",
            ),
            (
                &["env-EXTRA_DOCKER_RUN_ARGS=--network host --memory 64m"],
                "podman run --detach --rm --read-only --cap-drop ALL --security-opt \
                 no-new-privileges --network host --memory 64m a:b",
            ),
        ] {
            let settings = Settings::read(words, |_| None).unwrap_or_else(|_| panic!("{words:?}"));
            let start = super::start(&settings, engine.run(&[]), "a:b", "8080");
            assert_eq!(start.to_string(), expected);
        }
    }
}
