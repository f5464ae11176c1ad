//! What a registry is shown, and what nobody else is.

use std::sync::{Arc, Mutex};

use crate::Place;
use crate::image::Image;
use crate::server::{Reply, Seen, Server};

/// `u:hunter2`.
const BASIC: &str = "Basic dTpodW50ZXIy";

fn push(place: &Place, server: &Server, options: &[&str]) -> Result<String, (u8, String)> {
    let file = place.file("image.tar", Image::new("amd64").both());
    let name = server.name("poems:v1");
    place.try_run(&[&["push", file.to_str().unwrap(), &name], options].concat())
}

fn credentials() -> Place {
    Place::new()
        .variable("CHAPBOOK_REGISTRY_USER", "u")
        .variable("CHAPBOOK_REGISTRY_PASSWORD", "hunter2")
}

/// A registry that wants tokens, and its token service. Tokens are `t0ken1`, `t0ken2` …, of which a
/// registry takes the one that was given last, until it was used `uses` times.
fn with_tokens(uses: usize) -> (Server, Server) {
    let state = Arc::new(Mutex::new((0, 0)));
    let given = state.clone();
    let tokens = Server::new(move |_| {
        let mut given = given.lock().unwrap();
        *given = (given.0 + 1, 0);
        Some(Reply::ok(format!(
            r#"{{"token":"t0ken{}","expires_in":60}}"#,
            given.0
        )))
    });
    let challenge = format!(
        r#"Bearer realm="{}",service="a registry",scope="repository:poems:pull,push,delete""#,
        tokens.url("/token")
    );
    let registry = Server::new(move |seen| {
        let mut state = state.lock().unwrap();
        let expected = format!("Bearer t0ken{}", state.0);
        state.1 += 1;
        let is_good = seen.field("authorization") == Some(&expected) && state.1 <= uses;
        (!is_good).then(|| Reply::status(401).field("WWW-Authenticate", &*challenge))
    });
    (registry, tokens)
}

#[test]
fn a_token_is_asked_for_with_the_least() {
    let (registry, tokens) = with_tokens(1000);
    push(&credentials(), &registry, &[]).unwrap();
    let expected = "GET /token?service=a%20registry&scope=repository:poems:pull,push";
    assert_eq!(tokens.lines(), [expected]);
    assert_eq!(tokens.seen()[0].field("authorization"), Some(BASIC));
    push(&credentials(), &registry, &["--mount-from", "base"]).unwrap();
    let mounting = format!("{expected}&scope=repository:base:pull");
    assert_eq!(tokens.lines()[1], mounting);
    let place = credentials();
    place.run(&["inspect", &registry.name("poems:v1")]);
    place.run(&["retag", &registry.name("poems:v1"), "v2"]);
    let least = "GET /token?service=a%20registry&scope=repository:poems:pull";
    assert_eq!(tokens.lines()[2..], [least, expected]);
    for seen in [registry.seen(), tokens.seen()].concat() {
        assert!(
            seen.method != "DELETE" && !seen.target.contains("delete"),
            "{seen:?}"
        );
        let shown = seen.field("authorization").unwrap_or_default();
        assert!(
            seen.path() == "/token" || !shown.contains("Basic"),
            "{seen:?}"
        );
    }
}

#[test]
fn a_token_that_expires_is_renewed() {
    let (registry, tokens) = with_tokens(3);
    push(&credentials(), &registry, &[]).unwrap();
    assert!(tokens.lines().len() > 2, "{:?}", tokens.lines());
    assert!(registry.kept("poems/manifests/v1").is_some());
    let (registry, _tokens) = with_tokens(0);
    let (_, line) = push(&credentials(), &registry, &[]).unwrap_err();
    assert!(line.contains("401 Unauthorized"), "{line}");
}

#[test]
fn token_services_fail_in_words() {
    for (reply, cause) in [
        (
            Reply::error(401, "UNAUTHORIZED", "t0ken"),
            "it answered 401 Unauthorized",
        ),
        (Reply::ok("{}"), "its answer holds no token"),
        (
            Reply::ok(r#"{"token":"a\nb"}"#),
            "its answer holds no token",
        ),
        (Reply::ok("no"), "its answer is not JSON"),
        (Reply::ok("x".repeat(300_000)), "longer than"),
        (
            Reply::status(503),
            "it answered 503 Service Unavailable, 4 times",
        ),
        (
            Reply::status(302).field("Location", "http://192.0.2.1/"),
            "plain http",
        ),
    ] {
        let tokens = Server::new(move |_| Some(reply.clone()));
        let challenge = format!(r#"Bearer realm="{}""#, tokens.url("/token"));
        let registry =
            Server::new(move |_| Some(Reply::status(401).field("WWW-Authenticate", &*challenge)));
        let (_, line) = push(&credentials(), &registry, &[]).unwrap_err();
        assert!(line.contains(cause), "{line}");
    }
    for (challenge, cause) in [
        (
            r#"Bearer realm="http://192.0.2.1/token""#,
            "only for loopback",
        ),
        (r#"Bearer service="x""#, "is refused"),
        ("Negotiate", "asks for nothing that is known here"),
    ] {
        let registry =
            Server::new(move |_| Some(Reply::status(401).field("WWW-Authenticate", challenge)));
        let (_, line) = push(&credentials(), &registry, &[]).unwrap_err();
        assert!(line.contains(cause), "{line}");
    }
}

#[test]
fn an_identity_token_goes_in_a_form() {
    let (registry, tokens) = with_tokens(1000);
    let place = Place::new();
    let config = format!(
        r#"{{"auths":{{"{}":{{"auth":"dTo=","identitytoken":"id-hunter2"}}}}}}"#,
        registry.address
    );
    let path = place.file("auth.json", config);
    let place = place.variable("REGISTRY_AUTH_FILE", path.to_str().unwrap());
    push(&place, &registry, &[]).unwrap();
    let seen = &tokens.seen()[0];
    assert_eq!((&*seen.method, &*seen.target), ("POST", "/token"));
    let form = String::from_utf8(seen.content.clone()).unwrap();
    let expected = "grant_type=refresh_token&client_id=chapbook&refresh_token=id-hunter2\
        &scope=repository:poems:pull,push&service=a%20registry";
    assert_eq!(form, expected);
}

/// It stands in what is sent, and would be sent again.
#[test]
fn an_identity_token_goes_along_no_redirect() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Server::new(|_| Some(Reply::ok(r#"{"token":"t0ken1"}"#)));
        let away = elsewhere.url("/token");
        let leads = move |_: &Seen| Some(Reply::status(status).field("Location", &*away));
        let tokens = Server::new(leads);
        let challenge = format!(r#"Bearer realm="{}""#, tokens.url("/token"));
        let registry =
            Server::new(move |_| Some(Reply::status(401).field("WWW-Authenticate", &*challenge)));
        let place = Place::new();
        let config = format!(
            r#"{{"auths":{{"{}":{{"auth":"dTo=","identitytoken":"id-hunter2"}}}}}}"#,
            registry.address
        );
        let path = place.file("auth.json", config);
        let place = place.variable("REGISTRY_AUTH_FILE", path.to_str().unwrap());
        let (_, line) = push(&place, &registry, &[]).unwrap_err();
        assert!(line.contains(&format!("it answered {status}")), "{line}");
        assert_eq!(elsewhere.lines(), [""; 0], "{status}");
    }
}

/// Whatever its form, and wherever in the line: passwords have spaces, and addresses are told.
#[test]
fn no_line_shows_what_a_server_sends_back() {
    let password = "correct horse hunter2";
    let server = Server::new(|seen| {
        if seen.field("authorization").is_none() {
            return Some(refusal());
        }
        let away = "/x/correct%20horse%20hunter2?hunter2";
        Some(match &*seen.method {
            "HEAD" => Reply::status(307).field("Location", away),
            _ => Reply::error(403, "DENIED", "who is correct horse hunter2?"),
        })
    });
    let place = Place::new()
        .variable("CHAPBOOK_REGISTRY_USER", "u")
        .variable("CHAPBOOK_REGISTRY_PASSWORD", password);
    for command in [&["inspect"][..], &["retag"]] {
        let name = server.name("poems:v1");
        let tag: &[&str] = if command == ["retag"] { &["v2"] } else { &[] };
        let line = place.fails(&[command, &[&*name], tag].concat());
        assert!(line.contains("who is …?"), "{line}");
    }
    let (_, line) = push(&place, &server, &[]).unwrap_err();
    assert!(!line.contains("horse"), "{line}");
}

fn refusal() -> Reply {
    Reply::error(401, "UNAUTHORIZED", "who is hunter2, dTpodW50ZXIy?")
        .field("WWW-Authenticate", "Basic realm=\"poems\"")
}

fn basic(seen: &Seen) -> Option<Reply> {
    let is_good = seen.field("authorization") == Some(BASIC);
    (!is_good).then(refusal)
}

#[test]
fn basic_credentials_come_from_where_they_are_kept() {
    let server = Server::new(basic);
    push(&credentials(), &server, &[]).unwrap();
    let mut place = Place::new().variable("CHAPBOOK_REGISTRY_USER", "u");
    place.stdin = "hunter2\n".to_owned();
    push(&place, &server, &["--password-stdin"]).unwrap();
    let auths = format!(
        r#"{{"auths":{{"{}":{{"auth":"dTpodW50ZXIy"}}}}}}"#,
        server.address
    );
    let place = Place::new();
    place.file("config.json", &auths);
    let directory = place.path().to_str().unwrap().to_owned();
    push(&place.variable("DOCKER_CONFIG", directory), &server, &[]).unwrap();
    let place = Place::new();
    let path = place.file("auth.json", &auths).to_str().unwrap().to_owned();
    push(&place.variable("REGISTRY_AUTH_FILE", path), &server, &[]).unwrap();

    let (_, line) = push(&Place::new(), &server, &[]).unwrap_err();
    assert!(line.contains("there are none for `127.0.0.1:"), "{line}");
    // One that is not let in hears why, without what it has shown; nor does it show it twice.
    let server = Server::new(|seen| basic(seen).or_else(|| Some(refusal())));
    let (_, line) = push(&credentials(), &server, &[]).unwrap_err();
    assert!(
        line.contains("401 Unauthorized: UNAUTHORIZED: who is …, …?"),
        "{line}"
    );
}

/// A script on PATH that is asked as Docker asks.
#[cfg(unix)]
#[test]
fn a_credential_helper_is_asked() {
    use std::os::unix::fs::PermissionsExt as _;

    use crate::runnable::make_runnable;

    let server = Server::new(basic);
    let with = |script: &str, config: &str| {
        let mut place = Place::new();
        let path = place.file("docker-credential-poems", format!("#!/bin/sh\n{script}"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        make_runnable(&path);
        place.file(
            "config.json",
            config.replace("HERE", &server.address.to_string()),
        );
        let directory = place.path().to_str().unwrap().to_owned();
        place.limits.helper = std::time::Duration::from_millis(500);
        let path = format!("{directory}:/usr/bin:/bin");
        let place = place
            .variable("PATH", path)
            .variable("DOCKER_CONFIG", &*directory);
        let done = push(&place, &server, &[]);
        let said = std::fs::read_to_string(place.path().join("said"));
        (done, said.unwrap_or_default())
    };
    let good = r#"cd "$(dirname "$0")"; echo "$@" > said; tr '\0' ' ' < /proc/$$/cmdline >> said
        cat >> said; echo '{"ServerURL":"x","Username":"u","Secret":"hunter2"}'"#;
    let store = r#"{"auths":{"HERE":{}},"credsStore":"poems"}"#;
    let named = r#"{"credHelpers":{"HERE":"poems","other":"no"},"credsStore":"no"}"#;
    for config in [store, named] {
        let (done, said) = with(good, config);
        done.unwrap();
        assert!(said.starts_with("get\n"), "{said}");
        assert!(said.ends_with(&format!("{}\n", server.address)), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let unknown = "echo credentials not found in native keychain; exit 1";
    for (script, config, cause) in [
        (unknown, store, "there are none for"),
        (
            "echo hunter2; exit 1",
            store,
            "`docker-credential-poems`: it failed",
        ),
        ("echo hunter2", store, "it answered no JSON"),
        ("echo '{}'", store, "no user and secret"),
        ("sleep 20", store, "it took more than 500ms"),
        ("exec sleep 20 >&-", store, "it took more than 500ms"),
        (
            good,
            r#"{"credsStore":"missing"}"#,
            "`docker-credential-missing`: it is not installed",
        ),
        (good, r#"{"credsStore":"../poems"}"#, "is malformed"),
    ] {
        let begun = std::time::Instant::now();
        let (_, line) = with(script, config).0.unwrap_err();
        assert!(line.contains(cause), "{script}: {line}");
        assert!(
            begun.elapsed() < std::time::Duration::from_secs(5),
            "{script}"
        );
    }
    // A registry that asks for nothing starts no helper.
    let open = Server::plain();
    let place = Place::new();
    place.file("config.json", r#"{"credsStore":"missing"}"#);
    let directory = place.path().to_str().unwrap().to_owned();
    push(&place.variable("DOCKER_CONFIG", directory), &open, &[]).unwrap();
}

/// Neither a redirect nor a `Location` takes a credential to another host; another port is one.
#[test]
fn no_other_host_sees_a_credential() {
    let elsewhere = Server::new(|seen| match &*seen.method {
        "PUT" => Some(Reply::status(201)),
        "HEAD" => Some(Reply::status(404)),
        _ => Some(Reply::status(401).field("WWW-Authenticate", "Basic realm=\"more\"")),
    });
    let away = elsewhere.url("/away");
    let server = Server::new(move |seen| {
        basic(seen).or_else(|| match &*seen.method {
            "HEAD" => Some(Reply::status(307).field("Location", &*away)),
            "POST" => Some(Reply::status(202).field("Location", &*away)),
            _ => None,
        })
    });
    push(&credentials(), &server, &[]).unwrap();
    let seen = elsewhere.seen();
    assert!(seen.iter().any(|seen| seen.method == "PUT"));
    assert!(seen.iter().any(|seen| seen.method == "HEAD"));
    assert!(
        seen.iter()
            .all(|seen| seen.field("authorization").is_none()),
        "{seen:?}"
    );
    // Not even where the other host asks for it, or sends it back here.
    let back = server.url("/v2/poems/manifests/v1");
    let elsewhere = Server::new(move |_| Some(Reply::status(307).field("Location", &*back)));
    let away = elsewhere.url("/away");
    let server = Server::new(move |seen| {
        basic(seen).or_else(|| Some(Reply::status(307).field("Location", &*away)))
    });
    credentials().fails(&["inspect", &server.name("poems:v1")]);
    let leaked = |seen: &Seen| seen.field("authorization").is_some();
    assert!(!elsewhere.seen().iter().any(leaked));
}
