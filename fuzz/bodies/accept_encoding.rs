//! What Accept-Encoding says depends on its members alone: not on how they are spread over field
//! lines, nor on their order, their case, or members that say nothing.

use chapbook::http::negotiate::AcceptEncoding;
use sitepack::ContentCoding;

const SAY_NOTHING: &str = "br;q=1.001|*;q=.5|gzip;q=0.0001|zstd;q=1x|identity;q= 0|\
    gzip;q=0;q=1|br;|gz ip|;q=0|deflate";

/// Each line of `data` is the value of a field line.
pub(crate) fn run(data: &[u8]) {
    let said = parse(data);
    for coding in ContentCoding::ALL {
        let preference = said.preference(coding);
        assert!(preference.is_none_or(|preference| (1..=2000).contains(&preference)));
        let wanted = parse(&[data, b",", coding.token().as_bytes()].concat());
        assert_eq!(wanted.preference(coding), Some(2000));
        let others = ContentCoding::ALL
            .into_iter()
            .filter(|other| *other != coding);
        others.for_each(|other| assert_eq!(wanted.preference(other), said.preference(other)));
    }
    for nothing in SAY_NOTHING.split('|').map(str::as_bytes) {
        assert_eq!(parse(&[data, b",", nothing].concat()), said);
        assert_eq!(parse(&[nothing, b"\n", data].concat()), said);
    }
    assert_eq!(parse(&data.to_ascii_uppercase()), said);
    let is_end = |byte: &u8| b"\n,".contains(byte);
    let mut members: Vec<&[u8]> = data.split(is_end).collect();
    for separator in [&b","[..], b"\n", b" \t,\n,\t "] {
        members.reverse();
        assert_eq!(parse(&members.join(separator)), said);
    }
}

fn parse(lines: &[u8]) -> AcceptEncoding {
    AcceptEncoding::parse(lines.split(|byte| *byte == b'\n'))
}
