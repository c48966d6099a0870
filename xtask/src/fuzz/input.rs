//! What a target is tried with: some files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use bulkhead::source::MemoryTree;

/// Files by their paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input(pub BTreeMap<String, Vec<u8>>);

impl Input {
    /// An input of these files.
    pub fn new<const N: usize>(files: [(&str, Vec<u8>); N]) -> Input {
        Input(files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes)).collect())
    }

    /// The only file, for targets that read one.
    pub fn bytes(&self) -> &[u8] {
        self.0.values().next().map_or(&[], Vec::as_slice)
    }

    /// The only file, as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// Bytes of all files: a number to decide by what else is done with the input.
    pub fn size(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// As a tree.
    pub fn tree(&self) -> Arc<MemoryTree> {
        // No target makes paths that leave the tree; a saved input may have been changed by hand, and is then empty.
        Arc::new(MemoryTree::new(&self.0).unwrap_or_default())
    }

    /// Write the files into a folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        for (path, bytes) in &self.0 {
            let file = folder.join(path);
            if let Some(parent) = file.parent() {
                fs::create_dir_all(parent).with_context(|| format!("can't make {}", parent.display()))?;
            }
            fs::write(&file, bytes).with_context(|| format!("can't write {}", file.display()))?;
        }
        Ok(())
    }

    /// Read all files of a folder.
    pub fn read(folder: &Path) -> Result<Input> {
        let mut input = Input::default();
        input.read_below(folder, "")?;
        Ok(input)
    }

    fn read_below(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        let context = || format!("can't read {}", folder.display());
        for entry in fs::read_dir(folder).with_context(context)? {
            let entry = entry.with_context(context)?;
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().with_context(context)?;
            if kind.is_dir() {
                self.read_below(&entry.path(), &format!("{path}/"))?;
            } else if kind.is_file() {
                self.0.insert(path, fs::read(entry.path()).with_context(context)?);
            }
        }
        Ok(())
    }
}
