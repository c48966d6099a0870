//! How much is known of fleets, and of what they write down as literals, as a line for each:
//! `cargo run --release -p bulkhead-modules --example literals -- FOLDER…`. With `VERBOSE=1`, the definitions of nothing but
//! literals that are not known.

#[path = "common/roots.rs"]
mod roots;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bulkhead_eval::{Limits, World};
use bulkhead_modules::{Configuration, Definition, load, load_system, systems};
use bulkhead_source::{FileTree, TreePath, WorkTree};
use bulkhead_syntax::{Ast, AttrValue, Binding, Expr, ExprId, StringPart, parse};

/// By file: what it says, and the values of its attributes by where their names are written.
type Files = HashMap<Arc<str>, Option<(Ast, HashMap<u32, ExprId>)>>;

#[derive(Default)]
struct Tally {
    machines: usize,
    modules: HashSet<Arc<str>>,
    definitions: usize,
    known: usize,
    literals: usize,
    known_literals: usize,
    files: Files,
}

fn main() {
    let mut shares = Vec::new();
    for folder in std::env::args().skip(1) {
        let tree: Arc<dyn FileTree> = match WorkTree::open(Path::new(&folder)) {
            Ok(tree) => Arc::new(tree),
            Err(error) => {
                eprintln!("{error}");
                continue;
            }
        };
        let world = World::new(tree.clone(), Limits::default());
        let start = Instant::now();
        let mut tally = Tally::default();
        if let Ok(flake) = TreePath::new("flake.nix")
            && tree.exists(&flake)
        {
            for system in systems(&world, &flake).systems.into_iter().filter(|system| system.unknown.is_none()) {
                tally.add(&world, &load_system(&world, &flake, &system.name, &[], None));
            }
        }
        if tally.definitions == 0 {
            roots::roots(&*tree).iter().for_each(|root| tally.add(&world, &load(&world, root)));
        }
        let percent = |part: usize, all: usize| if all == 0 { 100.0 } else { 100.0 * part as f64 / all as f64 };
        let (known, literals) =
            (percent(tally.known, tally.definitions), percent(tally.known_literals, tally.literals));
        println!(
            "{folder}: {} machines, {} modules, {} definitions, {known:.1} % known; {} of literals alone, {literals:.2} % known; {} ms",
            tally.machines,
            tally.modules.len(),
            tally.definitions,
            tally.literals,
            start.elapsed().as_millis(),
        );
        if tally.literals > 0 {
            shares.push((known, literals));
        }
    }
    let median = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    println!(
        "{} fleets with definitions: median {:.1} % known, of literals alone {:.2} %, at least {:.2} %",
        shares.len(),
        median(shares.iter().map(|(known, _)| *known).collect()),
        median(shares.iter().map(|(_, literals)| *literals).collect()),
        shares.iter().map(|(_, literals)| *literals).fold(100.0, f64::min),
    );
}

impl Tally {
    fn add(&mut self, world: &World, configuration: &Configuration) {
        self.machines += 1;
        self.modules.extend(configuration.modules.iter().map(|module| module.file.clone()));
        for definition in &configuration.definitions {
            let is_known = definition.is_known();
            self.definitions += 1;
            self.known += usize::from(is_known);
            let Some(text) = literal(&mut self.files, world, definition) else { continue };
            self.literals += 1;
            self.known_literals += usize::from(is_known);
            if !is_known && std::env::var_os("VERBOSE").is_some() {
                println!("  {} in {}: {text}\n    {:?}", definition.path, definition.file, definition.value.kind);
            }
        }
    }
}

/// The expression of a definition, as it is written, if it is made of literals alone.
fn literal(files: &mut Files, world: &World, definition: &Definition) -> Option<String> {
    let key = definition.key.as_ref()?;
    let file = files.entry(key.file.clone()).or_insert_with(|| {
        let ast = parse(&world.text(&key.file)?).ok()?;
        let mut values = HashMap::new();
        for expr in &ast.exprs {
            let Expr::Attrs(set) = expr else { continue };
            for attr in &set.attrs {
                if let AttrValue::Expr(id) = attr.value {
                    values.insert(ast.name_span(attr.key).start, id);
                }
            }
        }
        Some((ast, values))
    });
    let (ast, values) = file.as_ref()?;
    let id = *values.get(&key.span?.start)?;
    let span = ast.span(id);
    is_literal(ast, id).then(|| ast.text[span.start as usize..span.end as usize].to_owned())
}

/// Whether an expression is made of literals alone.
fn is_literal(ast: &Ast, id: ExprId) -> bool {
    match ast.expr(id) {
        Expr::Int(_) | Expr::Float(_) | Expr::Text(..) => true,
        Expr::Path(path) => path.parts.iter().all(|part| matches!(part, StringPart::Text(..))),
        Expr::Variable { name, binding: Binding::Global } => ["true", "false", "null"].contains(&name.as_str()),
        Expr::List(items) => items.iter().all(|item| is_literal(ast, *item)),
        Expr::Negate(inner) => is_literal(ast, *inner),
        Expr::Attrs(set) => {
            let is_plain = !set.recursive && set.inherit_from.is_empty() && set.dynamic.is_empty();
            is_plain
                && set.attrs.iter().all(|attr| matches!(attr.value, AttrValue::Expr(value) if is_literal(ast, value)))
        }
        _ => false,
    }
}
