//! Findings as data, and how they are shown.
//!
//! A [`Diagnostic`] owns everything it says and is `Send`; it names places by file and byte range. The renderers turn
//! places into lines and columns with the help of [`Sources`], which reads the texts.

mod diagnostic;

pub use diagnostic::{Diagnostic, Place, Related, Severity, Sources};
