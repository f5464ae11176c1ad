//! Whatever a client writes in Forwarded and X-Forwarded-For, the address that its proxy adds is
//! the one that is found.

use std::net::IpAddr;

use chapbook::http::forwarded::client;
use chapbook::request::{Field, Fields};

const USUAL: (&[u8], &str) = (b"X-Forwarded-For", "192.0.2.1, 10.0.0.1");
const STANDARD: (&[u8], &str) = (b"Forwarded", "for=192.0.2.1;by=_x, for=\"10.0.0.1:8080\"");

/// `data` is what a client wrote: a line, or two with a line end between.
pub(crate) fn run(data: &[u8]) {
    let proxy: IpAddr = "10.0.0.1".parse().unwrap();
    let real: Option<IpAddr> = "192.0.2.1".parse().ok();
    let find = |lines: &[Field]| client(Fields(lines), |address| address == proxy);
    let written: Vec<&[u8]> = data.splitn(2, |byte| *byte == b'\n').collect();
    for ((name, added), (other, _)) in [(USUAL, STANDARD), (STANDARD, USUAL)] {
        let field = |value| Field { name, value };
        let mut lines: Vec<Field> = written.iter().copied().map(field).collect();
        // In a line of its own it counts whatever stands before.
        lines.push(field(added.as_bytes()));
        assert_eq!(find(&lines), real);
        // With the other field, which says something else, it may be that nothing counts.
        let (name, value) = (other, written[0]);
        lines.push(Field { name, value });
        assert!([None, real].contains(&find(&lines)));
        // Behind what the client wrote it counts, unless that spoils the line.
        lines.truncate(written.len() - 1);
        let line = [written[written.len() - 1], b", ", added.as_bytes()].concat();
        lines.push(field(&line));
        let found = find(&lines);
        assert!(found == real || (added == STANDARD.1 && found.is_none()));
    }
}
