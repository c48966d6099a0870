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

/// A system of a flake whose modules are these, by what they set.
fn set_by(modules: &[(&str, &str)]) -> Vec<String> {
    let flake_nix = r#"{
  inputs.flake-parts.url = "github:hercules-ci/flake-parts";
  inputs.nixpkgs.url = "github:NixOS/nixpkgs";
  outputs = inputs: inputs.flake-parts.lib.mkFlake { inherit inputs; } { imports = [ ./first.nix ./second.nix ]; };
}"#;
    let files: Vec<(&str, &str)> = [("flake.nix", flake_nix)].into_iter().chain(modules.iter().copied()).collect();
    let world = world(&files, Limits::default());
    let alone = load_system(&world, &flake(), "web", &[], None);
    let beside = together(&world, &[Wanted::System("web", &[])]).remove(0);
    let said = |configuration: &Configuration| -> Vec<String> {
        let undecided = configuration.undecided.iter().map(|undecided| undecided.reason.reason.to_string());
        let problems = configuration.problems.iter().map(|problem| problem.message.clone());
        let definitions = configuration.definitions.iter().map(|definition| definition.path.to_string());
        definitions.chain(undecided).chain(problems).collect()
    };
    assert_eq!(said(&alone), said(&beside));
    said(&alone)
}

#[test]
fn modules_of_a_flake_have_each_other_in_them() {
    let step = |number: u8| {
        format!("flake.nixosModules.m{number} = {{ imports = [ self.nixosModules.m{} ]; s{number} = 1; }};", number + 1)
    };
    let steps: String = (0..8).map(step).collect();
    let first = format!("{{ self, ... }}: {{ {steps} }}");
    let second = "{ self, inputs, moduleWithSystem, ... }: {
        flake.nixosModules.m8 = moduleWithSystem (perSystem@{ config, ... }: { config, ... }: { last = 1; });
        flake.nixosConfigurations.web = inputs.nixpkgs.lib.nixosSystem { modules = [ self.nixosModules.m0 ]; };
    }";
    let mut said = set_by(&[("first.nix", &first), ("second.nix", second)]);
    said.sort();
    assert_eq!(said, ["last", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"]);
    // One that is missing for good ends it.
    let said =
        set_by(&[("first.nix", &first.replace("nixosModules.m5 =", "nixosModules.m55 =")), ("second.nix", second)]);
    assert_eq!(said, ["s4", "s3", "s2", "s1", "s0", "attribute 'm5' missing"]);
}

#[test]
fn what_a_flake_gives_out_may_be_declared_below_and_by_others() {
    let first = "{ config, lib, ... }: {
        options.flake.own = lib.mkOption { type = lib.types.attrsOf lib.types.raw; };
        config.flake = { own.a = { a = 1; }; lib = config.flake.own; diskoConfigurations.a = { c = 1; }; };
    }";
    let second = "{ self, inputs, ... }: {
        flake = { own.b = { b = 1; }; diskoConfigurations.b = { d = 1; }; };
        flake.nixosConfigurations.web = inputs.nixpkgs.lib.nixosSystem {
          modules = with self; [ lib.a own.b diskoConfigurations.a diskoConfigurations.b ];
        };
    }";
    let mut said = set_by(&[("first.nix", first), ("second.nix", second)]);
    said.sort();
    assert_eq!(said, ["a", "b", "c", "d"]);
}

#[test]
fn modules_of_users_are_called_with_what_home_manager_is_told() {
    let flake = r#"
        {
          inputs.home-manager.url = "github:nix-community/home-manager";
          outputs = { self, nixpkgs, home-manager, ... }@inputs: {
            nixosConfigurations.kif = nixpkgs.lib.nixosSystem {
              modules = [
                ./common.nix
                { home-manager.extraSpecialArgs = { inherit inputs; flavour = "sweet"; }; }
                { home-manager.users.kim = { inputs, flavour, ... }: { imports = [ inputs.self.homeModules.shell ]; own.flavour = flavour; }; }
                { containers.inner.config = { flavour, ... }: { own.flavour = flavour; }; }
              ];
            };
            homeModules.shell = { programs.bash.enable = true; };
          };
        }
    "#;
    let world = world(&[("flake.nix", flake), ("common.nix", "{ }")], Limits::default());
    let read = &together(&world, &[Wanted::System("kif", &[])])[0];
    assert_eq!(read.problems, []);
    let said = |path: &str| {
        let definitions = read.definitions(&OptionPath::parse(path).unwrap());
        definitions.iter().map(|definition| format!("{:?}", definition.value.kind)).collect::<String>()
    };
    assert_eq!(said("home-manager.users.kim.programs.bash.enable"), "Bool(true)");
    assert_eq!(said("home-manager.users.kim.own.flavour"), "String(\"sweet\")");
    assert!(said("containers.inner.config.own.flavour").starts_with("Unknown("));
}
