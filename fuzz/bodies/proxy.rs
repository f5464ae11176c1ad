//! A header of the PROXY protocol is read or refused as soon as it can be, within its bound, and
//! whatever follows it.

use chapbook::limits::{PROXY_V1_BYTES_MAX, PROXY_V2_BYTES_MAX};
use chapbook::server::proxy::{Client, Header, Malformed, Versions};

/// `data` is what a connection begins with.
pub(crate) fn run(data: &[u8]) {
    let [v1, v2, any] = Versions::ALL.map(|versions| read(versions, data));
    assert!(any == v1 || any == v2, "{any:?}");
    assert!(v1.is_err() || v2.is_err() || data.is_empty());
    if let Ok(Some(header)) = any {
        assert_eq!(v1.is_ok(), data.starts_with(b"PROXY "));
        if let Client::At(address) = header.client {
            assert_eq!(address, address.to_canonical());
        }
    }
}

/// The same for all that is there, and for each part of it: nothing, and then what it stays.
fn read(versions: Versions, data: &[u8]) -> Result<Option<Header>, Malformed> {
    let bound = PROXY_V1_BYTES_MAX.max(PROXY_V2_BYTES_MAX);
    let whole = versions.read(data);
    let mut known = Ok(None);
    for end in 0..=data.len().min(bound + 1) {
        let part = versions.read(&data[..end]);
        assert!(known == Ok(None) || part == known, "{end} bytes change it");
        if let Ok(Some(Header { bytes, .. })) = part {
            assert!(bytes <= end && bytes <= bound && (known == part || bytes == end));
        }
        known = part;
    }
    assert_eq!(known, whole, "what is behind the bound counts");
    assert!(
        data.len() <= bound || whole != Ok(None),
        "it waits for ever"
    );
    whole
}
