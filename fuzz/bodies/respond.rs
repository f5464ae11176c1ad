//! A request has one answer, well-formed; and the answers to requests that differ in nothing but
//! method, preconditions and Range fit together.

use chapbook::origin::Origin;
use chapbook::request::{Fields, Request};

#[path = "respond/answer.rs"]
mod answer;
#[path = "respond/parts.rs"]
mod parts;
#[path = "respond/text.rs"]
mod text;

/// `data` is the head of a request, as `text` reads it.
pub(crate) fn run(data: &[u8]) {
    let origin = Origin::new(chapbook::embedded::site().unwrap());
    let ask = |data: &[u8], method: &str, hidden: &[&str]| {
        let (request, fields) = text::read(data, method.as_bytes(), hidden);
        let fields = Fields(&fields);
        answer::to(&origin, &Request { fields, ..request })
    };
    let data = &*text::fill(data, &ask(data, "GET", &["if-", "range"]).head);
    let plain = ask(data, "GET", &["if-", "range"]);
    let whole = ask(data, "GET", &["range"]);
    let get = ask(data, "GET", &[]);
    assert_eq!(ask(data, "HEAD", &[]).head, whole.head);
    ask(data, "", &[]);
    assert!(whole.head == plain.head || [304, 412].contains(&whole.head.status));
    match get.head.status {
        206 | 416 => parts::check(&get, &whole),
        _ => assert_eq!(get.head, whole.head),
    }
    // RFC 9110 §15.3.7, §15.4.5: these fields of a 200 a 206 and a 304 have too.
    let is_of_200 = plain.head.status == 200 && [206, 304].contains(&get.head.status);
    for name in ["etag", "vary", "cache-control"] {
        assert!(!is_of_200 || get.head.get(name) == plain.head.get(name));
    }
}
