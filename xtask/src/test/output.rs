//! What cargo's tests print: which lines a person wants to see, and which tell of something skipped.
//!
//! Tests say `SKIPPED what: why`, either past libtest (it captures what `eprintln!` prints, not what is written to
//! standard error) or captured. Captured lines are shown by libtest after a run, with `--show-output`, in a section that
//! begins with `successes:`; that section is for us, not for people.

/// Tells the lines for people from the section of what passing tests printed.
#[derive(Debug, Default)]
pub struct Visible {
    in_successes: bool,
    test: Option<String>,
}

impl Visible {
    /// Whether the next line of standard output is for people.
    pub fn shows(&mut self, line: &str) -> bool {
        let line = line.trim_end();
        if let Some(test) = line.strip_prefix("---- ").and_then(|line| line.strip_suffix(" stdout ----")) {
            self.test = Some(test.to_owned());
        }
        match line {
            "successes:" => self.in_successes = true,
            "failures:" => (self.in_successes, self.test) = (false, None),
            _ if line.starts_with("test result: ") => (self.in_successes, self.test) = (false, None),
            _ => {}
        }
        !self.in_successes
    }

    /// The test whose captured output is being read.
    pub fn test(&self) -> Option<&str> {
        self.test.as_deref()
    }
}

/// What was skipped, and why, each once.
#[derive(Debug, Default, PartialEq)]
pub struct Skips(Vec<String>);

impl Skips {
    /// Read a line, printed by `test` if that is known.
    pub fn read(&mut self, line: &str, test: Option<&str>) {
        let line = line.trim();
        let is_one = line.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("skipped"));
        let Some(what) = line.get(7..).filter(|rest| is_one && rest.starts_with([' ', ':'])) else { return };
        let what = what.trim_start_matches([' ', ':']);
        self.add(match test {
            Some(test) if !what.contains(test) => format!("{test}: {what}"),
            _ => what.to_owned(),
        });
    }

    /// Take over those of another.
    pub fn extend(&mut self, other: Skips) {
        other.0.into_iter().for_each(|skip| self.add(skip));
    }

    /// What to tell at the end.
    pub fn summary(&self) -> String {
        match self.0.as_slice() {
            [] => "\nNothing was skipped.".to_owned(),
            skips => {
                let count = skips.len();
                let checks = if count == 1 { "check was" } else { "checks were" };
                format!("\n{count} {checks} skipped:\n  {}", skips.join("\n  "))
            }
        }
    }

    fn add(&mut self, skip: String) {
        if !self.0.contains(&skip) {
            self.0.push(skip);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 2 tests
test one ... ok
test two ... ok

successes:

---- one stdout ----
SKIPPED `age` is not installed

---- two stdout ----
skipping stones

successes:
    one
    two

test result: ok. 2 passed; 0 failed
";

    #[test]
    fn what_passing_tests_print_is_read_but_not_shown() {
        let (mut visible, mut skips, mut shown) = (Visible::default(), Skips::default(), Vec::new());
        for line in OUTPUT.lines() {
            skips.read(line, visible.test());
            if visible.shows(line) {
                shown.push(line);
            }
        }
        assert_eq!(skips, Skips(vec!["one: `age` is not installed".to_owned()]));
        assert_eq!(
            shown,
            ["running 2 tests", "test one ... ok", "test two ... ok", "", "test result: ok. 2 passed; 0 failed"]
        );
    }

    #[test]
    fn a_test_that_says_its_name_is_not_named_twice() {
        let mut skips = Skips::default();
        skips.read("SKIPPED one: no Nix\n", None);
        skips.read("SKIPPED one: no Nix\n", Some("one"));
        assert_eq!(skips.summary(), "\n1 check was skipped:\n  one: no Nix");
    }
}
