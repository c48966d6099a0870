//! A fleet on disk, and the program run on it.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The example fleet of this repository.
pub fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nix/fleet")
}

/// A folder that goes when the test ends.
pub struct Folder {
    dir: tempfile::TempDir,
}

/// What a run printed, and how it ended.
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }

    /// The rules of the findings in JSON, in order.
    pub fn rules(&self) -> Vec<String> {
        let json = self.json();
        let findings = json["findings"].as_array().unwrap();
        findings.iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
    }
}

impl Folder {
    pub fn empty() -> Folder {
        Folder { dir: tempfile::tempdir().unwrap() }
    }

    /// A copy of the example fleet.
    pub fn fleet() -> Folder {
        let folder = Folder::empty();
        copy(&example(), folder.path());
        folder
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Folder {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap()
    }

    /// Replace `from`, which must be there, in a file.
    pub fn change(&self, path: &str, from: &str, to: &str) -> &Folder {
        let text = self.read(path);
        assert!(text.contains(from), "{path} has no {from}");
        self.write(path, text.replacen(from, to, 1))
    }

    pub fn bulkhead(&self, arguments: &[&str]) -> Run {
        self.run(env!("CARGO_BIN_EXE_bulkhead"), arguments)
    }

    pub fn git(&self, arguments: &[&str]) -> Run {
        let run = self.run("git", arguments);
        assert_eq!(run.code, 0, "git {arguments:?}: {}", run.stderr);
        run
    }

    /// A repository with everything committed.
    pub fn with_git(self) -> Folder {
        self.git(&["init", "--quiet", "--initial-branch=main"]);
        self.git(&["config", "user.name", "Tester"]);
        self.git(&["config", "user.email", "tester@example.org"]);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message=first"]);
        self
    }

    pub fn run(&self, program: &str, arguments: &[&str]) -> Run {
        finish(self.command(program).args(arguments).output().unwrap())
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path()).stdin(Stdio::null());
        for variable in ["NIX_PATH", "NO_COLOR", "COLUMNS", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"] {
            command.env_remove(variable);
        }
        command
    }
}

pub fn finish(output: Output) -> Run {
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
