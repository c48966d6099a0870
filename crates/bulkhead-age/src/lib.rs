//! age without private keys: what a header tells, what a recipient is, and which of the two belong together.
//!
//! Bytes and texts in, data out: nothing here reads a file, runs a process or needs a key. No input panics, and time and
//! memory are bounded by limits that each module names.
//!
//! ```
//! use bulkhead_age::{Recipient, match_recipients, parse_header};
//!
//! let file = b"age-encryption.org/v1\n\
//!     -> ssh-ed25519 V3XmEA BbuzDQeEHj2Di4KGLTT2ZyQISRQLt4Nwq0VsBiJLBGQ\n\
//!     PmS0vFpKmQnN4bCvkX1G9GkXwUJ6kVtqRqv5wN1nQYc\n\
//!     --- HK2NmOBN9Dpq0Gw6xMCuhFcQlQLvZ/wQUi/2scLG75s\n";
//! let header = parse_header(file, false).unwrap();
//! let ponyo = Recipient::parse(
//!     "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0idNvgGiucWgup/mP78zyC23uFjYq0evcWdjGQUaBH ponyo",
//! )
//! .unwrap();
//! let result = match_recipients(&header, &[ponyo]);
//! assert_eq!((result.matched.len(), result.missing.len(), result.stale.len()), (1, 0, 0));
//! ```

mod armor;
mod bech32;
mod curve;
mod encoding;
mod field;
mod foreign;
pub mod header;
mod header_error;
mod key_error;
pub mod matching;
pub mod onion;
mod pgp;
pub mod private_key;
pub mod recipient;
pub mod ssh;
pub mod stanza;

pub use header::{Header, parse_header};
pub use header_error::{Foreign, HeaderError, HeaderErrorKind};
pub use key_error::{KeyError, KeyErrorKind};
pub use matching::{Match, StanzaExpectation, match_recipients};
pub use onion::{OnionError, OnionV3, parse_onion};
pub use private_key::{PrivateKeyFound, PrivateKeyKind, looks_like_private_key, whole_private_key};
pub use recipient::{P256Family, Recipient, RecipientKind, SpellingProblem};
pub use ssh::{SshKeyKind, SshPublicKey, Weakness};
pub use stanza::Stanza;
