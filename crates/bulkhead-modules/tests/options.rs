//! Options that modules declare.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bulkhead_eval::data::DataKind;
use bulkhead_eval::{Limits, World};
use bulkhead_modules::{Configuration, OptionPath, load};
use bulkhead_source::{MemoryTree, TreePath};
use pretty_assertions::assert_eq;

fn configuration(text: &str) -> Configuration {
    let world = World::new(Arc::new(MemoryTree::new([("default.nix", text)]).unwrap()), Limits::default());
    load(&world, &TreePath::new("default.nix").unwrap())
}

#[test]
fn an_option_has_a_type_a_default_an_example_a_description_and_a_place() {
    let found = configuration(
        r#"
        { lib, pkgs, ... }:
        with lib;
        {
          options.services.mirror = {
            enable = mkEnableOption "the mirror";
            port = mkOption { type = types.port; default = 80; example = 8080; description = "Where it listens."; };
            mode = mkOption { type = types.nullOr (types.enum [ "fast" "safe" ]); default = null; };
            package = mkPackageOption pkgs "mirror" { };
            settings = mkOption { type = with types; attrsOf (either str (listOf int)); default = { }; internal = true; };
          };
          config = { };
        }
        "#,
    );
    assert_eq!(found.problems, []);
    let option = |name: &str| found.declared(&OptionPath::of(["services", "mirror", name])).unwrap();
    assert_eq!(option("enable").description.as_deref(), Some("Whether to enable the mirror."));
    assert_eq!(option("port").kind.description, "16 bit unsigned integer; between 0 and 65535 (both inclusive)");
    assert_eq!(option("port").default.as_ref().unwrap().kind, DataKind::Int(80));
    assert_eq!(&*option("port").place.as_ref().unwrap().file, "default.nix");
    assert_eq!(option("mode").kind.description, "null or one of \"fast\", \"safe\"");
    assert_eq!(option("mode").kind.nested[0].1.values.len(), 2);
    assert_eq!(option("package").default_text.as_deref(), Some("pkgs.mirror"));
    assert!(option("settings").internal);
    assert_eq!(option("settings").kind.nested[0].1.name, "either");
}

#[test]
fn options_of_submodules_are_below_their_option() {
    let found = configuration(
        "{ lib, ... }: {
           options.a = lib.mkOption {
             type = lib.types.attrsOf (lib.types.submodule ({ name, ... }: {
               options.b = lib.mkOption { type = lib.types.str; default = name; };
               options.c = lib.mkOption { type = lib.types.listOf (lib.types.submodule { options.d = lib.mkOption { }; }); };
             }));
           };
         }",
    );
    assert_eq!(found.problems, []);
    let paths: Vec<String> = found.options.keys().map(|path| path.to_string()).collect();
    assert_eq!(paths, ["a", "a.<name>.b", "a.<name>.c", "a.<name>.c.*.d"]);
    assert!(found.declared(&OptionPath::parse("a.web.b").unwrap()).is_some());
}

#[test]
fn options_under_a_condition_that_is_unknown_are_possible() {
    let found = configuration(
        "{ lib, config, ... }: { options = lib.optionalAttrs config.x { a = lib.mkOption { }; } ; config = { }; }",
    );
    assert!(!found.options[&OptionPath::of(["a"])].condition.is_always());
}

#[test]
fn strings_of_an_option_that_takes_one_conflict() {
    let text = |kind: &str| {
        format!(
            "{{ lib, ... }}: {{ options.a = lib.mkOption {{ type = lib.types.{kind}; }}; \
             config = lib.mkMerge [ {{ a = \"x\"; }} {{ a = \"y\"; }} ]; }}"
        )
    };
    assert_eq!(configuration(&text("str")).conflicts().len(), 1);
    assert_eq!(configuration(&text("lines")).conflicts().len(), 0);
}

#[test]
fn submodules_inside_of_themselves_have_an_end() {
    let found =
        configuration("{ lib, ... }: let m = { options.a = lib.mkOption { type = lib.types.submodule m; }; }; in m");
    assert!(found.options.len() < 100, "{}", found.options.len());
}
