//! The artifact: a standard `.sql.gz` or `.sql.zst` that carries its own index and proof. `docs/FORMAT.md` describes it.

mod codec;
mod crc32;
mod cutter;
mod decoder;
mod deflate;
mod encrypting;
mod format;
mod member;
mod packing;
mod reader;
mod source;
mod writer;
mod zstd_frame;

pub use codec::{Codec, Compression};
pub(crate) use crc32::Crc32;
pub(crate) use cutter::{Cutter, Piece};
pub(crate) use decoder::{Decoder, Spare};
#[cfg(test)]
pub(crate) use deflate::noise;
pub(crate) use encrypting::MaybeEncrypted;
pub(crate) use format::DataHeader;
pub(crate) use reader::{Artifact, Footer, Member};
pub(crate) use source::{SqlSource, is_packed};
pub(crate) use writer::{ArtifactWriter, Extent, Members, PieceSender, Placed, WRITE_ARTIFACT, Written};
