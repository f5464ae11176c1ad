//! The headers of tar: what stands before each member. Who reads an archive, be it a source of a
//! site or an image, reads its members by these.

mod extension;
mod header;

pub use extension::{Extended, global_time};
pub use header::{BLOCK_BYTES, Header, SPARSE, Type};
