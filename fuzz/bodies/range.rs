//! A Range is read as the slow reader in `range/expected.rs` reads it: the parts lie inside of
//! the representation, neither overlap nor touch, and keep their order.

use chapbook::http::range::{Part, Parts, Ranges, parse};

#[path = "range/expected.rs"]
mod expected;

/// The first line of `data` is the length of the representation, the rest the field's value.
pub(crate) fn run(data: &[u8]) {
    let line_end = data.iter().position(|byte| *byte == b'\n');
    let (length, value) = data.split_at(line_end.map_or(0, |at| at + 1));
    let length = String::from_utf8_lossy(length).trim().parse().unwrap_or(0);
    let value = value.trim_ascii();
    assert_ne!(parse(value, length), Ranges::Parts(Parts::new()));

    let found = read(value, length);
    let parts = || found.iter().flatten();
    assert!(parts().all(|part| part.first <= part.last && part.last < length));
    assert_eq!(read(&value.to_ascii_uppercase(), length), found);
    assert_eq!(read(&[b"\t ", value, b" ,"].concat(), length), found);
    assert_eq!(found, expected::parts(value, length));

    let text: Vec<String> = parts()
        .map(|part| format!("{}-{}", part.first, part.last))
        .collect();
    let again = read(format!("bytes={}", text.join(",")).as_bytes(), length);
    assert!(text.is_empty() || again == found);
}

/// None if the set is ignored; no parts if it is unsatisfiable.
fn read(value: &[u8], length: u64) -> Option<Vec<Part>> {
    match parse(value, length) {
        Ranges::Ignored => None,
        Ranges::Unsatisfiable => Some(vec![]),
        Ranges::Parts(parts) => Some(parts.to_vec()),
    }
}
