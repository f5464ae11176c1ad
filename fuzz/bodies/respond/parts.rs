//! A 206 sends just the bytes that it names, out of the content of the 200.

use super::answer::Answer;

/// `part` answers, with 206 or 416, what `whole` answers without Range.
pub(super) fn check(part: &Answer, whole: &Answer) {
    assert_eq!(whole.head.status, 200);
    let (content, whole) = (content(part), content(whole));
    match (part.head.status, part.head.get("content-range")) {
        (416, range) => assert_eq!(range, Some(&*format!("bytes */{}", whole.len()))),
        (_, Some(range)) => check_part(range, &content, &whole),
        (_, None) => check_multipart(part.head.get("content-type").unwrap(), &content, &whole),
    }
}

/// As a client cuts it: at the boundary, which no part may hold (RFC 2046 §5.1.1).
fn check_multipart(media_type: &str, content: &[u8], whole: &[u8]) {
    let boundary = media_type.strip_prefix("multipart/byteranges; boundary=");
    let delimiter = format!("\r\n--{}", boundary.unwrap());
    let characters = content.iter().map(|byte| char::from(*byte)); // a byte, a character
    let text = "\r\n".chars().chain(characters).collect::<String>();
    let (before, rest) = text.split_once(&delimiter).unwrap();
    let (parts, after) = rest.rsplit_once(&delimiter).unwrap();
    assert!(before.is_empty() && after == "--\r\n");
    for part in parts.split(&delimiter) {
        let (fields, bytes) = part.split_once("\r\n\r\n").unwrap();
        let range = fields.split("\r\nContent-Range: ").nth(1).unwrap();
        let bytes: Vec<u8> = bytes.chars().flat_map(u8::try_from).collect();
        check_part(range, &bytes, whole);
    }
}

fn check_part(range: &str, bytes: &[u8], whole: &[u8]) {
    let range = range.strip_prefix("bytes ").unwrap();
    let range = range.strip_suffix(&format!("/{}", whole.len())).unwrap();
    let (first, last) = range.split_once('-').unwrap();
    let part = whole.get(first.parse().unwrap()..=last.parse().unwrap());
    assert!(part == Some(bytes), "{range}");
}

fn content(answer: &Answer) -> Vec<u8> {
    let slices: Vec<&[u8]> = answer.response.content.slices().collect();
    slices.concat()
}
