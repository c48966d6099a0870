//! The arguments. Help texts are part of the product: what it does, an example that works, what the exit code means.

use std::path::PathBuf;

use bulkhead_diagnostics::Format;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::ArgValueCandidates;

use super::complete;

/// Reads a NixOS fleet with agenix secrets, without Nix: checks machines, roles, keys and secrets, and generates
/// secrets.nix.
#[derive(Debug, Parser)]
#[command(
    name = "bulkhead",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "\
Start with `bulkhead check` in your fleet; it needs no configuration.

Exit codes: 0 all is well; 1 there are findings (or the evaluated expression failed); 2 the tool could not do its work."
)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The folder that the fleet lies in [default: the nearest one upwards with a bulkhead.toml, flake.nix, machines/
    /// or .git]
    #[arg(long, short = 'C', global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub root: Option<PathBuf>,

    /// Read what is staged in git instead of the files on disk
    #[arg(long, global = true, conflicts_with = "rev", help_heading = "What is read")]
    pub staged: bool,

    /// Read a git revision instead of the files on disk
    #[arg(long, global = true, value_name = "REV", help_heading = "What is read")]
    pub rev: Option<String>,

    /// What evaluates the Nix files: bulkhead itself (pure, no processes), or the installed Nix
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHAT",
        default_value = "embedded",
        help_heading = "What is read"
    )]
    pub evaluator: EvaluatorChoice,

    /// A nixpkgs for `<nixpkgs>`; else NIX_PATH is looked at
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "What is read")]
    pub nixpkgs: Option<PathBuf>,

    /// Make DIR known as `<NAME>`, or its entries as `<entry>` without a name; may be repeated
    #[arg(short = 'I', global = true, value_name = "[NAME=]DIR", help_heading = "What is read")]
    pub search_path: Vec<String>,

    /// Colours: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}

/// What evaluates Nix files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EvaluatorChoice {
    /// Bulkhead's own evaluator
    Embedded,
    /// nix-instantiate, which runs whatever the files make it do
    Nix,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the fleet against all rules
    Check(CheckArgs),
    /// Check who can read which secret, in any agenix repository
    Audit(AuditArgs),
    /// Generate the agenix rules file secrets.nix from machines, roles and secrets/properties.nix
    GenSecrets(GenSecretsArgs),
    /// Keep the generated regions of CLAUDE.md
    GenDocs(GenDocsArgs),
    /// List the machines and their properties
    Machines(MachinesArgs),
    /// List the roles and the machines that have them
    Roles(JsonArgs),
    /// List the secrets, or those that a machine can read, and why
    Secrets(SecretsArgs),
    /// Tell who can read a secret, and why
    WhoCanRead(WhoCanReadArgs),
    /// Show what a machine's modules define: values, places, conditions
    Show(ShowArgs),
    /// Compare the configurations of two machines, or of one at two revisions
    DiffConfig(DiffConfigArgs),
    /// List the options that modules declare
    Options(OptionsArgs),
    /// Evaluate a Nix expression, without Nix
    Eval(EvalArgs),
    /// Explain a rule: what it finds, why it matters, what to do
    Explain(ExplainArgs),
    /// Print a JSON Schema: of properties.nix, secrets/properties.nix, bulkhead.toml, of the findings as JSON …
    Schema(SchemaArgs),
    /// Install a git pre-commit hook that checks what is staged
    InstallHooks(HooksArgs),
    /// Print completions for a shell
    Completions(CompletionsArgs),
}

/// How findings are shown and what fails.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// How to show findings: full, concise, json, sarif, github
    #[arg(long, value_name = "FORMAT", default_value_t = Format::Full)]
    pub format: Format,
    /// Exit with 1 for these too: warnings, undecided; may be repeated
    #[arg(long, value_enum, value_name = "KIND")]
    pub deny: Vec<Deny>,
}

/// What may be denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Deny {
    /// Warnings
    Warnings,
    /// What could not be decided
    Undecided,
}

/// `check`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bulkhead check                      the fleet around the current folder
  bulkhead check --staged             what `git commit` would commit
  bulkhead check --format json | jq '.findings[] | .rule'
  bulkhead check --deny undecided     for CI: nothing may stay open

Exit code: 0 nothing that fails, 1 findings that fail, 2 the check itself failed.")]
pub struct CheckArgs {
    /// The folder that the fleet lies in; the same as --root
    #[arg(value_name = "PATH", value_hint = ValueHint::DirPath)]
    pub path: Option<PathBuf>,
    /// How findings are shown.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// `audit`
#[derive(Debug, Args)]
#[command(after_help = "\
Compares the recipients in the headers of .age files with the rules that agenix would encrypt them by. Needs no key, and \
no configuration: rules files are found by what they contain.

Examples:
  bulkhead audit                      the repository around the current folder
  bulkhead audit --rules secrets/secrets.nix --format json
  bulkhead audit --rev v1.2           as it was

Exit code: 0 nothing that fails, 1 findings that fail, 2 the audit itself failed.")]
pub struct AuditArgs {
    /// The repository; the same as --root
    #[arg(value_name = "PATH", value_hint = ValueHint::DirPath)]
    pub path: Option<PathBuf>,
    /// A rules file, relative to the repository; may be repeated [default: all that are found]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub rules: Vec<PathBuf>,
    /// How findings are shown.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// `gen-secrets`
#[derive(Debug, Args)]
#[command(after_help = "\
Afterwards it tells which files have to be rekeyed, and why.

Examples:
  bulkhead gen-secrets                write secrets/secrets.nix
  bulkhead gen-secrets --check        for CI: exit with 1 if it is out of date
  bulkhead gen-secrets --adopt        turn a handwritten secrets.nix into secrets/properties.nix

Exit code: 0 it is written, or up to date; 1 it is refused (what would have to be guessed is said, as error or undecided, \
just as `bulkhead check` says it), or with --check it is out of date; 2 the tool failed. Where all reasons are undecided, \
`bulkhead check` ends with 0 unless it runs with `--deny undecided`: it asks whether something is wrong, and this command \
whether the file could be written.")]
pub struct GenSecretsArgs {
    /// Compare with the file there, and write nothing; exit with 1 if they differ
    #[arg(long, conflicts_with_all = ["stdout", "adopt"])]
    pub check: bool,
    /// Print it instead of writing it
    #[arg(long, conflicts_with = "adopt")]
    pub stdout: bool,
    /// Infer secrets/properties.nix from the handwritten rules file, prove that no recipient changes, write both
    #[arg(long)]
    pub adopt: bool,
}

/// `gen-docs`
#[derive(Debug, Args)]
#[command(after_help = "\
Only the text between `<!-- bulkhead:begin NAME -->` and `<!-- bulkhead:end NAME -->` is written; all other text stays. \
What is not known is said on standard error, with the reason.

Exit code: 0 the text is written, or up to date; 1 files have errors, or with --check it is out of date; 2 the tool failed.")]
pub struct GenDocsArgs {
    /// Compare with the file there, and write nothing; exit with 1 if they differ
    #[arg(long, conflicts_with = "stdout")]
    pub check: bool,
    /// Print it instead of writing it
    #[arg(long)]
    pub stdout: bool,
}

/// `machines`
#[derive(Debug, Args)]
#[command(after_help = "\
Systems without a properties.nix, which a flake or another file makes or which begin in a folder of their own, are listed
with the place of their name: `show` takes the names of all.

Example: bulkhead machines --role server --json | jq '.machines | map_values(.hostNames)'

In tables `?` is what is not known, and `-` what is not there.

Exit code: 0 the answer is all there is to know; 1 something in it is not known, or files have errors (it is printed all \
the same, and says what is not known: `unknown` and `undecided` in JSON); 2 the tool failed.")]
pub struct MachinesArgs {
    /// Only machines that have this role
    #[arg(long, value_name = "ROLE", add = ArgValueCandidates::new(complete::roles))]
    pub role: Option<String>,
    /// As JSON, with all properties
    #[arg(long)]
    pub json: bool,
}

/// `roles`
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code: 0 the answer is all there is to know; 1 something in it is not known, or files have errors (it is printed all \
the same, and says what is not known: `incomplete` and `undecided` in JSON); 2 the tool failed.")]
pub struct JsonArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `secrets`
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code: 0 the answer is all there is to know; 1 something in it is not known, or files have errors (it is printed all \
the same, and says what is not known: `undecided` in JSON); 2 the tool failed.")]
pub struct SecretsArgs {
    /// Only secrets that this machine can read, and why
    #[arg(long, value_name = "MACHINE", add = ArgValueCandidates::new(complete::machines))]
    pub machine: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `who-can-read`
#[derive(Debug, Args)]
#[command(after_help = "\
Example: bulkhead who-can-read pia-login

Exit code: 0 the answer is all there is to know; 1 something in it is not known, or files have errors (it is printed all \
the same, and says what is not known: `key` and `undecided` in JSON); 2 the tool failed.")]
pub struct WhoCanReadArgs {
    /// The secret: its name, or its file
    #[arg(add = ArgValueCandidates::new(complete::secrets))]
    pub secret: String,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `show`
#[derive(Debug, Args)]
#[command(after_help = "\
Reads the machine's modules and what they import, without Nix and without NixOS' own modules. Behind an option stands what
its definitions come to, if that is known and not just one of them; below it the definitions with their places. `?` is what
is not known (packages, flake inputs, what NixOS' own modules may define too). A definition under a condition that is not
known is shown with that condition. Of options that nothing defines the default is shown when OPTION is given.

With --nixpkgs the modules of NixOS are part of the configuration: real defaults, what they make of the machine's definitions,
their assertions and warnings; packages are not known. It takes some seconds and 2 GB of memory. What a flake gives the
machine besides its folder has to be named with --module; where modules are missing, assertions are undecided.

Examples:
  bulkhead show web                                     everything that web's modules define
  bulkhead show web networking.firewall                 one option, or all below it
  bulkhead show web services.openssh --json | jq '.definitions[] | {path, value, place}'
  bulkhead show hosts/web/configuration.nix             any file that is a module
  bulkhead show web my.service.url                      also a default
  bulkhead show web networking.firewall --nixpkgs ~/nixpkgs --module modules/base.nix

Exit code: 0 all of it is known; 1 something is not known, files have errors, or NixOS would refuse something (it is printed
all the same, and says so: `unknown`, `condition`, `undecided`, `problems` and `faults` in JSON); 2 the tool failed.")]
pub struct ShowArgs {
    /// The machine: its name, its folder, or any file that is a module
    #[arg(value_name = "MACHINE", add = ArgValueCandidates::new(complete::configurations))]
    pub machine: String,
    /// The option, or the start of its path: `services.openssh`; names with dots in double quotes
    #[arg(value_name = "OPTION")]
    pub option: Option<String>,
    #[command(flatten)]
    pub modules: ModulesArgs,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Which modules are part of a machine's configuration.
#[derive(Clone, Debug, Args)]
pub struct ModulesArgs {
    /// A module besides the machine's own and those that flake.nix is seen to give it; may be repeated
    #[arg(long = "module", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub modules: Vec<String>,
}

/// `diff-config`
#[derive(Debug, Args)]
#[command(after_help = "\
Options are compared by what their definitions come to: lists item by item, defaults too. Where that is not known, the
definitions are compared as they are written, and the last lines say how many these are.

Examples:
  bulkhead diff-config web mail                         two machines
  bulkhead diff-config HEAD~1:web web                   a machine before and after
  bulkhead diff-config v1:web v2:web networking --json  below one option

Exit code: 0 nothing differs, 1 something does, 2 the tool failed.")]
pub struct DiffConfigArgs {
    /// The one: a machine, its folder, or any file that is a module; of a revision with `REV:` before it
    #[arg(value_name = "[REV:]MACHINE", add = ArgValueCandidates::new(complete::configurations))]
    pub old: String,
    /// The other
    #[arg(value_name = "[REV:]MACHINE", add = ArgValueCandidates::new(complete::configurations))]
    pub new: String,
    /// Only this option, and what is below it
    #[arg(value_name = "OPTION")]
    pub option: Option<String>,
    #[command(flatten)]
    pub modules: ModulesArgs,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// `options`
#[derive(Debug, Args)]
#[command(after_help = "\
Options of submodules are listed below the option: `<name>` stands for the name of an attribute, `*` for an item of a list.
With --nixpkgs the modules are called with its `lib`, else with a built-in one that has what fleets use; types that it lacks
are listed as `unknown`.

Examples:
  bulkhead options modules/backup.nix
  bulkhead options nix/modules --format markdown > OPTIONS.md
  bulkhead options modules --nixpkgs ~/nixpkgs
  bulkhead options --format json | jq 'to_entries[] | select(.value.default == null) | .key'

Exit code: 0 these are all; 1 there may be more, or files have errors; 2 the tool failed.")]
pub struct OptionsArgs {
    /// Modules: files, or folders (their default.nix; without one, every file in them that declares options) [default:
    /// every file of the fleet that declares options]
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<String>,
    /// How to list them
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    pub format: OptionsFormat,
    /// Those that are internal or hidden too
    #[arg(long)]
    pub all: bool,
}

/// How options are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OptionsFormat {
    /// For reading
    Text,
    /// For documentation
    Markdown,
    /// For programs: an object by the option's path
    Json,
}

/// `eval`
#[derive(Debug, Args)]
#[command(after_help = "\
Evaluates as `nix-instantiate --eval` does, but pure: no processes, no network, no environment, no clock. What needs \
those is unknown, with the reason.

Examples:
  bulkhead eval -E '1 + 2'
  bulkhead eval --json machines/storage/s0/properties.nix
  bulkhead eval --strict -A meta machines/storage/s0/properties.nix
  echo '{ x }: x * 2' | bulkhead eval --arg x 21 -
  bulkhead eval machines/web/properties.nix --explain hostNames.0

Exit code: 0 there is a value, 1 the expression failed, 2 the tool failed.")]
pub struct EvalArgs {
    /// The file, or `-` for standard input [default: default.nix]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "expr")]
    pub file: Option<PathBuf>,
    /// Evaluate this text instead of a file
    #[arg(long, short = 'E', value_name = "EXPR")]
    pub expr: Option<String>,
    /// The attribute to go to: `a.b`, `list.0`, `"with.dot".c`
    #[arg(long, short = 'A', value_name = "PATH", default_value = "")]
    pub attr: String,
    /// Tell where the value at this path comes from, like --attr: its name, the expression that made it, the parts of a
    /// string; `` for the whole
    #[arg(long, value_name = "PATH", conflicts_with_all = ["raw", "strict"])]
    pub explain: Option<String>,
    /// Print JSON
    #[arg(long, conflicts_with = "raw")]
    pub json: bool,
    /// Print a string as it is
    #[arg(long)]
    pub raw: bool,
    /// Evaluate all the way down
    #[arg(long)]
    pub strict: bool,
    /// Let the first warning (`builtins.warn`) end the evaluation
    #[arg(long)]
    pub abort_on_warn: bool,
    /// Take what Nix takes with this feature on
    #[arg(long, value_name = "FEATURE", value_parser = ["pipe-operators"])]
    pub extra_experimental_features: Vec<String>,
    /// An argument for the function that the expression is, as an expression
    #[arg(long, num_args = 2, value_names = ["NAME", "EXPR"], action = clap::ArgAction::Append)]
    pub arg: Vec<String>,
    /// An argument for the function that the expression is, as a string
    #[arg(long, num_args = 2, value_names = ["NAME", "TEXT"], action = clap::ArgAction::Append)]
    pub argstr: Vec<String>,
    /// The most steps that the evaluation may take
    #[arg(long, value_name = "N")]
    pub max_steps: Option<u64>,
    /// The deepest that evaluations may be nested
    #[arg(long, value_name = "N")]
    pub max_depth: Option<u32>,
    /// The most memory that values may take, in MiB
    #[arg(long, value_name = "MIB")]
    pub max_memory: Option<u64>,
    /// The largest file that is read, in MiB
    #[arg(long, value_name = "MIB")]
    pub max_file_size: Option<u64>,
}

/// `explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The rule [default: list all rules]
    #[arg(add = ArgValueCandidates::new(complete::rules))]
    pub rule: Option<String>,
}

/// `schema`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bulkhead schema machine-properties
  bulkhead schema from-options modules/backup.nix       the options that a module declares

Exit code: 0 it is printed; 1 the modules may declare more than is seen, or have errors (it is printed all the same);
2 the tool failed.")]
pub struct SchemaArgs {
    /// Which schema, or `from-options` [default: list them]
    #[arg(add = ArgValueCandidates::new(complete::schemas))]
    pub name: Option<String>,
    /// For `from-options`: modules, as for `bulkhead options`
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<String>,
}

/// `install-hooks`
#[derive(Debug, Args)]
pub struct HooksArgs {
    /// What the hook runs [default: this program]
    #[arg(long, value_name = "COMMAND")]
    pub command: Option<String>,
}

/// `completions`
#[derive(Debug, Args)]
#[command(after_help = "\
The script asks bulkhead while you type, so that the names of secrets, machines, roles and rules are completed too.

Example: bulkhead completions bash > ~/.local/share/bash-completion/completions/bulkhead")]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}
