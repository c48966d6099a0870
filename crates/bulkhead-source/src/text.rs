//! Files as text.

use std::sync::Arc;

use crate::{FileTree, ReadError, TreePath};

/// Why a file can't be had as text. Every message names the path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The file can't be read at all.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file is read, but it is not UTF-8.
    #[error("can't read `{path}`: it is not UTF-8 (byte 0x{byte:02x} at {offset})")]
    NotUtf8 {
        /// The path asked for.
        path: TreePath,
        /// The first byte that belongs to no character.
        byte: u8,
        /// Where it stands, in bytes from the beginning of the file (the first byte is 0).
        offset: usize,
    },
}

/// The whole file at `path` as text, following links; at most `limit` bytes.
///
/// The text is what the file holds, to the byte: a byte order mark and Windows line ends stay, since whoever reads the
/// text has to judge them as Nix does, and spans count bytes of the file.
pub fn read_text(tree: &dyn FileTree, path: &TreePath, limit: u64) -> Result<Arc<str>, TextError> {
    let bytes = tree.read(path, limit)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Arc::from(text)),
        Err(error) => {
            let offset = error.valid_up_to();
            let byte = bytes.get(offset).copied().unwrap_or_default();
            Err(TextError::NotUtf8 { path: path.clone(), byte, offset })
        }
    }
}
