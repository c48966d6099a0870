//! Values that hold `config`, and so themselves: they are not gone into, and what is beside them is known all the same.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use bulkhead_eval::{Limits, World};
use bulkhead_modules::{Configuration, OptionPath, first_unknown, load};
use bulkhead_source::{MemoryTree, TreePath};
use pretty_assertions::assert_eq;

fn read(text: &str) -> Configuration {
    read_within(text, Limits::default())
}

fn read_within(text: &str, limits: Limits) -> Configuration {
    let tree = MemoryTree::new([("default.nix", text)]).unwrap();
    load(&World::new(Arc::new(tree), limits), &TreePath::new("default.nix").unwrap())
}

fn value(configuration: &Configuration, path: &str) -> String {
    format!("{:?}", configuration.value(&OptionPath::parse(path).unwrap()).unwrap().kind)
}

/// How many values there are in the merged `config`.
fn size(configuration: &Configuration) -> usize {
    fn count(data: &bulkhead_eval::data::Data) -> usize {
        use bulkhead_eval::data::DataKind;
        match &data.kind {
            DataKind::List(items) => 1 + items.iter().map(count).sum::<usize>(),
            DataKind::Attrs(set) => 1 + set.attrs.values().map(|field| count(&field.value)).sum::<usize>(),
            _ => 1,
        }
    }
    count(configuration.config.as_ref().unwrap())
}

#[test]
fn an_option_may_hold_what_its_module_is_called_with() {
    let found = read(
        "{ config, lib, ... }: {
          options.pools = lib.mkOption {
            type = lib.types.attrsOf (lib.types.submodule ({ name, ... }@pool: {
              options.name = lib.mkOption { type = lib.types.str; default = name; };
              options.sets = lib.mkOption {
                type = lib.types.attrsOf (lib.types.submodule ({ name, ... }: {
                  options.name = lib.mkOption { type = lib.types.str; default = name; };
                  options.pool = lib.mkOption { default = pool; };
                  options.kept = lib.mkOption { type = lib.types.raw; default = pool; };
                }));
              };
            }));
          };
          options.names = lib.mkOption { type = lib.types.listOf lib.types.str; };
          config.pools.tank.sets = lib.genAttrs (map toString [ 1 2 3 4 5 6 7 8 9 ]) (_: { });
          config.names = map (set: \"${set.pool.name}/${set.name}\") (lib.attrValues config.pools.tank.sets);
          config.networking.hostName = \"web\";
        }",
    );
    assert_eq!(found.problems, []);
    assert!(found.passes < 10, "{}", found.passes);
    assert!(size(&found) < 100_000, "{}", size(&found));
    let names = found.value(&OptionPath::parse("names").unwrap()).unwrap();
    assert_eq!(first_unknown(names), None);
    assert!(value(&found, "names").contains("tank/9"));
    assert_eq!(value(&found, "networking.hostName"), "String(\"web\")");
}

#[test]
fn config_may_be_handed_on_as_a_whole() {
    for handed in ["config", "lib.mkIf true config", "{ inherit config options; }"] {
        let found = read(&format!(
            "{{ config, options, lib, ... }}: {{
              options.site.port = lib.mkOption {{ type = lib.types.port; default = 80; }};
              options.args = lib.mkOption {{ type = lib.types.attrsOf lib.types.anything; }};
              config.home-manager.extraSpecialArgs.super = {handed};
              config.args.super = {handed};
              config.home-manager.users.ann = {{ super, ... }}: {{ programs.git.enable = true; }};
              config.networking.firewall.allowedTCPPorts = [ config.site.port ];
              config.users.users.ann.isNormalUser = true;
            }}"
        ));
        assert_eq!(found.problems, [], "{handed}");
        assert!(found.passes < 10, "{handed}: {}", found.passes);
        assert!(found.definitions.len() < 50, "{handed}: {}", found.definitions.len());
        assert!(size(&found) < 5_000, "{handed}: {}", size(&found));
        let ports = found.definitions(&OptionPath::parse("networking.firewall.allowedTCPPorts").unwrap());
        assert_eq!(format!("{:?}", ports[0].value.kind).matches("Int(80)").count(), 1, "{handed}");
    }
}

#[test]
fn a_part_of_config_is_a_value_as_any_other() {
    let found = read(
        "{ config, lib, ... }: {
          options.pools = lib.mkOption {
            type = lib.types.attrsOf (lib.types.submodule { options.size = lib.mkOption { type = lib.types.int; }; });
          };
          options.copy = lib.mkOption { type = lib.types.attrsOf lib.types.anything; };
          config.pools.tank.size = 3;
          config.copy.tank = config.pools.tank;
        }",
    );
    assert_eq!(value(&found, "copy.tank.size"), "Int(3)");
}

#[test]
fn memory_that_runs_out_is_told() {
    let text = "{ a = builtins.genList (x: builtins.genList (y: y) 1000) 1000; networking.hostName = \"web\"; }";
    let found = read_within(text, Limits { memory: 64 << 20, ..Limits::default() });
    let told: Vec<&str> = found.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert!(told.iter().any(|message| message.contains("of memory")), "{told:?}");
}

#[test]
fn what_grows_with_each_pass_ends_at_a_limit_that_is_told() {
    let found = read(
        "{ config, lib, ... }: {
          options.grown = lib.mkOption { type = lib.types.raw; };
          config.grown = [ (config.grown or null) (config.grown or null) (config.grown or null) (config.grown or null) ];
        }",
    );
    let told: Vec<&str> = found.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert!(told.iter().any(|message| message.contains("passes over")), "{told:?}");
}
