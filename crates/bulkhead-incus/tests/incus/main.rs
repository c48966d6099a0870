//! `bulkhead-incus` with a real Incus daemon, in namespaces that each test makes and removes.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod at_once;
mod daemon;
mod failures;
mod garbage;
mod interrupted;
mod lab;
mod lifecycle;
mod ownership;
mod run;
mod sockets;

use std::process::Output;

/// Assert that a command ended with `code`, else show what it said.
#[track_caller]
fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
}

/// What a command said on standard error.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
