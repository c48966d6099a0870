//! Where this repository lies.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The root of the repository. Cargo tells it at run time; a program that was started without cargo uses the place
/// that it was built in.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let package = package.filter(|folder| folder.ends_with("xtask"));
        let package = package.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        package.parent().map(Path::to_owned).unwrap_or(package)
    });
    &ROOT
}

/// The example fleet, which commands are about if they name no other.
pub fn example_fleet() -> &'static str {
    static FLEET: LazyLock<String> = LazyLock::new(|| root().join("nix/fleet").to_string_lossy().into_owned());
    &FLEET
}

/// The folder for what is built and found, as cargo understands it.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// The cargo that runs us, else that of the PATH.
pub fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}
