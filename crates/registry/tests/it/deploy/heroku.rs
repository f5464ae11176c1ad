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
    let streams = Server::new(move |seen: &Seen| {
        assert!(seen.field("authorization").is_none());
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
    if play == Play::Hangs {
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
    assert!(
        deploy(Play::Later, &[])
            .done
            .unwrap()
            .starts_with("release v8")
    );
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
