//! `explain`, `schema`, `completions`: what the program knows about itself.

use anyhow::{Result, bail};
use bulkhead_diagnostics::nearest;
use bulkhead_rules::registry;

use super::args::{CompletionsArgs, ExplainArgs, Global, SchemaArgs};
use super::table::table;
use super::{OK, Program, complete, options, output};
use crate::check::all_schemas;

pub fn explain(_: &Global, args: &ExplainArgs) -> Result<u8> {
    let Some(name) = &args.rule else {
        let rows: Vec<Vec<String>> =
            registry().iter().map(|rule| vec![rule.name.to_owned(), rule.summary.to_owned()]).collect();
        output::print(&table(&rows, None))?;
        return Ok(OK);
    };
    let Some(rule) = registry().iter().find(|rule| rule.name == name) else {
        bail!(match nearest(name, registry().iter().map(|rule| rule.name)) {
            Some(near) => format!("there is no rule `{name}`; did you mean `{near}`?"),
            None => format!("there is no rule `{name}`; `bulkhead explain` lists them"),
        });
    };
    output::print(&format!("# {}\n\n{}\n\n{}\n", rule.name, rule.summary, rule.docs.trim()))?;
    Ok(OK)
}

pub fn schema(program: Program, global: &Global, args: &SchemaArgs) -> Result<u8> {
    if args.name.as_deref() == Some("from-options") {
        return options::schema(program, global, &args.paths);
    }
    if !args.paths.is_empty() {
        bail!("only `schema from-options` takes paths");
    }
    let schemas = all_schemas();
    let Some(name) = &args.name else {
        for (file, schema) in &schemas {
            let title = schema.get("description").and_then(|text| text.as_str()).unwrap_or_default();
            let short = file.trim_end_matches(".schema.json");
            output::print(&format!("{short:24}  {}\n", title.lines().next().unwrap_or_default()))?;
        }
        return Ok(OK);
    };
    let wanted = name.trim_end_matches(".schema.json");
    let short = |file: &str| file.trim_end_matches(".schema.json").to_owned();
    let Some((_, schema)) = schemas.iter().find(|(file, _)| short(file) == wanted) else {
        let names: Vec<String> = schemas.iter().map(|(file, _)| short(file)).collect();
        bail!("there is no schema `{name}`; there are {}", names.join(", "));
    };
    output::print_json(schema)?;
    Ok(OK)
}

pub fn completions(args: &CompletionsArgs) -> Result<u8> {
    let script = complete::script(args.shell)?;
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(OK)
}
