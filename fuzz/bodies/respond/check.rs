//! What every answer keeps to, whatever was asked.

use chapbook::http::{method::ALLOW, method::Method, target::Target};
use chapbook::origin::Origin;
use chapbook::reason::Reason;
use chapbook::request::Request;
use sitepack::{ContentCoding, Entry};

use super::Answer;

/// The status has a cause in the request, and the content has the length that the head tells.
pub(super) fn content(request: &Request<'_>, answer: &Answer) {
    let has = |name| request.fields.has(name);
    let (is_get, is_head) = (request.method == b"GET", request.method == b"HEAD");
    let has_cause = match answer.head.status {
        206 | 416 => is_get && has("range"),
        304 => (is_get || is_head) && (has("if-none-match") || has("if-modified-since")),
        412 => (is_get || is_head) && (has("if-match") || has("if-unmodified-since")),
        417 => has("expect"),
        status => [200, 400, 404, 405, 406, 414, 431, 501, 505].contains(&status) || moves(status),
    };
    assert!(has_cause, "{}", answer.head.status);
    let length = answer.head.get("content-length");
    let length = length.map(|text| text.parse::<u64>().unwrap());
    let bytes = answer.response.content.len();
    assert_eq!(length.is_none(), answer.head.status == 304);
    assert!(bytes == if is_head { 0 } else { length.unwrap_or(0) });
}

/// Vary, Content-Encoding, Allow and Location stand where they must; one path leads to a resource.
pub(super) fn fields(origin: &Origin<'static>, request: &Request<'_>, answer: &Answer) {
    let (head, response) = (&answer.head, &answer.response);
    let is_coded = response.coding != ContentCoding::Identity;
    assert!(!is_coded || request.fields.has("accept-encoding"));
    let (moved, is_negotiated) = target(origin, request);
    let is_served = [200, 206, 304].contains(&head.status);
    assert!(!is_served || !moved);
    let varies = is_coded || head.status == 406 || is_served && is_negotiated;
    let names_it = |vary: &str| vary.contains("Accept-Encoding");
    assert!(!varies || head.get("vary").is_some_and(names_it));
    let coding = is_coded.then_some(response.coding.token());
    assert!(head.status != 200 || head.get("content-encoding") == coding);
    let is_asked = request.method == b"OPTIONS" && head.status == 200;
    assert!(!is_asked && head.status != 405 || head.get("allow") == Some(ALLOW));
    let location = head.get("location");
    assert_eq!(location.is_some(), moves(head.status));
    if let Some(location) = location {
        assert!(location.starts_with('/') && !location.starts_with("//"));
        let is_uri = |c: char| c.is_ascii_alphanumeric() || "-._~:/?@!$&'()*+,;=%".contains(c);
        let is_hex = |c: char| c.is_ascii_hexdigit();
        let mut encoded = location.split('%').skip(1);
        assert!(location.chars().all(is_uri));
        assert!(encoded.all(|rest| rest.chars().take(2).filter(|c| is_hex(*c)).count() == 2));
        let target = Target::parse(Method::Get, b"GET", location.as_bytes());
        let names_nothing = target == Err(Reason::NotFound); // `%5C`
        let is_canonical = matches!(target, Ok(Target::Resource { moved: false, .. }));
        assert!(is_canonical || names_nothing && head.status == 301);
    }
}

/// Whether the target's path had to be made canonical, and whether what stands there has a choice
/// of representations, which the method asks for.
fn target(origin: &Origin<'static>, request: &Request<'_>) -> (bool, bool) {
    let target = Target::parse(Method::Get, b"GET", request.target);
    let Ok(Target::Resource { path, moved, .. }) = target else {
        return (false, false);
    };
    let found = origin.site().find(&path);
    let has_choice = matches!(found, Ok(Some(Entry::Resource(found))) if found.is_negotiated());
    (moved, has_choice && request.method != b"OPTIONS")
}

fn moves(status: u16) -> bool {
    (300..400).contains(&status) && status != 304
}
