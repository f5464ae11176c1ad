//! Memory for a packed site that comes and goes: a mapping of its own, not a part of the heap.
//!
//! A site that `serve DIR --watch` has let go of is given back to the system whole. Of the heap
//! the C library would keep it: after the first large block that was freed, it takes blocks of
//! that length from its arenas, which have holes and are as many as there are threads.

use std::io::{self, Read, Seek, SeekFrom, Write};

use memmap2::MmapMut;

/// How long it is at first, if nothing better is known. Pages that nobody writes to cost nothing.
const FIRST_BYTES: usize = 32 << 20;

/// Bytes that are read and written as a file is.
pub(super) struct Block {
    map: MmapMut,
    /// How many of them were written.
    length: usize,
    at: usize,
}

impl Block {
    /// An empty one with room for so many bytes.
    pub(super) fn with_room(bytes: usize) -> io::Result<Block> {
        Ok(Block {
            map: MmapMut::map_anon(bytes.max(FIRST_BYTES))?,
            length: 0,
            at: 0,
        })
    }

    /// Makes room up to `end`.
    fn reach(&mut self, end: usize) -> io::Result<()> {
        if end > self.map.len() {
            let mut map = MmapMut::map_anon(end.max(self.map.len().saturating_mul(2)))?;
            if let Some(start) = map.get_mut(..self.length) {
                start.copy_from_slice(self.as_ref());
            }
            self.map = map;
        }
        self.length = self.length.max(end);
        Ok(())
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        self.map.get(..self.length).unwrap_or_default()
    }
}

impl Write for Block {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = self.at.checked_add(bytes.len());
        let end = end.ok_or(io::ErrorKind::FileTooLarge)?;
        self.reach(end)?;
        if let Some(place) = self.map.get_mut(self.at..end) {
            place.copy_from_slice(bytes);
        }
        self.at = end;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Block {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.as_ref().get(self.at..).unwrap_or_default();
        let read = rest.read(out)?;
        self.at += read;
        Ok(read)
    }
}

impl Seek for Block {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(offset) => (offset, 0),
            SeekFrom::Current(by) => (self.at as u64, by),
            SeekFrom::End(by) => (self.length as u64, by),
        };
        let at = from.checked_add_signed(by);
        let at = at.and_then(|at| usize::try_from(at).ok());
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read as _, Seek as _, SeekFrom, Write as _};

    use super::Block;

    #[test]
    fn it_is_as_a_cursor_of_the_heap() {
        let mut block = Block::with_room(0).unwrap();
        let mut cursor = Cursor::new(Vec::new());
        let piece: Vec<u8> = (0..5_000_000_u32).map(|number| number as u8).collect();
        for (to, bytes) in [
            (SeekFrom::Start(256), 5_000_000),
            (SeekFrom::End(0), 5_000_000),
            (SeekFrom::Start(0), 256),
            (SeekFrom::Current(100), 3),
            // Beyond what there was room for, with a gap before it.
            (SeekFrom::End(40_000_000), 1),
            (SeekFrom::Start(7), 2),
        ] {
            assert_eq!(block.seek(to).unwrap(), cursor.seek(to).unwrap());
            block.write_all(&piece[..bytes]).unwrap();
            cursor.write_all(&piece[..bytes]).unwrap();
            let (mut one, mut other) = ([0; 9], [0; 9]);
            let (read, same) = (
                block.read(&mut one).unwrap(),
                cursor.read(&mut other).unwrap(),
            );
            assert_eq!((read, one), (same, other), "{to:?}");
        }
        assert!(block.as_ref() == &**cursor.get_ref());
        assert!(block.seek(SeekFrom::Current(-100)).is_err());
        block.seek(SeekFrom::End(10)).unwrap();
        assert_eq!(block.read(&mut [0; 9]).unwrap(), 0);
    }
}
