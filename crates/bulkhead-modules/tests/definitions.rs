//! What modules define, with places, conditions and priorities.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::sync::Arc;

use bulkhead_eval::data::{Data, DataKind};
use bulkhead_eval::{Limits, World};
use bulkhead_modules::{Condition, Configuration, Effective, OptionPath, OptionType, load};
use bulkhead_source::{MemoryTree, TreePath, WorkTree};
use pretty_assertions::assert_eq;

fn world(files: &[(&str, &str)]) -> World {
    World::new(Arc::new(MemoryTree::new(files.iter().copied()).unwrap()), Limits::default())
}

fn configuration(files: &[(&str, &str)]) -> Configuration {
    load(&world(files), &TreePath::new(files[0].0).unwrap())
}

fn path(text: &str) -> OptionPath {
    OptionPath::parse(text).unwrap()
}

/// A value as a short text; `?` is unknown.
fn short(data: &Data) -> String {
    match &data.kind {
        DataKind::Null => "null".to_owned(),
        DataKind::Bool(value) => value.to_string(),
        DataKind::Int(value) => value.to_string(),
        DataKind::Float(value) => value.to_string(),
        DataKind::String(text) => format!("{text:?}"),
        DataKind::Path(path) => path.to_string(),
        DataKind::List(items) => format!("[{}]", items.iter().map(short).collect::<Vec<_>>().join(" ")),
        DataKind::Attrs(attrs) if attrs.attrs.is_empty() => "{ }".to_owned(),
        DataKind::Attrs(attrs) => attrs.attrs.keys().map(|name| name.to_string()).collect::<Vec<_>>().join(","),
        DataKind::Function => "<function>".to_owned(),
        DataKind::Unknown(_) => "?".to_owned(),
        DataKind::Failed(failure) => format!("<{}>", failure.message),
    }
}

/// All definitions, one a line: path, value, and what is not as usual.
fn listed(configuration: &Configuration) -> String {
    let mut lines = Vec::new();
    for definition in &configuration.definitions {
        let mut line = format!("{} = {}", definition.path, short(&definition.value));
        if let Condition::Possible(guards) = &definition.condition {
            let guards: Vec<&str> = guards.iter().map(|guard| if guard.expected { "if" } else { "unless" }).collect();
            let _ = write!(line, " ({})", guards.join(", "));
        }
        if definition.priority != 100 {
            let _ = write!(line, " at {}", definition.priority);
        }
        if definition.order != 1000 {
            let _ = write!(line, " order {}", definition.order);
        }
        lines.push(line);
    }
    lines.sort();
    lines.join("\n")
}

fn no_problems(configuration: &Configuration) {
    assert_eq!(configuration.problems, []);
}

#[test]
fn a_module_is_a_set_a_function_or_a_path() {
    let found = configuration(&[
        ("machines/web/default.nix", "{ imports = [ ./ssh.nix ../../modules { services.nginx.enable = true; } ]; }"),
        ("machines/web/ssh.nix", "{ config, lib, ... }: { config.services.openssh.enable = lib.mkDefault true; }"),
        ("modules/default.nix", "args: { networking.hostName = \"web\"; }"),
    ]);
    no_problems(&found);
    assert_eq!(
        listed(&found),
        "networking.hostName = \"web\"\nservices.nginx.enable = true\nservices.openssh.enable = true at 1000"
    );
    let host_name = found.definitions(&path("networking.hostName"))[0];
    assert_eq!(&*host_name.file, "modules/default.nix");
    assert_eq!(host_name.key.as_ref().unwrap().span.unwrap().start, 19);
    assert_eq!(found.modules.len(), 4);
}

#[test]
fn conditions_make_definitions_absent_or_possible() {
    let found = configuration(&[(
        "default.nix",
        r#"
        { config, lib, pkgs, ... }:
        with lib;
        {
          config = mkMerge [
            { a.always = 1; }
            (mkIf false { a.never = 1; })
            (mkIf true { a.surely = 1; })
            (mkIf config.services.x.enable { a.perhaps = mkIf config.y (mkForce 1); })
            (optionalAttrs config.z { a.optional = 1; })
            { a.either = if config.z then 1 else 2; }
          ];
        }
        "#,
    )]);
    no_problems(&found);
    assert_eq!(
        listed(&found),
        "a.always = 1\na.either = 1 (if)\na.either = 2 (unless)\na.optional = 1 (if)\na.perhaps = 1 (if, if) at 50\na.surely = 1"
    );
    let guards = found.definitions(&path("a.perhaps"))[0].condition.guards();
    assert!(guards[0].reason.reason.contains("`config`"), "{guards:?}");
    assert!(guards[0].place.is_some());
    let files = found.definitions.iter().filter_map(|definition| definition.key.as_ref()).map(|key| &*key.file);
    assert!(files.clone().all(|file| file == "default.nix"), "{:?}", files.collect::<Vec<_>>());
}

#[test]
fn imports_that_depend_on_something_unknown_are_possible_or_undecided() {
    let found = configuration(&[
        (
            "default.nix",
            "{ lib, inputs, config, ... }: {
               imports = [ ./a.nix inputs.agenix.nixosModules.default ]
                 ++ lib.optional (inputs ? x) ./b.nix
                 ++ lib.optionals true [ ./c.nix ];
             }",
        ),
        ("a.nix", "{ a = 1; }"),
        ("b.nix", "{ b = 1; }"),
        ("c.nix", "{ c = 1; }"),
    ]);
    no_problems(&found);
    assert_eq!(listed(&found), "a = 1\nb = 1 (if)\nc = 1");
    assert_eq!(found.undecided.len(), 1);
    assert_eq!(&*found.undecided[0].reason.reason, "the module argument `inputs` comes from outside of these modules");
    assert!(matches!(found.effective(&path("a")), Effective::Undecided(definitions) if definitions.len() == 1));
}

#[test]
fn priorities_decide_and_what_contradicts_is_told() {
    let found = configuration(&[
        (
            "default.nix",
            "{ lib, config, ... }: {
               imports = [ ./other.nix ];
               a = lib.mkDefault 1;
               b = true;
               c = lib.mkForce 3;
               d = lib.mkBefore [ 1 ];
               e = 1;
             }",
        ),
        (
            "other.nix",
            "{ lib, config, ... }: { a = 2; b = false; c = 4; d = [ 2 ]; e = lib.mkIf config.x (lib.mkForce 2); }",
        ),
    ]);
    no_problems(&found);
    let known = |name: &str| match found.effective(&path(name)) {
        Effective::Known(definitions) => definitions.iter().map(|d| short(&d.value)).collect::<Vec<_>>().join(" "),
        other => format!("{other:?}"),
    };
    assert_eq!(known("a"), "2");
    assert_eq!(known("c"), "3");
    assert_eq!(known("d"), "[1] [2]");
    assert!(matches!(found.effective(&path("e")), Effective::Undecided(definitions) if definitions.len() == 2));
    assert!(matches!(found.effective(&path("f")), Effective::Undefined));
    let conflicts = found.conflicts();
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].0, &path("b"));
    assert_eq!(conflicts[0].1.len(), 2);
}

#[test]
fn disabled_modules_and_what_they_import_are_left_out() {
    let found = configuration(&[
        ("default.nix", "{ imports = [ ./a.nix ./b.nix ]; disabledModules = [ ./a.nix \"services/x.nix\" ]; }"),
        ("a.nix", "{ imports = [ ./c.nix ]; a = 1; }"),
        ("b.nix", "{ b = 1; }"),
        ("c.nix", "{ c = 1; }"),
    ]);
    no_problems(&found);
    assert_eq!(listed(&found), "b = 1");
}

#[test]
fn module_args_are_given_to_modules() {
    let found = configuration(&[
        ("default.nix", "{ imports = [ ./a.nix ]; _module.args.fleet = { domain = \"example.org\"; }; }"),
        ("a.nix", "{ fleet, other, ... }: { networking.domain = fleet.domain; x = other; }"),
    ]);
    no_problems(&found);
    assert_eq!(short(&found.definitions(&path("networking.domain"))[0].value), "\"example.org\"");
    assert!(!found.definitions(&path("x"))[0].is_known());
}

#[test]
fn sets_with_unknown_names_may_define_more() {
    let found = configuration(&[(
        "default.nix",
        "{ config, ... }: { services = { a.enable = true; ${config.name}.enable = true; }; }",
    )]);
    no_problems(&found);
    assert_eq!(listed(&found), "services.a.enable = true");
    assert!(matches!(found.effective(&path("services.b.enable")), Effective::Undecided(_)));
    assert!(matches!(found.effective(&path("networking.hostName")), Effective::Undefined));
}

#[test]
fn containers_have_modules_of_their_own() {
    let found = configuration(&[
        (
            "default.nix",
            "{ containers.db = { autoStart = true; config = { lib, ... }: { imports = [ ./db.nix ]; x = lib.mkForce 1; }; }; }",
        ),
        ("db.nix", "{ pkgs, ... }: { services.postgresql.enable = true; package = pkgs.postgresql; }"),
    ]);
    no_problems(&found);
    assert_eq!(
        listed(&found),
        "containers.db.autoStart = true\ncontainers.db.config.package = ?\n\
         containers.db.config.services.postgresql.enable = true\ncontainers.db.config.x = 1 at 50"
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_the_rest_is_read() {
    let found = configuration(&[
        ("default.nix", "{ imports = [ ./missing.nix ./broken.nix 5 ]; a = 1; b = throw \"no\"; }"),
        ("broken.nix", "{ a = ; }"),
    ]);
    assert_eq!(listed(&found), "a = 1\nb = <no>");
    assert_eq!(found.problems.len(), 3, "{:?}", found.problems);
    assert!(found.problems.iter().all(|problem| problem.place.is_some()), "{:?}", found.problems);
    // A module that can't be read could define anything.
    assert!(matches!(found.effective(&path("a")), Effective::Undecided(_)));
}

#[test]
fn what_contains_itself_has_an_end() {
    let found = configuration(&[
        ("default.nix", "{ imports = [ ./default.nix ./a.nix ]; x = let y = { z = y; }; in y; }"),
        ("a.nix", "{ imports = [ ./default.nix ]; containers.c.config = ./a.nix; }"),
    ]);
    assert!(found.definitions.len() < 1_000, "{}", found.definitions.len());
}

#[test]
fn below_a_value_that_is_not_seen_through_nothing_is_certain() {
    let found = configuration(&[(
        "default.nix",
        "{ pkgs, ... }: { people.alice = { name, ... }: { uid = 5; }; b = throw \"no\"; c = pkgs.lib.mkForce 1; }",
    )]);
    assert!(matches!(found.effective(&path("people.alice.uid")), Effective::Undecided(_)));
    assert!(matches!(found.effective(&path("b.c")), Effective::Undecided(_)));
    assert!(matches!(found.effective(&path("people.bob.uid")), Effective::Undefined));
    assert_eq!(found.definitions(&path("c"))[0].priority, 50);
}

/// NixOS takes a function or a file for a set of options, where the option's type is `types.submodule`.
#[test]
fn functions_and_files_are_sets_of_options_where_nixos_takes_them() {
    let found = configuration(&[
        (
            "default.nix",
            "{ users.users.alice = { name, ... }: { uid = 5; home = name; }; age.secrets.wifi = ./wifi.nix; \
             specialisation.night = { ... }: { configuration = { config, ... }: { a = 1; }; }; x.y = { ... }: { z = 1; }; }",
        ),
        ("wifi.nix", "{ lib, ... }: { config.file = ./wifi.age; config.mode = lib.mkForce \"400\"; }"),
    ]);
    no_problems(&found);
    assert_eq!(
        listed(&found),
        "age.secrets.wifi.file = /wifi.age\nage.secrets.wifi.mode = \"400\" at 50\n\
         specialisation.night.configuration.a = 1\nusers.users.alice.home = \"alice\"\nusers.users.alice.uid = 5\n\
         x.y = <function>"
    );
}

/// As `nixos/modules/system/activation/specialisation.nix` makes them.
#[test]
fn specialisations_have_the_modules_of_the_machine_and_their_own() {
    let found = configuration(&[
        (
            "default.nix",
            "{ config, lib, ... }: { a = 1; b = config.networking.hostName; networking.hostName = \"kif\"; \
             specialisation.travel.configuration = { imports = [ ./travel.nix ]; a = lib.mkForce 2; }; \
             specialisation.alone = { inheritParentConfig = false; configuration = { config, ... }: { c = 3; }; }; }",
        ),
        ("travel.nix", "{ lib, ... }: { networking.hostName = lib.mkForce \"travel\"; }"),
    ]);
    no_problems(&found);
    let [alone, travel] = found.specialisations.as_slice() else { panic!("{:?}", found.specialisations) };
    assert_eq!((&*alone.name, &*travel.name), ("alone", "travel"));
    assert_eq!(listed(&alone.configuration), "c = 3");
    let text = listed(&travel.configuration);
    assert!(text.contains("a = 2 at 50") && text.contains("b = \"travel\""), "{text}");
    let found = configuration(&[(
        "default.nix",
        "{ lib, pkgs, ... }: { specialisation.x = { inheritParentConfig = lib.mkIf pkgs.stdenv.isLinux false; \
         configuration.c = 3; }; specialisation.y.configuration.c = 3; }",
    )]);
    let undecided = |index: usize| found.specialisations[index].configuration.undecided.iter().map(|gap| gap.what);
    assert_eq!(undecided(0).collect::<Vec<_>>(), ["whether it inherits is unknown"]);
    assert_eq!(undecided(1).count(), 0);
}

#[test]
fn values_that_branch_without_end_have_an_end() {
    let found = configuration(&[(
        "default.nix",
        "{ config, ... }: let f = n: if config.x then f (n + 1) else f (n + 2); g = n: if config.x then g (n + 1) ++ g n else [ n ];
         in { a = f 0; imports = g 0; b.c = 1; }",
    )]);
    assert!(found.definitions.len() < 100_000, "{}", found.definitions.len());
    assert_eq!(found.definitions(&path("b.c")).len(), 1);
}

#[test]
fn only_options_that_hold_modules_are_read_as_modules() {
    let found = configuration(&[
        (
            "default.nix",
            "{ services.x.containers.y.config = ./x.conf; home-manager.users.me = ./home.nix;
               containers.c.config.home-manager.users.me = { home.stateVersion = \"24.05\"; }; }",
        ),
        ("home.nix", "{ programs.git.enable = true; }"),
        ("x.conf", "no module"),
    ]);
    no_problems(&found);
    assert_eq!(
        listed(&found),
        "containers.c.config.home-manager.users.me.home.stateVersion = \"24.05\"\n\
         home-manager.users.me.programs.git.enable = true\nservices.x.containers.y.config = /x.conf"
    );
}

#[test]
fn sets_that_are_put_together_of_known_and_conditional_ones_stay_known() {
    let found = configuration(&[(
        "default.nix",
        "{ config, lib, ... }: { services.x = { a = 1; b = 1; } // lib.optionalAttrs config.y { b = 2; c = 3; } // { d = 4; }; }",
    )]);
    no_problems(&found);
    assert_eq!(
        listed(&found),
        "services.x.a = 1\nservices.x.b = 1 (unless)\nservices.x.b = 2 (if)\nservices.x.c = 3 (if)\nservices.x.d = 4"
    );
    assert_eq!(found.undecided.len(), 0);
}

#[test]
fn what_is_conditional_keeps_its_condition_and_place_behind_variables_and_selections() {
    let found = configuration(&[(
        "default.nix",
        r#"
        { config, lib, ... }:
        let
          inherit (config.services) x;
          cfg = lib.mkIf x.enable { a.guarded = 1; };
          seen = if x.enable then { b.seen = 1; } else { b.other = 2; };
          part = { inner = if x.enable then 1 else 2; open = { e.base = 1; } // lib.optionalAttrs x.enable { e.more = 2; }; };
          inherit (part) open;
          named = { which ? if x.enable then 3 else 4 }: if which == 5 then which else which;
        in
        {
          config = lib.mkMerge [
            cfg
            (let again = cfg; in again)
            (if seen ? b.seen then seen else { c.without = 1; })
            { d.selected = part.inner; }
            (if open ? f then { } else open)
            (let late = seen; in if late == { } then { } else late)
            { g = named { }; }
          ];
        }
        "#,
    )]);
    no_problems(&found);
    assert_eq!(
        listed(&found),
        "a.guarded = 1 (if)\n\
         a.guarded = 1 (if)\n\
         b.other = 2 (if, unless)\n\
         b.other = 2 (unless, unless)\n\
         b.seen = 1 (if, if)\n\
         b.seen = 1 (unless, if)\n\
         c.without = 1 (unless)\n\
         d.selected = 1 (if)\n\
         d.selected = 2 (unless)\n\
         e.base = 1 (unless, unless)\n\
         e.more = 2 (unless, if)\n\
         g = 3 (if, if)\n\
         g = 3 (unless, if)\n\
         g = 4 (if, unless)\n\
         g = 4 (unless, unless)"
    );
    let guards = found.definitions.iter().flat_map(|definition| definition.condition.guards());
    assert!(guards.into_iter().all(|guard| guard.place.is_some()));
}

#[test]
fn a_priority_that_is_not_known_makes_a_definition_possible() {
    let found = configuration(&[(
        "default.nix",
        "{ lib, level, ... }: {
          options.site = lib.mkOption { type = lib.types.str; };
          options.only = lib.mkOption { type = lib.types.str; };
          config.site = lib.mkMerge [ \"a\" (lib.mkOverride level \"b\") ];
          config.only = lib.mkOverride level \"c\";
        }",
    )]);
    let site = found.definitions(&path("site"));
    assert!(site.iter().any(|definition| !definition.condition.is_always()), "{site:?}");
    for option in ["site", "only"] {
        assert_eq!(short(found.value(&path(option)).unwrap()), "?", "{option}");
        assert!(!matches!(found.effective(&path(option)), Effective::Known(_)), "{option}");
    }
    let found = configuration(&[(
        "default.nix",
        "{ lib, level, ... }: {
          options.site = lib.mkOption { type = lib.types.listOf lib.types.str; };
          config.site = lib.mkMerge [ [ \"a\" ] (lib.mkOrder level [ \"b\" ]) ];
        }",
    )]);
    assert_eq!(short(found.value(&path("site")).unwrap()), "?");
}

#[test]
fn what_is_disabled_but_names_no_module_is_told() {
    let told = |list: &str| {
        let text = format!("{{ lib, which, ... }}: {{ disabledModules = {list}; networking.hostName = \"web\"; }}");
        let found = configuration(&[("default.nix", &text)]);
        (found.problems.len(), found.undecided.len())
    };
    assert_eq!(told("[ ./other.nix \"services/web.nix\" { key = \"a\"; } ]"), (0, 0));
    assert_eq!(told("[ (throw \"no\") ]"), (1, 0));
    assert_eq!(told("[ 1 ]"), (1, 0));
    assert_eq!(told("[ { file = ./other.nix; } ]"), (1, 0));
    assert_eq!(told("[ { key = throw \"no\"; } ]"), (1, 0));
    assert_eq!(told("[ { key = which; } ]"), (0, 1));
    assert_eq!(told("[ which ]"), (0, 1));
}

#[test]
fn options_that_are_nested_too_deeply_are_told() {
    let text =
        "{ lib, ... }: { options.a = lib.foldl' (set: _: { inner = set; }) (lib.mkOption { }) (lib.range 1 60); }";
    let found = configuration(&[("default.nix", text)]);
    assert!(found.options.is_empty(), "{:?}", found.options.keys());
    assert!(found.undecided.iter().any(|undecided| undecided.reason.reason.contains("nested deeper")));
}

/// What takes a module is in the type of the option itself, or where `<name>` and `*` stand in `attrsOf` and `listOf`.
fn takes_modules(kind: &OptionType, path: &OptionPath, found: &mut Vec<OptionPath>) {
    if matches!(kind.name.as_str(), "submodule" | "deferredModule") {
        found.push(path.clone());
    }
    for (_, inner) in &kind.nested {
        let below = match kind.name.as_str() {
            "attrsOf" | "lazyAttrsOf" => path.join("<name>"),
            "listOf" => path.join("*"),
            _ => path.clone(),
        };
        takes_modules(inner, &below, found);
    }
}

#[test]
fn functions_and_files_are_read_wherever_options_of_our_modules_take_modules() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let world = World::new(Arc::new(WorkTree::open(root).unwrap()), Limits::default());
    let ours = load(&world, &TreePath::new("nix/modules/default.nix").unwrap());
    let mut all = Vec::new();
    ours.options.iter().for_each(|(path, declared)| takes_modules(&declared.kind, path, &mut all));
    assert!(all.contains(&path("workspaces.<name>.config")), "{all:?}");
    for option in all {
        let written: Vec<String> = option.names().iter().map(|name| format!("\"{name}\"")).collect();
        // A module can't be a part of a list by its path alone.
        let (parent, is_item) = match option.names().last() {
            Some(last) if **last == *"*" => (written[..written.len() - 1].join("."), true),
            _ => (written.join("."), false),
        };
        for module in ["{ ... }: { probe = 1; }", "./probe.nix"] {
            let given = if is_item { format!("[ ({module}) ]") } else { module.to_owned() };
            let text = format!("{{ {parent} = {given}; }}");
            let found = configuration(&[("default.nix", &text), ("probe.nix", "{ probe = 1; }")]);
            let is_read = found.definitions.iter().any(|definition| match &definition.value.kind {
                DataKind::List(items) => items.iter().any(|item| short(item) == "probe"),
                _ => definition.path == option.join("probe"),
            });
            assert!(is_read, "{option}: {text}");
        }
    }
}
