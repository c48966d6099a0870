//! Rules whose findings come from elsewhere: from loading the fleet (`bulkhead_fleet`) and from suppression comments
//! (`bulkhead_diagnostics::suppress`), or from generating (`bulkhead_generate`).

use bulkhead_diagnostics::Severity;
use bulkhead_diagnostics::suppress::{ALLOW_WITHOUT_REASON, MALFORMED_ALLOW, UNUSED_ALLOW};

use crate::rule::{Area, Rule};

/// A file that can't be read.
pub(crate) const UNREADABLE_FILE: Rule = Rule {
    name: "unreadable-file",
    area: Area::Files,
    severity: Severity::Error,
    summary: "A file that is needed can't be read as what it is.",
    docs: "\
A file or folder can't be read: it is missing, a folder, FIFO, socket or device lies where a file belongs, a symbolic
link leaves the repository or goes in circles, it is larger than what is read, or it is not UTF-8.

The files of a git submodule are in no index and no revision of the repository around it (`--staged`, `--rev`), and
not in a working tree where it is not checked out. The finding is *undecided* then, as it is about files of which it
can't be told whether they matter. `ignore` in `bulkhead.toml` takes out what does not; a name that is not UTF-8 is
matched as it is shown, with U+FFFD for what is wrong.

A submodule or a link out of the repository where machines are looked for may hold machines. It counts as one of which
nothing is known: rules that need to know all roles or machines are undecided.

Passed over without a finding is `.git`; and in the working tree, unless git tracks a file in them: `.jj`, `.hg`,
`.svn`, `.direnv`, `node_modules`, `__pycache__`, and inside a git repository folders with a signed `CACHEDIR.TAG`.
Nothing else but links named `result` or `result-…`, and what `ignore` says.

**Why it matters.** What it says is not judged, and Nix may refuse it too.

**Fix.** The finding says what was expected. Text files are UTF-8: `iconv -f latin1 -t utf-8 FILE`.

```console
machines/kif/properties.nix -> /etc/kif.nix    # bad: leaves the repository
machines/kif/properties.nix                    # good: a file
```
",
    check: None,
};

/// All of them.
pub(crate) const REPORTED: [Rule; 13] = [
    UNREADABLE_FILE,
    Rule {
        name: "gen-secrets",
        area: Area::Secrets,
        severity: Severity::Error,
        summary: "`gen-secrets` can't write rules for a secret, or leaves somebody out.",
        docs: "\
`bulkhead gen-secrets` meets something that it would have to guess: a role or machine that does not exist, a key that is
not known or damaged, a secret that nobody could read, a name that agenix can't take. It then writes nothing. What it can
leave out safely (a machine that has no host key yet) is a warning, and a comment in the file.

**Why it matters.** Rules that silently lack a recipient end in a machine whose secrets fail at activation.

**Fix.** The finding points at the entry, role or key.

```nix
# bad: no machine has the role
{ wifi.roles = [ \"latpop\" ]; }
# good
{ wifi.roles = [ \"laptop\" ]; }
```
",
        check: None,
    },
    Rule {
        name: "adopt-rules",
        area: Area::Secrets,
        severity: Severity::Error,
        summary: "A handwritten rule can't be said in terms of machines, roles and admins.",
        docs: "\
`bulkhead gen-secrets --adopt` turns handwritten agenix rules into `secrets/properties.nix`, and refuses if any recipient
would change: an entry names a key that belongs to no machine, user or admin, or its `.age` file lies where the convention
has no place for it.

**Why it matters.** A recipient that is lost in the change can't read its secret after the next rekeying; one that is
gained can read too much.

**Fix.** Say whose the key is: `hostKey` or `userKeys` of a machine, or `admins` in `bulkhead.toml`.

```nix
# bad: whose key is it?
{ \"wifi.age\".publicKeys = [ \"age1…\" ]; }
# good: in bulkhead.toml, `admins = [\"age1…\"]`, or in a machine's properties
{ userKeys = [ \"age1…\" ]; }
```
",
        check: None,
    },
    Rule {
        name: "gen-docs",
        area: Area::Files,
        severity: Severity::Error,
        summary: "The markers of generated regions in a document are not in order.",
        docs: "\
`bulkhead gen-docs` writes between `<!-- bulkhead:begin NAME -->` and `<!-- bulkhead:end NAME -->`, each alone on its
line. A begin without an end, one region inside another, a region that comes twice, or an
unknown name.

**Why it matters.** What is a person's text can't be told from what is generated, so nothing is written, and the document
goes out of date.

**Fix.** The finding points at the marker.

```markdown
# bad: no end
<!-- bulkhead:begin roles -->

# good
<!-- bulkhead:begin roles -->
<!-- bulkhead:end roles -->
```
",
        check: None,
    },
    Rule {
        name: "schema",
        area: Area::Files,
        severity: Severity::Error,
        summary: "A property is missing, misspelt or of the wrong type.",
        docs: "\
A machine's `properties.nix`, `secrets/properties.nix` or a rules file does not fit its JSON Schema (in `schemas/`): a
property is missing or not known, a value has the wrong type or is none of those allowed. A file among the secrets whose
name ends in `.AGE` is none of them: agenix takes names as they are.

**Why it matters.** What Bulkhead and the fleet's own modules read from the file is not what its author meant.

**Fix.** The finding points at the text and names what is allowed, with the nearest name.

```nix
# bad
{ hostName = \"kif\"; arch = \"x86-64-linux\"; systemRoles = [ ]; }
# good
{ hostNames = [ \"kif\" ]; arch = \"x86_64-linux\"; systemRoles = [ \"server\" ]; }
```
",
        check: None,
    },
    Rule {
        name: "config",
        area: Area::Files,
        severity: Severity::Error,
        summary: "`bulkhead.toml` is no TOML, or says something that is not known.",
        docs: "\
`bulkhead.toml` can't be parsed, or has a key or value that its schema does not allow.

**Why it matters.** The parts that are wrong are replaced by their defaults: a check may be less strict than intended.

**Fix.** The finding points at the text and names what is allowed.

```toml
# bad
[layout]
machine = \"hosts\"
# good
[layout]
machines = \"hosts\"
```
",
        check: None,
    },
    Rule {
        name: "linked-machine",
        area: Area::Files,
        severity: Severity::Error,
        summary: "A machine is not read, because it lies behind a symbolic link.",
        docs: "\
A symbolic link below the machines' folder leads to a folder with a `properties.nix`. Links to folders are not followed: to
`builtins.readDir` they are no directories, so Nix code that lists the machines passes over them too. The machine counts as
one of which nothing is known.

If the link leads to a folder that is among the machines already, the finding is a warning: nothing is missing.

**Why it matters.** Nothing that the machine says is judged, and its keys may be missing from secrets.

**Fix.** Move the folder to where the link is.

```console
machines/kif -> ../old/kif     # bad
machines/kif/                  # good
```
",
        check: None,
    },
    Rule {
        name: "nix-syntax",
        area: Area::Files,
        severity: Severity::Error,
        summary: "A file is no Nix expression.",
        docs: "\
A `.nix` file that is needed can't be parsed: a missing semicolon, an unclosed bracket, an attribute that is written twice.

**Why it matters.** Nix refuses the file too, and nothing that it says can be judged.

**Fix.** The finding points at the text that was not expected.

```nix
# bad
{ hostNames = [ \"kif\" ] }
# good
{ hostNames = [ \"kif\" ]; }
```
",
        check: None,
    },
    Rule {
        name: "nix-evaluation",
        area: Area::Files,
        severity: Severity::Error,
        summary: "Evaluating a file fails.",
        docs: "\
Evaluating a file that is needed ends in an error: a missing attribute, a wrong type, a failed assertion, infinite recursion,
or a limit of steps, depth or memory.

**Why it matters.** Nix fails in the same way, and nothing that depends on the value can be judged.

**Fix.** The finding shows where, and through which calls. Limits can be raised in `bulkhead.toml`, in the table `limits`.

```nix
# bad: there is no `kiff`
{ \"wifi.age\".publicKeys = [ hosts.kiff ]; }
# good
{ \"wifi.age\".publicKeys = [ hosts.kif ]; }
```
",
        check: None,
    },
    Rule {
        name: "unknown-value",
        area: Area::Files,
        severity: Severity::Undecided,
        summary: "A property depends on something that can't be known here.",
        docs: "\
A property of a machine or a secret depends on the environment, the network, the clock or a nixpkgs that is not at hand.

**Why it matters.** Rules that need the property can't be decided. Each of them says so too.

**Fix.** Write the value itself; or supply what is missing: `--nixpkgs PATH`, `NIX_PATH`, `--evaluator nix`.

```nix
# bad
{ hostNames = [ (builtins.getEnv \"HOSTNAME\") ]; }
# good
{ hostNames = [ \"kif\" ]; }
```
",
        check: None,
    },
    Rule {
        name: UNUSED_ALLOW,
        area: Area::Allows,
        severity: Severity::Warning,
        summary: "A suppression comment suppresses nothing.",
        docs: "\
A comment `# bulkhead: allow(rule) reason` stands where the rule finds nothing (any more).

**Why it matters.** It would hide the next finding there, which nobody has looked at.

**Fix.** Delete the comment, or move it to the line that the finding is about.

```nix
# bad: the key is used once
hostKey = \"ssh-ed25519 AAAA…\"; # bulkhead: allow(duplicate-host-key) cloned on purpose
# good
hostKey = \"ssh-ed25519 AAAA…\";
```
",
        check: None,
    },
    Rule {
        name: ALLOW_WITHOUT_REASON,
        area: Area::Allows,
        severity: Severity::Warning,
        summary: "A suppression comment gives no reason.",
        docs: "\
A comment `# bulkhead: allow(rule)` does not say why.

**Why it matters.** Whoever reads it next can't tell whether the reason still holds.

**Fix.** Write the reason behind the bracket.

```nix
# bad
hostKey = \"…\"; # bulkhead: allow(duplicate-host-key)
# good
hostKey = \"…\"; # bulkhead: allow(duplicate-host-key) a pair for failover
```
",
        check: None,
    },
    Rule {
        name: MALFORMED_ALLOW,
        area: Area::Allows,
        severity: Severity::Warning,
        summary: "A suppression comment can't be read, or names a rule that does not exist.",
        docs: "\
A comment begins with `bulkhead:` and is not of the form `allow(rule, other-rule) reason`, or names an unknown rule.

**Why it matters.** It suppresses nothing, though its author thinks so.

**Fix.** The finding says what was expected, with the nearest name of a rule.

```nix
# bad
hostKey = \"…\"; # bulkhead: allow(duplicate-hostkey) a pair for failover
# good
hostKey = \"…\"; # bulkhead: allow(duplicate-host-key) a pair for failover
```
",
        check: None,
    },
];
