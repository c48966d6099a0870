//! Regions from the embedded templates.

use std::error::Error as _;
use std::sync::LazyLock;

use bulkhead_fleet::{Fleet, PROPERTIES_FILE};
use serde::Serialize;
use tera::{Context, Tera};

use super::content::{self, Row};
use super::markdown::{code, without_comments};
use super::{DocsError, DocsInput, Region};

const TEMPLATES: [(&str, &str); 9] = [
    ("commands.md", include_str!("../../templates/commands.md.tera")),
    ("conventions.md", include_str!("../../templates/conventions.md.tera")),
    ("document.md", include_str!("../../templates/document.md.tera")),
    ("layout.md", include_str!("../../templates/layout.md.tera")),
    ("lib.md", include_str!("../../templates/lib.md.tera")),
    ("machines.md", include_str!("../../templates/machines.md.tera")),
    ("roles.md", include_str!("../../templates/roles.md.tera")),
    ("secrets.md", include_str!("../../templates/secrets.md.tera")),
    ("table.md", include_str!("../../templates/table.md.tera")),
];

static TERA: LazyLock<Result<Tera, String>> = LazyLock::new(|| {
    let mut tera = Tera::default();
    // What comes from files is made harmless for Markdown before a template sees it; escaping for HTML on top of that
    // would show.
    tera.autoescape_on(Vec::new());
    match tera.add_raw_templates(TEMPLATES) {
        Ok(()) => Ok(tera),
        Err(error) => Err(words(&error)),
    }
});

/// An error with all of its causes: tera's own text names the template only.
fn words(error: &tera::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// The text of a region.
pub(super) fn render(region: Region, input: &DocsInput<'_>) -> Result<String, DocsError> {
    let mut context = Context::new();
    match region {
        Region::Commands => {
            let rows = input
                .commands
                .iter()
                .map(|command| Row { cells: vec![code(&command.command), super::content::sentence(&command.about)] });
            context.insert("commands", &rows.collect::<Vec<_>>());
        }
        Region::Layout => {
            let rows = input
                .layout
                .iter()
                .map(|item| Row { cells: vec![code(&item.path), super::content::sentence(item.about)] });
            context.insert("items", &rows.collect::<Vec<_>>());
        }
        Region::Conventions => context.insert("paths", &Paths::new(input.fleet)),
        Region::Machines => context.insert("table", &content::machines(input.fleet)),
        Region::Roles => context.insert("table", &content::roles(input.fleet)),
        Region::Secrets => context.insert("table", &content::secrets(input.fleet)),
        Region::Lib => context.insert("files", &content::library(input.library)),
    }
    rendered(region.name(), &context).map(|text| without_comments(&text))
}

/// The beginning of a new document.
pub(super) fn render_document(fleet: &Fleet) -> Result<String, DocsError> {
    let mut context = Context::new();
    context.insert("paths", &Paths::new(fleet));
    rendered("document", &context)
}

fn rendered(name: &'static str, context: &Context) -> Result<String, DocsError> {
    let template = format!("{name}.md");
    TERA.as_ref()
        .map_err(Clone::clone)
        .and_then(|tera| tera.render(&template, context).map_err(|error| words(&error)))
        .map_err(|reason| DocsError::Template { region: name, reason })
}

/// Where things lie, as code.
#[derive(Serialize)]
struct Paths {
    machine: String,
    properties: String,
    role_secret: String,
    machine_secret: String,
    rules: String,
    claude_md: String,
    by_convention: bool,
}

impl Paths {
    fn new(fleet: &Fleet) -> Paths {
        let config = &fleet.config;
        let below = |folder: &str, rest: &str| {
            code(&if folder.is_empty() { rest.to_owned() } else { format!("{folder}/{rest}") })
        };
        let (machines, secrets) = (config.machines.as_str(), config.secrets.as_str());
        let handwritten = fleet.rules_files.iter().find(|rules| !fleet.by_convention && !rules.generated);
        Paths {
            machine: below(machines, "<name>/properties.nix"),
            properties: below(secrets, PROPERTIES_FILE),
            role_secret: below(secrets, "<role>/<name>.age"),
            machine_secret: below(machines, "**/<machine>/secrets/<name>.age"),
            rules: code(handwritten.map_or(config.rules.as_str(), |rules| rules.path.as_str())),
            claude_md: code(config.claude_md.as_str()),
            by_convention: fleet.by_convention,
        }
    }
}
