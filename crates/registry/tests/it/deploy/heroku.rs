//! `heroku`: a registry that takes Docker's manifests only, and a Platform API.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::Place;
use crate::image::{DOCKER, Image, digest};
use crate::server::{Reply, Seen, Server};

/// `_:hunter2`.
const BASIC: &str = "Basic XzpodW50ZXIy";

/// Heroku's registry refuses OCI's media types, and manifests by digest.
fn registry() -> Server {
    Server::new(|seen: &Seen| {
        if seen.field("authorization") != Some(BASIC) {
            return Some(Reply::status(401).field("WWW-Authenticate", "Basic realm=\"a\""));
        }
        let is_put = seen.method == "PUT" && seen.path().contains("/manifests/");
        let is_docker = seen.field("content-type") == Some(DOCKER);
        let is_latest = seen.path().ends_with("/manifests/latest");
        let unsupported = || Reply::error(405, "UNSUPPORTED", "the operation is unsupported");
        (is_put && !(is_docker && is_latest)).then(unsupported)
    })
}

/// What the API plays.
#[derive(Clone, Copy, PartialEq)]
enum Play {
    Succeeds,
    Pends,
    Fails,
    Nothing,
    Stack,
    Refuses,
    Hangs,
    /// Pending, with a stream on a host that is not Heroku's.
    Elsewhere,
    /// Pending, with a stream that leads elsewhere.
    Leads,
    /// The first answer to each question is "later".
    Later,
    /// What is asked for is done, and its answer lost.
    Breaks,
    /// Pending, with a stream that is not there at first, then hangs, then is whole.
    Streams,
}

fn release(version: u32, status: &str, stream: &str) -> String {
    let stream = match stream {
        "" => "null".to_owned(),
        stream => format!("\"{stream}\""),
    };
    format!(
        r#"{{"app":{{"id":"x","name":"poems"}},"id":"0000-{version}","version":{version},
        "status":"{status}","output_stream_url":{stream}}}"#
    )
}

/// `streams` is where a release phase's words are.
fn api(play: Play, streams: String) -> Server {
    // What was released, and how often the release was looked at.
    let state = Arc::new(Mutex::new((false, 0, 0)));
    Server::new(move |seen: &Seen| {
        let mut state = state.lock().unwrap();
        state.2 += 1;
        let accept = "application/vnd.heroku+json; version=3.docker-releases";
        assert_eq!(seen.field("accept"), Some(accept));
        if play == Play::Refuses || seen.field("authorization") != Some("Bearer hunter2") {
            let text = r#"{"id":"unauthorized","message":"Invalid credentials: hunter2"}"#;
            return Some(Reply::status(401).with(text));
        }
        let is_read = seen.method == "GET";
        if play == Play::Later && is_read && state.2 % 2 == 1 {
            return Some(Reply::status(503));
        }
        let status = match (play, state.1) {
            (Play::Pends | Play::Fails | Play::Elsewhere | Play::Leads, 0..3) => "pending",
            (Play::Streams, 0..4) => "pending",
            (Play::Fails, _) => "failed",
            _ => "succeeded",
        };
        let stream = if status == "pending" { &*streams } else { "" };
        let text = match (&*seen.method, seen.path()) {
            ("GET", "/apps/poems") if play == Play::Stack => {
                r#"{"build_stack":{"name":"heroku-24"}}"#.to_owned()
            }
            ("GET", "/apps/poems") => {
                r#"{"name":"poems","build_stack":{"name":"container"}}"#.to_owned()
            }
            ("GET", "/apps/poems/releases") => {
                let range = seen.field("range");
                assert_eq!(range, Some("version ..; max=1, order=desc"));
                match state.0 && play != Play::Nothing {
                    true => format!("[{}]", release(8, status, stream)),
                    false => format!("[{}]", release(7, "succeeded", "")),
                }
            }
            ("GET", "/apps/poems/releases/0000-8") => {
                state.1 += 1;
                release(8, status, stream)
            }
            ("PATCH", "/apps/poems/formation") => {
                assert_eq!(seen.field("content-type"), Some("application/json"));
                if play == Play::Hangs {
                    return Some(Reply::hang());
                }
                state.0 = true;
                if play == Play::Breaks {
                    return Some(Reply::hang());
                }
                "[]".to_owned()
            }
            other => panic!("{other:?}"),
        };
        Some(Reply::ok(text))
    })
}

/// One deployment from a file.
struct Deployment {
    registry: Server,
    api: Server,
    streams: Server,
    done: Result<String, (u8, String)>,
}

fn deploy(play: Play, options: &[&str]) -> Deployment {
    let asked = std::sync::atomic::AtomicU32::new(0);
    let streams = Server::new(move |seen: &Seen| {
        assert!(seen.field("authorization").is_none());
        let asked = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let words = "migrating\n";
        match (play, asked) {
            (Play::Streams, 0) => return Some(Reply::status(404)),
            (Play::Streams, 1) => return Some(Reply::ok(words).and_hangs()),
            (Play::Streams, _) => return Some(Reply::ok(format!("{words}of hunter2\ndone"))),
            _ => {}
        }
        if play == Play::Leads {
            return Some(Reply::status(302).field("Location", "/streams/1?t0ken"));
        }
        Some(Reply::ok("migrating\x1b[2J\n  done\u{85}"))
    });
    let url = if play == Play::Elsewhere {
        "https://example.com/streams/0?t0ken".to_owned()
    } else {
        streams.url("/streams/0?t0ken")
    };
    let (registry, api) = (registry(), api(play, url));
    let mut place = Place::new()
        .variable("HEROKU_API_KEY", "hunter2")
        .variable("CHAPBOOK_HEROKU_REGISTRY", registry.address.to_string())
        .variable("CHAPBOOK_HEROKU_API", api.url(""));
    if matches!(play, Play::Hangs | Play::Breaks | Play::Streams) {
        place.limits.idle = Duration::from_millis(300);
    }
    let image = Image::new("amd64");
    let file = place.file("image.tar", image.both());
    let name = format!("ghcr.io/me/poems@{}", image.digest());
    let typed = ["deploy", "heroku", "--app", "poems", "--image", &name];
    let tar = ["--tar", file.to_str().unwrap()];
    let done = place.try_run(&[&typed[..], &tar, options].concat());
    Deployment {
        registry,
        api,
        streams,
        done,
    }
}

#[test]
fn the_image_is_pushed_in_dockers_words_and_released_by_its_configuration() {
    let image = Image::new("amd64");
    let options = ["--process", "web", "--process", "worker"];
    let Deployment {
        registry,
        api,
        done,
        ..
    } = deploy(Play::Succeeds, &options);
    let name = format!("ghcr.io/me/poems@{}", image.digest());
    assert_eq!(done.unwrap(), format!("release v8 of poems\n{name}\n"));
    let config = digest(&image.config);
    for process in ["web", "worker"] {
        let place = format!("poems/{process}/manifests/latest");
        let (manifest, kind) = registry.kept(&place).unwrap();
        let manifest = String::from_utf8(manifest).unwrap();
        assert!(manifest.contains(&config), "{manifest}");
        assert_eq!(kind, DOCKER);
        let blob = format!("poems/{process}/blobs/{config}");
        assert_eq!(registry.kept(&blob).unwrap().0, image.config);
    }
    let seen = api.seen();
    let patch = seen.iter().find(|seen| seen.method == "PATCH").unwrap();
    let update = |process| format!(r#"{{"type":"{process}","docker_image":"{config}"}}"#);
    let expected = format!(r#"{{"updates":[{},{}]}}"#, update("web"), update("worker"));
    assert_eq!(String::from_utf8_lossy(&patch.content), expected);
    let lines = [
        "GET /apps/poems",
        "GET /apps/poems/releases",
        "PATCH /apps/poems/formation",
        "GET /apps/poems/releases",
    ];
    assert_eq!(api.lines(), lines);
}

#[test]
fn a_release_is_followed_to_its_end() {
    let words = "| migrating\\u{1b}[2J\n|   done\\u{85}\n";
    let Deployment { streams, done, .. } = deploy(Play::Pends, &[]);
    let printed = done.unwrap();
    assert!(
        printed.starts_with(&format!("{words}release v8 of poems\n")),
        "{printed:?}"
    );
    assert_eq!(streams.lines().len(), 1);
    let (code, line) = deploy(Play::Fails, &[]).done.unwrap_err();
    assert!(code == 1 && line.contains("release v8 failed"), "{line}");
    // One that is not there at first, and one that hangs, are asked for again; nothing is shown
    // twice.
    let Deployment { streams, done, .. } = deploy(Play::Streams, &[]);
    let printed = done.unwrap();
    let words = "| migrating\n| of …\n| done\nrelease v8 of poems\n";
    assert!(printed.starts_with(words), "{printed:?}");
    assert_eq!(streams.lines().len(), 3);
    // Where it leads is not followed, and not told.
    let Deployment { streams, done, .. } = deploy(Play::Leads, &[]);
    let printed = done.unwrap();
    assert!(
        printed.contains("is not shown: it answered 302"),
        "{printed}"
    );
    assert!(!printed.contains("streams"), "{printed}");
    assert_eq!(streams.lines().len(), 1);
    // A stream elsewhere is not asked for, and the release is waited for all the same.
    let printed = deploy(Play::Elsewhere, &[]).done.unwrap();
    let shown = "is not shown: `example.com` is no host of Heroku's\nrelease v8 of poems\n";
    assert!(printed.contains(shown), "{printed}");
    for play in [Play::Later, Play::Breaks] {
        let Deployment { api, done, .. } = deploy(play, &[]);
        assert!(done.unwrap().starts_with("release v8"));
        let lines = api.lines();
        let patches = lines.iter().filter(|line| line.starts_with("PATCH"));
        assert_eq!(patches.count(), 1, "asked once");
    }
}

#[test]
fn what_does_not_work_is_told() {
    for (play, cause) in [
        (Play::Nothing, "nothing was released"),
        (
            Play::Stack,
            "its stack is `heroku-24`, and images run on `container`: heroku stack:set",
        ),
        (
            Play::Refuses,
            "it answered 401 Unauthorized: Invalid credentials: … (its token",
        ),
        (Play::Hangs, "no byte came for 300ms"),
    ] {
        let Deployment {
            registry,
            api,
            done,
            ..
        } = deploy(play, &[]);
        let (code, line) = done.unwrap_err();
        assert!(code == 1 && line.contains(cause), "{line}");
        let is_early = matches!(play, Play::Stack | Play::Refuses);
        assert_eq!(
            registry.lines().is_empty(),
            is_early,
            "{play:?}",
            play = play as u8
        );
        let patches = api
            .lines()
            .iter()
            .filter(|line| line.starts_with("PATCH"))
            .count();
        assert_eq!(patches, usize::from(!is_early), "asked once");
    }
}

/// Without a file the image is copied from its registry.
#[test]
fn an_image_is_copied_from_its_registry() {
    let (source, image) = (Server::plain(), Image::new("amd64"));
    let (registry, api) = (registry(), api(Play::Succeeds, String::new()));
    let mut place = Place::new()
        .variable("CHAPBOOK_HEROKU_REGISTRY", registry.address.to_string())
        .variable("CHAPBOOK_HEROKU_API", api.url(""));
    let file = place.file("image.tar", image.both());
    place.run(&["push", file.to_str().unwrap(), &source.name("poems")]);
    place.stdin = "hunter2\n".to_owned();
    let name = format!("{}@{}", source.name("poems"), image.digest());
    let typed = ["deploy", "heroku", "--app", "poems", "--image", &name];
    place.run(&[&typed[..], &["--password-stdin"]].concat());
    for layer in image.layers.iter().chain([&image.config]) {
        let blob = format!("poems/web/blobs/{}", digest(layer));
        assert_eq!(registry.kept(&blob).unwrap().0, *layer);
    }
    // The registry's token is Heroku's alone.
    assert!(
        source
            .seen()
            .iter()
            .all(|seen| seen.field("authorization").is_none())
    );
    // A blob that is another one goes nowhere.
    let layer = format!("poems/blobs/{}", digest(&image.layers[0]));
    source.keep(
        &layer,
        "application/octet-stream",
        &vec![0; image.layers[0].len()],
    );
    let before = registry.lines().len();
    let line = place.fails(&[&typed[..], &["--password-stdin"]].concat());
    assert!(line.contains("it sent something else"), "{line}");
    assert_eq!(registry.lines().len(), before);
}

/// What Heroku does not run is told before anything is asked.
#[test]
fn an_image_of_another_processor_is_refused() {
    let (source, other) = (Server::plain(), Image::new("arm64"));
    let (registry, api) = (registry(), api(Play::Succeeds, String::new()));
    let place = Place::new()
        .variable("HEROKU_API_KEY", "hunter2")
        .variable("CHAPBOOK_HEROKU_REGISTRY", registry.address.to_string())
        .variable("CHAPBOOK_HEROKU_API", api.url(""));
    let file = place.file("image.tar", other.both());
    let file = file.to_str().unwrap();
    place.run(&["push", file, &source.name("poems")]);
    let name = format!("{}@{}", source.name("poems"), other.digest());
    let typed = ["deploy", "heroku", "--app", "poems", "--image", &name];
    let with_tar = [&typed[..], &["--tar", file]].concat();
    let (code, line) = place.try_run(&with_tar).unwrap_err();
    assert!(code == 2 && line.contains("it is of linux/arm64"), "{line}");
    let line = place.fails(&typed);
    assert!(line.contains("it is of linux/arm64"), "{line}");
    assert_eq!(registry.lines(), [""; 0]);
    assert_eq!(api.lines(), ["GET /apps/poems"]);
}

/// Its own registry is shown what it wants, and Heroku's token is not that.
#[test]
fn a_private_image_is_copied_with_its_registrys_credential() {
    let image = Image::new("amd64");
    let source = Server::new(|seen: &Seen| {
        // `u:hunter2`
        let is_known = seen.field("authorization") == Some("Basic dTpodW50ZXIy");
        let refused = || Reply::status(401).field("WWW-Authenticate", "Basic realm=\"a\"");
        (!is_known).then(refused)
    });
    let (registry, api) = (registry(), api(Play::Succeeds, String::new()));
    let mut place = Place::new()
        .variable("CHAPBOOK_REGISTRY_USER", "u")
        .variable("CHAPBOOK_REGISTRY_PASSWORD", "hunter2")
        .variable("CHAPBOOK_HEROKU_REGISTRY", registry.address.to_string())
        .variable("CHAPBOOK_HEROKU_API", api.url(""));
    let file = place.file("image.tar", image.both());
    place.run(&["push", file.to_str().unwrap(), &source.name("poems")]);
    place.stdin = "hunter2".to_owned();
    let name = format!("{}@{}", source.name("poems"), image.digest());
    let typed = ["deploy", "heroku", "--app", "poems", "--image", &name];
    let printed = place.run(&[&typed[..], &["--password-stdin"]].concat());
    assert!(printed.starts_with("release v8"), "{printed}");
}

#[test]
fn where_it_is_asked_is_looked_at() {
    let name = format!("ghcr.io/me/poems@{}", Image::new("amd64").digest());
    let typed = ["deploy", "heroku", "--app", "poems", "--image", &name];
    for (variable, value, cause) in [
        ("CHAPBOOK_HEROKU_API", "https://example.com/v1", "a path"),
        ("CHAPBOOK_HEROKU_API", "http://example.com", "plain http"),
        (
            "CHAPBOOK_HEROKU_REGISTRY",
            "example.com",
            "neither Heroku's",
        ),
        ("CHAPBOOK_HEROKU_REGISTRY", "a@b", "failed to deploy"),
    ] {
        let place = Place::new().variable("HEROKU_API_KEY", "hunter2");
        let place = place.variable(variable, value);
        let (code, line) = place.try_run(&typed).unwrap_err();
        assert!(code == 2 && line.contains(cause), "{line}");
    }
}

#[test]
fn a_dry_run_shows_the_release_and_no_secret() {
    let Deployment {
        registry,
        api,
        done,
        ..
    } = deploy(Play::Succeeds, &["--dry-run"]);
    let printed = done.unwrap();
    let config = digest(&Image::new("amd64").config);
    let patch = format!(
        r#"/apps/poems/formation {{"updates":[{{"type":"web","docker_image":"{config}"}}]}}"#
    );
    assert!(printed.contains(&patch), "{printed}");
    assert!(printed.contains("/v2/poems/web/manifests/latest \"application/vnd.docker"));
    assert_eq!((registry.lines().len(), api.lines().len()), (0, 0));
}
