//! Systems that a flake makes, read one by one and together.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bulkhead_eval::data::DataKind;
use bulkhead_eval::{Limits, World};
use bulkhead_modules::{Configuration, OptionPath, Wanted, load_several, load_system, systems};
use bulkhead_source::{MemoryTree, TreePath};
use pretty_assertions::assert_eq;

/// With modules of flake-parts, which see what the flake gives out.
const OF_PARTS: &str = r#"
{
  inputs.flake-parts.url = "github:hercules-ci/flake-parts";
  inputs.nixpkgs.url = "github:NixOS/nixpkgs";
  outputs =
    { self, flake-parts, nixpkgs }@inputs:
    flake-parts.lib.mkFlake { inherit inputs; } (
      { lib, ... }:
      {
        systems = [ "x86_64-linux" ];
        flake.nixosConfigurations = lib.genAttrs [ "one" "two" ] (
          name:
          nixpkgs.lib.nixosSystem {
            specialArgs = { inherit self; };
            modules = [
              ./common.nix
              { networking.hostName = name; }
            ];
          }
        );
        flake.hydraJobs = lib.mapAttrs (_: system: system.config.system.build.toplevel) self.nixosConfigurations;
        flake.images.three = (nixpkgs.lib.nixosSystem { modules = [ ./common.nix ]; }).config.system.build.isoImage;
      }
    );
}
"#;

const COMMON: &str = r#"
{ lib, config, self, ... }:
{
  options.own.greeting = lib.mkOption { type = lib.types.str; };
  config.own.greeting = "hello from ${config.networking.hostName}";
  config.users.users.root.openssh.authorizedKeys.keys = self.keys;
}
"#;

fn world(files: &[(&str, &str)], limits: Limits) -> World {
    World::new(Arc::new(MemoryTree::new(files.iter().copied()).unwrap()), limits)
}

fn flake() -> TreePath {
    TreePath::new("flake.nix").unwrap()
}

fn together(world: &World, wanted: &[Wanted<'_>]) -> Vec<Configuration> {
    let read = load_several(world, Some(&flake()), wanted, &AtomicUsize::new(0), &|_, configuration| configuration);
    read.into_iter().map(|(_, configuration)| configuration).collect()
}

fn text(configuration: &Configuration, path: &str) -> Option<Arc<str>> {
    match &configuration.value(&OptionPath::parse(path).unwrap())?.kind {
        DataKind::String(text) => Some(text.clone()),
        _ => None,
    }
}

#[test]
fn what_a_flake_makes_of_its_own_systems_is_no_other_one() {
    let world = world(&[("flake.nix", OF_PARTS), ("common.nix", COMMON)], Limits::default());
    let names: Vec<Arc<str>> = systems(&world, &flake()).systems.into_iter().map(|system| system.name).collect();
    assert_eq!(names, ["images.three", "one", "two"].map(Arc::from));
}

#[test]
fn systems_that_are_read_together_say_the_same() {
    let world = world(&[("flake.nix", OF_PARTS), ("common.nix", COMMON)], Limits::default());
    let names = ["one", "images.three", "two", "missing"];
    let wanted: Vec<Wanted<'_>> = names.iter().map(|name| Wanted::System(name, &[])).collect();
    let read = together(&world, &wanted);
    let alone: Vec<Configuration> = names.iter().map(|name| load_system(&world, &flake(), name, &[], None)).collect();
    assert_eq!(text(&read[0], "own.greeting").as_deref(), Some("hello from one"));
    assert_eq!(text(&read[2], "own.greeting").as_deref(), Some("hello from two"));
    for (read, alone) in read.iter().zip(&alone) {
        assert_eq!(format!("{read:#?}"), format!("{alone:#?}"));
    }
}

#[test]
fn each_system_may_use_what_the_limits_allow() {
    let flake = r#"
        {
          inputs.nixpkgs.url = "github:NixOS/nixpkgs";
          outputs = { nixpkgs, ... }:
            let
              long = from: {
                environment.etc.sum.text = toString (builtins.foldl' builtins.add 0 (builtins.genList (n: n + from) 50000));
              };
              system = modules: nixpkgs.lib.nixosSystem { inherit modules; };
            in
            {
              nixosConfigurations.a = system [ (long 1) ];
              nixosConfigurations.b = system [ (long 2) ];
              nixosConfigurations.c = system [ (long 3) ];
              nixosConfigurations.many = system (map (n: { environment.etc."f${toString n}".text = (long n).environment.etc.sum.text; }) [ 1 2 3 ]);
            };
        }
    "#;
    let world = world(&[("flake.nix", flake)], Limits { steps: 700_000, ..Limits::default() });
    let wanted = ["a", "b", "c", "many"].map(|name| Wanted::System(name, &[]));
    let known = |configuration: &Configuration| {
        configuration.problems.is_empty() && configuration.definitions.iter().all(|definition| definition.is_known())
    };
    let read: Vec<bool> = together(&world, &wanted).iter().map(known).collect();
    assert_eq!(read, [true, true, true, false]);
}

#[test]
fn modules_see_what_other_modules_say_however_they_take_it() {
    let flake = r#"
        {
          inputs.nixpkgs.url = "github:NixOS/nixpkgs";
          outputs = { nixpkgs, ... }: {
            nixosConfigurations.kif = nixpkgs.lib.nixosSystem {
              modules = [
                ({ lib, ... }: { options.own = lib.genAttrs [ "a" "b" "c" "d" "e" "f" ] (_: lib.mkOption { type = lib.types.str; }); })
                (_: { own.a = "a"; })
                (args@{ lib, ... }: { own.b = lib.toUpper args.config.own.a; })
                (all: { own.c = all.config.own.b + "c"; })
                ({ config, ... }: with config; { own.d = own.c + "d"; })
                ({ config, ... }: { own.e = (x: x.own.d) config + "e"; })
                (_: { own.f = _.config.own.e + "f"; })
              ];
            };
          };
        }
    "#;
    let world = world(&[("flake.nix", flake)], Limits::default());
    let read = together(&world, &[Wanted::System("kif", &[])]);
    assert_eq!(read[0].problems, []);
    assert_eq!(text(&read[0], "own.f").as_deref(), Some("Acdef"));
}
