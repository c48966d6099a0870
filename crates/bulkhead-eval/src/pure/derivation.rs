//! Where derivations and their outputs lie in the store: hashes of what goes into them, nothing is built.
//!
//! The rules are those of the chapters "Store Derivation and Deriving Path", "Input-addressing derivation outputs" and
//! "Derivation ATerm Format" of the Nix manual.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::hash::{Algorithm, base16};
use super::store::{store_path, text_store_path};

/// A derivation as it is written to the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Derivation {
    pub(crate) name: String,
    pub(crate) system: Vec<u8>,
    pub(crate) builder: Vec<u8>,
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) env: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) sources: BTreeSet<String>,
    /// The derivations that it depends on, with the outputs that it uses.
    pub(crate) inputs: BTreeMap<String, BTreeSet<String>>,
    pub(crate) outputs: BTreeSet<String>,
    /// What a fixed output must contain.
    pub(crate) fixed: Option<Fixed>,
}

/// The content of an output that is known beforehand.
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    /// Whether it is the hash of an archive rather than of a flat file.
    pub(crate) recursive: bool,
    pub(crate) algorithm: Algorithm,
    pub(crate) hash: Vec<u8>,
}

impl Fixed {
    /// `r:sha256`, as the derivation says it.
    fn kind(&self) -> String {
        format!("{}{}", if self.recursive { "r:" } else { "" }, self.algorithm.name())
    }
}

/// Where a derivation lies, and what others need to know of it.
#[derive(Clone, Debug)]
pub(crate) struct Instantiated {
    pub(crate) path: String,
    pub(crate) outputs: BTreeMap<String, String>,
    /// The hash that stands for it in the hashes of those that depend on it, in base 16.
    pub(crate) modulo: String,
    pub(crate) sources: BTreeSet<String>,
    pub(crate) inputs: BTreeSet<String>,
}

impl Derivation {
    /// The paths of the derivation and of its outputs. `modulo` gives [`Instantiated::modulo`] of an input.
    pub(crate) fn instantiate(mut self, modulo: impl Fn(&str) -> Option<String>) -> Result<Instantiated, String> {
        let mut hashed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (path, outputs) in &self.inputs {
            let hash = modulo(path).ok_or_else(|| format!("{path} is not known"))?;
            hashed.entry(hash).or_default().extend(outputs.iter().cloned());
        }
        let mut paths = BTreeMap::new();
        let modulo = match self.fixed.clone() {
            Some(fixed) => {
                let path = fixed_path(&self.name, &fixed)?;
                self.env.insert(b"out".to_vec(), path.clone().into_bytes());
                let text = format!("fixed:out:{}:{}:{path}", fixed.kind(), base16(&fixed.hash));
                paths.insert("out".to_owned(), path);
                base16(&Sha256::digest(text))
            }
            None => {
                for output in &self.outputs {
                    self.env.insert(output.clone().into_bytes(), Vec::new());
                    paths.insert(output.clone(), String::new());
                }
                let masked: [u8; 32] = Sha256::digest(self.text(&hashed, &paths)).into();
                for (output, path) in &mut paths {
                    *path = output_path(&self.name, output, &masked)?;
                    self.env.insert(output.clone().into_bytes(), path.clone().into_bytes());
                }
                base16(&Sha256::digest(self.text(&hashed, &paths)))
            }
        };
        let text = self.text(&self.inputs, &paths);
        let references: Vec<&[u8]> = self.sources.iter().chain(self.inputs.keys()).map(String::as_bytes).collect();
        let path = text_store_path(format!("{}.drv", self.name).as_bytes(), &text, &references)?;
        Ok(Instantiated {
            path: String::from_utf8_lossy(&path).into_owned(),
            outputs: paths,
            modulo,
            sources: self.sources,
            inputs: self.inputs.into_keys().collect(),
        })
    }

    /// The derivation as a term.
    fn text(&self, inputs: &BTreeMap<String, BTreeSet<String>>, paths: &BTreeMap<String, String>) -> Vec<u8> {
        let (kind, hash) = match &self.fixed {
            Some(fixed) => (fixed.kind(), base16(&fixed.hash)),
            None => (String::new(), String::new()),
        };
        let mut out = b"Derive(".to_vec();
        list(&mut out, paths, |out, (output, path)| {
            tuple(out, &[output.as_bytes(), path.as_bytes(), kind.as_bytes(), hash.as_bytes()]);
        });
        out.push(b',');
        list(&mut out, inputs, |out, (path, outputs)| {
            out.push(b'(');
            plain(out, path.as_bytes());
            out.push(b',');
            list(out, outputs, |out, output| plain(out, output.as_bytes()));
            out.push(b')');
        });
        out.push(b',');
        list(&mut out, &self.sources, |out, source| plain(out, source.as_bytes()));
        out.push(b',');
        quoted(&mut out, &self.system);
        out.push(b',');
        quoted(&mut out, &self.builder);
        out.push(b',');
        list(&mut out, &self.args, |out, argument| quoted(out, argument));
        out.push(b',');
        list(&mut out, &self.env, |out, (name, value)| {
            out.push(b'(');
            quoted(out, name);
            out.push(b',');
            quoted(out, value);
            out.push(b')');
        });
        out.push(b')');
        out
    }
}

fn output_path(name: &str, output: &str, hash: &[u8; 32]) -> Result<String, String> {
    let name = if output == "out" { name.to_owned() } else { format!("{name}-{output}") };
    let path = store_path(format!("output:{output}").as_bytes(), hash, name.as_bytes())?;
    Ok(String::from_utf8_lossy(&path).into_owned())
}

/// The path of an output whose content is known; also of what fetchers and `builtins.path` with a hash give.
pub(crate) fn fixed_path(name: &str, fixed: &Fixed) -> Result<String, String> {
    let path = match <[u8; 32]>::try_from(fixed.hash.as_slice()) {
        Ok(hash) if fixed.recursive && fixed.algorithm == Algorithm::Sha256 => {
            store_path(b"source", &hash, name.as_bytes())
        }
        _ => {
            let text = format!("fixed:out:{}:{}:", fixed.kind(), base16(&fixed.hash));
            store_path(b"output:out", &Sha256::digest(text).into(), name.as_bytes())
        }
    }?;
    Ok(String::from_utf8_lossy(&path).into_owned())
}

fn list<T>(out: &mut Vec<u8>, items: impl IntoIterator<Item = T>, write: impl Fn(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

fn tuple(out: &mut Vec<u8>, texts: &[&[u8]]) {
    out.push(b'(');
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        plain(out, text);
    }
    out.push(b')');
}

/// A string without characters that must be escaped.
fn plain(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

fn quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => out.push(byte),
        }
    }
    out.push(b'"');
}
