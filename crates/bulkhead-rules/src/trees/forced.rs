//! What a fleet forces upon the files of networkd that Bulkhead's modules write: what they set there is gone then.

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::Data;
use bulkhead_modules::{DEFAULT_PRIORITY, OptionPath};
use bulkhead_source::Span;
use bulkhead_syntax::{Ast, AttrValue, Expr, ExprId};

use super::networkd::{is_yes, own_file, shown};
use super::secret_mention::{Names, written};
use super::{Named, Network, Purpose, Stated, Tree, option};
use crate::context::Context;

/// The functions of `lib` by which a definition takes the place of others.
const OVERRIDES: [&str; 5] = ["mkForce", "mkImageMediaOverride", "mkOverride", "mkVMOverride", "mkOverrideWith"];

/// So many forced definitions are looked at, each of which takes a look at all of its file.
pub(crate) const MOST_FORCED: usize = 300;

/// Something that a fleet takes from the files.
pub(crate) struct Taken {
    /// Where.
    pub(crate) stated: Stated<()>,
    /// What it does, as a clause.
    pub(crate) what: String,
    /// Whether it surely takes away what isolates.
    pub(crate) is_certain: bool,
}

/// What is told where a definition is one more than are looked at, of those below `path`.
pub(crate) fn too_many(named: &Named, path: &OptionPath) -> Taken {
    Taken {
        stated: Stated { option: path.to_string(), ..named.stated() },
        what: format!("more than {MOST_FORCED} definitions of it are forced, and not all were looked at"),
        is_certain: false,
    }
}

/// How many names of the path of a definition lie outside of what gives it its priority: with `a.b = mkForce { c = 1; }`
/// these are two for `a.b.c`. `None` if that is not seen in its file.
pub(crate) fn depth(context: &Context<'_>, named: &Named) -> Option<usize> {
    let place = named.definition.value.place.as_ref().or(named.definition.key.as_ref())?;
    let names = context.names_in(&place.file)?;
    let content = around(&names, place)?;
    let inside = below(&names.ast, content, place.span?)?;
    named.path.names().len().checked_sub(inside)
}

/// What the outermost override around a place is given.
fn around(names: &Names, place: &Place) -> Option<ExprId> {
    let span = place.span?;
    let ast = &names.ast;
    let mut found: Option<ExprId> = None;
    for (index, expr) in ast.exprs.iter().enumerate() {
        let Expr::Apply { function, arguments } = expr else { continue };
        let Some(content) = arguments.last().filter(|content| contains(ast.span(**content), span)) else { continue };
        let name = written(ast, *function);
        let is_override = OVERRIDES.iter().any(|known| name.rsplit('.').next() == Some(known));
        let id = u32::try_from(index).map(ExprId).ok()?;
        if is_override && found.is_none_or(|known| contains(ast.span(id), ast.span(known))) {
            found = Some(*content);
        }
    }
    found
}

fn contains(outer: Span, inner: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// How many attributes lead from an expression to what lies at a place in it.
fn below(ast: &Ast, id: ExprId, span: Span) -> Option<usize> {
    let inner = |ids: &[ExprId]| ids.iter().find_map(|id| below(ast, *id, span));
    let found = match ast.expr(id) {
        Expr::Attrs(set) => {
            let fixed = set.attrs.iter().filter_map(|attr| match attr.value {
                AttrValue::Expr(value) => Some(value),
                _ => None,
            });
            let computed = set.dynamic.iter().map(|attr| attr.value);
            fixed.chain(computed).find_map(|value| below(ast, value, span)).map(|depth| depth + 1)
        }
        Expr::Apply { arguments, .. } => inner(arguments),
        Expr::List(items) => inner(items),
        Expr::With { body, .. } | Expr::Let { body, .. } | Expr::Assert { body, .. } => below(ast, *body, span),
        Expr::If { consequence, alternative, .. } => inner(&[*consequence, *alternative]),
        Expr::Binary { left, right, .. } => inner(&[*left, *right]),
        _ => None,
    };
    found.or_else(|| contains(ast.span(id), span).then_some(0))
}

/// What is taken from the files of a network.
pub(crate) fn taken(context: &Context<'_>, tree: &Tree<'_>, network: &Network) -> Vec<Taken> {
    let Some(own) = own_file(network) else { return Vec::new() };
    let mut found: Vec<Taken> = Vec::new();
    let all = option("systemd.network");
    let forced = tree.below(&all).iter().filter(|named| named.definition.priority < DEFAULT_PRIORITY);
    for (index, named) in forced.filter(|named| tree.counts(named)).enumerate() {
        if index == MOST_FORCED {
            found.push(too_many(named, &all));
            break;
        }
        // What is forced further out takes all that is below.
        let names = named.path.names();
        let from = depth(context, named).unwrap_or(names.len()).min(names.len());
        let [_, _, kind, rest @ ..] = names else { continue };
        let is_network = match &**kind {
            "networks" => true,
            "netdevs" => false,
            _ => continue,
        };
        let add = |what: String, is_certain: bool, found: &mut Vec<Taken>| {
            let option = OptionPath::of(named.definition.path.names().iter().take(from));
            let stated = Stated { option: option.to_string(), ..named.stated() };
            // One override is told once.
            if !found.iter().any(|known| known.stated.option == stated.option && known.what == what) {
                found.push(Taken { stated, what, is_certain });
            }
        };
        if from <= 3 {
            // Only the sandbox has netdevs of networkd.
            if is_network || network.purpose == Purpose::Sandbox {
                add("the module's own files are gone".to_owned(), is_network, &mut found);
            }
            continue;
        }
        let [file, rest @ ..] = rest else { continue };
        let port = file.strip_prefix(own).and_then(|rest| rest.strip_prefix('-'));
        if **file != *own && port.is_none() {
            continue;
        }
        let rest: Vec<&str> = rest.iter().map(|name| &**name).collect();
        if is_kept(&rest, &named.definition.value) {
            continue;
        }
        let unit = OptionPath::of(names.iter().take(4));
        let is_port = is_network && network.purpose == Purpose::Sandbox && port.is_some();
        let takes = |section: &str| from <= 4 || (from == 5 && rest.first() == Some(&section));
        if is_port && takes("bridgeConfig") && !is_forced(tree, &unit.join("bridgeConfig").join("Isolated"), is_yes) {
            add("the ports of the bridge reach each other".to_owned(), true, &mut found);
            continue;
        }
        let is_match = rest == ["matchConfig", "Name"] || takes("matchConfig");
        if is_port && is_match {
            let port = port.and_then(|port| network.peers.iter().find(|peer| *peer.name == *port));
            let is_meant = |name: &str| {
                port.is_none_or(|peer| {
                    peer.interfaces.is_empty() || peer.interfaces.iter().any(|interface| *interface.value == *name)
                })
            };
            if !is_forced(tree, &unit.join("matchConfig").join("Name"), is_meant) {
                add(
                    "the file is about another interface, and nothing keeps the port apart".to_owned(),
                    true,
                    &mut found,
                );
            }
            continue;
        }
        // What is set besides in a file or a section that is replaced has been judged with it.
        if is_port && takes("bridgeConfig") {
            continue;
        }
        add("what the module sets there may be gone".to_owned(), false, &mut found);
    }
    found.extend(switched_off(tree, network, own));
    found
}

/// Whether an option is forced to be something that `fits`.
fn is_forced(tree: &Tree<'_>, path: &OptionPath, fits: impl Fn(&str) -> bool) -> bool {
    let forced = tree.counting(path).into_iter().filter(|named| named.definition.priority < DEFAULT_PRIORITY);
    forced.filter_map(|named| shown(&named.definition.value)).any(|value| fits(&value))
}

/// Whether what is forced takes nothing away: it is what the module says, or nothing that isolates.
fn is_kept(rest: &[&str], value: &Data) -> bool {
    let shown = shown(value);
    let is_off = shown.as_deref().is_some_and(|value| matches!(value, "no" | "false"));
    match rest {
        ["linkConfig", key] => *key != "Unmanaged",
        ["bridgeConfig", "Isolated"] => true,
        ["networkConfig", "IPv6AcceptRA" | "LinkLocalAddressing" | "LLMNR" | "MulticastDNS" | "LLDP" | "EmitLLDP"] => {
            is_off
        }
        ["enable"] => true,
        _ => false,
    }
}

/// Files that are not written at all.
fn switched_off(tree: &Tree<'_>, network: &Network, own: &str) -> Vec<Taken> {
    let mut found = Vec::new();
    let mut look = |path: &OptionPath, is_port: bool| {
        let what = if is_port { "nothing keeps the port apart" } else { "the module's own file is gone" };
        let off = tree.off(&path.join("enable"));
        found.extend(off.into_iter().map(|stated| Taken { stated, what: what.to_owned(), is_certain: is_port }));
    };
    for (root, ending) in [("systemd.network.networks", ""), ("systemd.network.units", ".network")] {
        let root = option(root);
        for (name, _) in tree.children(&root) {
            let Some(file) = name.strip_suffix(ending) else { continue };
            let is_port = file.strip_prefix(own).is_some_and(|rest| rest.starts_with('-'));
            if file == own || is_port {
                look(&root.join(&name), is_port && network.purpose == Purpose::Sandbox);
            }
        }
    }
    if network.purpose == Purpose::Sandbox {
        look(&option("systemd.network.netdevs").join(own), false);
        look(&option("systemd.network.units").join(&format!("{own}.netdev")), false);
    }
    found
}
