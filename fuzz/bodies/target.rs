//! A request target becomes one canonical path, which reads back as itself, or is refused.

use chapbook::http::method::Method;
use chapbook::http::target::Target;
use chapbook::reason::Reason::{Misdirected, NotFound, TargetMalformed};

/// `data` is the request target, of several methods in turn.
pub(crate) fn run(data: &[u8]) {
    let get = Target::parse(Method::Get, b"GET", data);
    for token in [&b"GET"[..], b"HEAD", b"OPTIONS", b"POST", b"CONNECT"] {
        let method = Method::parse(token).unwrap();
        match Target::parse(method, token, data) {
            Ok(Target::Authority) => assert!(token == b"CONNECT" && !data.contains(&b'/')),
            Ok(Target::Asterisk) => assert!(token == b"OPTIONS" && !data.starts_with(b"/")),
            Ok(Target::Unencoded { location }) => {
                assert!(token == b"GET" || token == b"HEAD");
                assert!(location.iter().all(u8::is_ascii_graphic) && !location.starts_with(b"//"));
                let again = Target::parse(Method::Get, b"GET", &location);
                assert!(matches!(again, Ok(Target::Resource { .. }) | Err(NotFound)));
            }
            Ok(resource) => assert!(token != b"CONNECT" && get.as_ref() == Ok(&resource)),
            Err(reason) => assert!([Misdirected, NotFound, TargetMalformed].contains(&reason)),
        }
    }
    let Ok(Target::Resource { path, query, moved }) = get else {
        return;
    };
    let text = path.as_str();
    let is_segment_char = |c: char| !c.is_control() && c != '\\';
    let is_name = |name| !["", ".", ".."].contains(&name) && name.chars().all(is_segment_char);
    let mut names = text.strip_suffix('/').unwrap_or(text).split('/').skip(1);
    assert!(text.starts_with('/') && names.all(is_name));

    let raw = data.split(|byte| *byte == b'?').next().unwrap(); // what follows is the query
    assert_eq!(data.get(raw.len() + 1..), query);
    let slashes = |text: &[u8]| text.iter().filter(|byte| **byte == b'/').count();
    let authority = if raw.starts_with(b"/") { 0 } else { 2 }; // `//` of `http://a`
    assert!(moved || text == "/" || slashes(raw) == authority + slashes(text.as_bytes()));

    let again = [path.encoded().as_bytes(), b"??/../?"].concat();
    assert!(again.iter().all(u8::is_ascii_graphic) && !again.starts_with(b"//"));
    let (query, moved) = (again.get(again.len() - 6..), false);
    let again = Target::parse(Method::Get, b"GET", &again);
    assert_eq!(again, Ok(Target::Resource { path, query, moved }));
}
