//! Findings as data, and how they are shown.
//!
//! A [`Diagnostic`] owns everything it says and is `Send`; it names places by file and byte range. A [`Report`] is the
//! sorted list of them with a [`Summary`]. [`render`] writes a report in one [`Format`]; renderers turn places into
//! lines and columns with the help of [`Sources`], which reads the texts. Whatever a repository holds, nothing here
//! panics on it, the formats for people show its control characters as escapes, and no format shows a private key.
//!
//! On the way from rules to a report, [`suppress::apply`] honours `# bulkhead: allow(…)` comments and
//! [`Severities::apply`] the severities of `bulkhead.toml`.

mod concise;
mod diagnostic;
mod excerpt;
mod fold;
mod format;
mod full;
mod github;
pub mod json;
mod masked;
mod nearest;
mod report;
mod sarif;
mod severities;
pub mod suppress;
mod text;

pub use diagnostic::{Diagnostic, Place, Related, Severity, Sources};
pub use format::{Format, RenderOptions, RuleDescription, UnknownFormat, render, render_finding};
pub use masked::{mask_json, mask_private_keys};
pub use nearest::{nearest, slips};
pub use report::{Report, Summary};
pub use severities::{Override, Severities};
