//! Little-endian fields, one after the other.

/// What is left of a record. Past its end all fields are 0, which no signature is.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    pub(super) fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// The next so many bytes; none if there are fewer.
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn array<const BYTES: usize>(&mut self) -> [u8; BYTES] {
        let bytes = self.bytes(BYTES).and_then(|bytes| bytes.first_chunk());
        bytes.copied().unwrap_or([0; BYTES])
    }
}
