//! Programs whose packages start a server as they are installed. They are unpacked into a folder below `target/`, with
//! the libraries that are missing; the machine stays as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::setup::apt_get;
use crate::repository;

/// The folder that has the programs.
pub fn programs() -> PathBuf {
    folder().join("bin")
}

fn folder() -> PathBuf {
    repository::root().join("target/unpacked")
}

/// Unpack packages with what they depend on and is not installed, and make their program one that runs from there. A
/// program has the name of its package. Failures are told and not fatal.
pub fn unpack(packages: &[&str]) {
    println!("Unpacking {} for the tests, since installing would start a server.", packages.join(", "));
    for package in packages {
        if let Err(error) = unpack_one(&folder(), package) {
            println!("That failed (is there a network?). The tests run without {package}: {error:#}");
        }
    }
}

fn unpack_one(folder: &Path, package: &str) -> Result<()> {
    let archives = folder.join("archives").join(package);
    let root = folder.join(package);
    fs::create_dir_all(archives.join("partial"))?;
    let cache = format!("Dir::Cache::archives={}", archives.display());
    // The user that apt downloads as may not write below `target/`.
    let options = ["-o", &cache, "-o", "APT::Sandbox::User=root"];
    let download = ["install", "--download-only", "-y", "--no-install-recommends", package];
    ensure!(apt_get(&[&options[..], &download].concat()), "apt-get can't download it");
    for entry in fs::read_dir(&archives)? {
        let archive = entry?.path();
        if archive.extension().is_some_and(|extension| extension == "deb") {
            let status = Command::new("dpkg").arg("-x").args([&archive, &root]).stdin(Stdio::null()).status()?;
            ensure!(status.success(), "can't unpack {}", archive.display());
        }
    }
    let program = ["usr/sbin", "usr/bin"].map(|of| root.join(of).join(package)).into_iter().find(|it| it.is_file());
    let program = program.with_context(|| format!("{package} has no program of its name"))?;
    write_starter(&folder.join("bin"), package, &starter(&program, &libraries(&root)?))
}

/// The folders with libraries: Debian has one for each architecture.
fn libraries(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for parent in ["lib", "usr/lib"].map(|parent| root.join(parent)) {
        if parent.is_dir() {
            for entry in fs::read_dir(&parent)? {
                found.push(entry?.path());
            }
        }
    }
    found.retain(|path| path.is_dir() && path.to_string_lossy().contains("-linux-"));
    found.sort();
    Ok(found)
}

/// A script that takes the place of the program, so that a signal to it is one to the program.
fn starter(program: &Path, libraries: &[PathBuf]) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let path = libraries.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(":");
    format!("#!/bin/sh\nLD_LIBRARY_PATH={} exec {} \"$@\"\n", quoted(&path), quoted(&program.display().to_string()))
}

fn write_starter(folder: &Path, name: &str, text: &str) -> Result<()> {
    fs::create_dir_all(folder)?;
    let path = folder.join(name);
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_runs_with_the_libraries_beside_it() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let root = folder.path().join("it's here");
        fs::create_dir_all(root.join("usr/lib/x86_64-linux-gnu"))?;
        fs::create_dir_all(root.join("usr/lib/python3"))?;
        let program = root.join("program");
        fs::write(&program, "#!/bin/sh\necho \"$LD_LIBRARY_PATH\" \"$@\"\n")?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        write_starter(folder.path(), "starter", &starter(&program, &libraries(&root)?))?;
        let output = Command::new(folder.path().join("starter")).args(["a b", "c"]).output()?;
        let expected = format!("{}/usr/lib/x86_64-linux-gnu a b c\n", root.display());
        assert_eq!(String::from_utf8(output.stdout)?, expected);
        Ok(())
    }
}
