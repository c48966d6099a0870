//! Systems that a library of another project makes of a flake's folders.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bulkhead_eval::data::DataKind;
use bulkhead_eval::{Limits, World};
use bulkhead_modules::{Configuration, Definition, OptionPath, Systems, load, load_system, systems};
use bulkhead_source::{MemoryTree, TreePath, WorkTree};
use pretty_assertions::assert_eq;

fn world(files: &[(&str, &str)]) -> World {
    World::new(Arc::new(MemoryTree::new(files.iter().copied()).unwrap()), Limits::default())
}

fn flake() -> TreePath {
    TreePath::new("flake.nix").unwrap()
}

/// The systems, each as its platform and name.
fn names(made: &Systems) -> Vec<String> {
    made.systems.iter().map(|system| format!("{} {}", system.platform.as_str(), system.name)).collect()
}

fn read(world: &World, name: &str) -> Configuration {
    load_system(world, &flake(), name, &[], None)
}

/// The files of the fleet that a system's modules are in, sorted.
fn files(configuration: &Configuration) -> Vec<&str> {
    let files = configuration.modules.iter().map(|module| &*module.file);
    let mut files: Vec<&str> = files.filter(|file| file.ends_with(".nix") && *file != "flake.nix").collect();
    files.sort_unstable();
    files.dedup();
    files
}

/// What modules define an option as, in words.
fn said(configuration: &Configuration, path: &str) -> Vec<String> {
    fn text(kind: &DataKind) -> String {
        match kind {
            DataKind::String(text) => text.to_string(),
            DataKind::Bool(value) => value.to_string(),
            DataKind::Int(value) => value.to_string(),
            DataKind::List(items) => items.iter().map(|item| text(&item.kind)).collect::<Vec<_>>().join(" "),
            DataKind::Unknown(unknown) => format!("unknown: {}", unknown.reason),
            other => format!("{other:?}"),
        }
    }
    let condition = |definition: &Definition| if definition.condition.is_always() { "" } else { "perhaps " };
    let definitions = configuration.definitions(&OptionPath::parse(path).unwrap());
    definitions
        .into_iter()
        .map(|definition| format!("{}{}", condition(definition), text(&definition.value.kind)))
        .collect()
}

/// Why something may be missing.
fn missing(configuration: &Configuration) -> Vec<String> {
    configuration.undecided.iter().map(|undecided| format!("{}: {}", undecided.path, undecided.reason.reason)).collect()
}

#[test]
fn what_says_in_which_file_it_is_is_shown_as_that_file() {
    let folder = tempfile::tempdir().unwrap();
    let module =
        "{ imports = [ { _file = ./inner.nix; boot.isContainer = true; } { _file = toString ./other.nix; } ]; }";
    std::fs::write(folder.path().join("module.nix"), module).unwrap();
    let world = World::new(Arc::new(WorkTree::open(folder.path()).unwrap()), Limits::default());
    let read = load(&world, &TreePath::new("module.nix").unwrap());
    assert_eq!(files(&read), ["inner.nix", "module.nix", "other.nix"]);
}

const SNOWFALL: &str = r#"{
  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs";
    snowfall-lib = { url = "github:snowfallorg/lib/v3.0.3"; inputs.nixpkgs.follows = "nixpkgs"; };
  };
  outputs = inputs:
    let
      lib = inputs.snowfall-lib.mkLib { inherit inputs; src = ./.; snowfall = { root = ./nix; namespace = "ours"; }; };
    in
    lib.mkFlake {
      systems.modules.nixos = [ ./extra.nix ];
      systems.hosts.bee = { modules = [ ./bee.nix ]; specialArgs.flavour = "sweet"; };
      alias.modules.nixos.default = "services/web";
    } // { more = 1; };
}"#;

fn snowfall() -> World {
    world(&[
        ("flake.nix", SNOWFALL),
        ("extra.nix", "{ lib, ... }: { networking.domain = lib.mkDefault \"example.org\"; }"),
        ("bee.nix", "{ flavour, ... }: { environment.variables.FLAVOUR = flavour; }"),
        ("nix/lib/default.nix", "{ lib, ... }: { mkOpt = type: default: lib.mkOption { inherit type default; }; }"),
        (
            "nix/lib/module/default.nix",
            "{ lib, namespace, ... }: with lib.${namespace}; { enabled.enable = true; mkBoolOpt = mkOpt lib.types.bool; }",
        ),
        (
            "nix/modules/nixos/services/web/default.nix",
            "{ config, lib, namespace, ... }: with lib; with lib.${namespace}; {
               options.${namespace}.web = { enable = mkBoolOpt false; port = mkOpt types.port 80; };
               config = mkIf config.${namespace}.web.enable { networking.firewall.allowedTCPPorts = [ config.${namespace}.web.port ]; };
             }",
        ),
        ("nix/modules/nixos/services/web/helper.nix", "{ this.is.not = \"imported\"; }"),
        ("nix/modules/darwin/one/default.nix", "{ system.defaults.dock.autohide = true; }"),
        (
            "nix/systems/x86_64-linux/bee/default.nix",
            "{ lib, host, system, target, format, virtual, inputs, ... }: with lib.ours; {
               imports = [ ./hardware.nix ] ++ lib.snowfall.fs.get-non-default-nix-files ./parts;
               ours.web = enabled;
               environment.variables.HOST = \"${host} ${system} ${target} ${format} ${if virtual then \"virtual\" else \"real\"}\";
             }",
        ),
        ("nix/systems/x86_64-linux/bee/hardware.nix", "{ boot.isContainer = true; }"),
        ("nix/systems/x86_64-linux/bee/parts/disk.nix", "{ fileSystems.\"/\".device = \"/dev/vda\"; }"),
        ("nix/systems/x86_64-linux/bee/parts/default.nix", "throw \"not this one\""),
        ("nix/systems/aarch64-linux/ant/default.nix", "{ networking.hostName = \"formica\"; }"),
        ("nix/systems/x86_64-install-iso/stick/default.nix", "{ format, ... }: { environment.variables.FORMAT = format; }"),
        ("nix/systems/aarch64-darwin/mac/default.nix", "{ }"),
        ("nix/systems/x86_64-linux/nothing/hardware.nix", "{ }"),
    ])
}

#[test]
fn snowfall_gives_each_host_the_modules_of_its_platform() {
    let world = snowfall();
    let made = systems(&world, &flake());
    assert_eq!(made.unknown, None);
    assert_eq!(
        names(&made),
        ["nixos ant", "nixos bee", "nix-darwin darwinConfigurations.mac", "nixos install-isoConfigurations.stick"]
    );
    let bee = read(&world, "bee");
    assert_eq!(bee.problems, []);
    assert_eq!(
        files(&bee),
        [
            "bee.nix",
            "extra.nix",
            "nix/modules/nixos/services/web/default.nix",
            "nix/systems/x86_64-linux/bee/default.nix",
            "nix/systems/x86_64-linux/bee/hardware.nix",
            "nix/systems/x86_64-linux/bee/parts/disk.nix",
        ]
    );
    assert_eq!(missing(&bee), [""; 0]);
    assert_eq!(said(&bee, "networking.hostName"), ["bee"]);
    assert_eq!(said(&bee, "networking.domain"), ["example.org"]);
    assert_eq!(said(&bee, "networking.firewall.allowedTCPPorts"), ["80"]);
    assert_eq!(said(&bee, "environment.variables.HOST"), ["bee x86_64-linux x86_64-linux linux real"]);
    assert_eq!(said(&bee, "environment.variables.FLAVOUR"), ["sweet"]);
    let ant = read(&world, "ant");
    assert_eq!(said(&ant, "networking.hostName"), ["formica", "ant"]);
    assert_eq!(said(&ant, "networking.firewall.allowedTCPPorts"), [""; 0]);
    assert_eq!(said(&read(&world, "install-isoConfigurations.stick"), "environment.variables.FORMAT"), ["install-iso"]);
    assert_eq!(
        files(&read(&world, "darwinConfigurations.mac")),
        ["nix/modules/darwin/one/default.nix", "nix/systems/aarch64-darwin/mac/default.nix"]
    );
}

#[test]
fn what_is_not_known_of_a_host_of_snowfall_stays_so() {
    let flake_nix = r#"{
      inputs.nixpkgs.url = "github:NixOS/nixpkgs";
      inputs.disko.url = "github:nix-community/disko";
      inputs.other.url = "github:o/other";
      inputs.snowfall-lib.url = "github:snowfallorg/lib";
      outputs = inputs: inputs.snowfall-lib.mkFlake {
        inherit inputs;
        src = ./.;
        systems.modules.nixos = with inputs; [ other.nixosModules.default ];
        systems.hosts.ant.modules = [ inputs.disko.nixosModules.disko ];
        outputs-builder = inputs.other.lib.build;
      };
    }"#;
    let world = world(&[
        ("flake.nix", flake_nix),
        ("lib/default.nix", "{ inputs, ... }: { helped = inputs.other.lib.help; known = 1; }"),
        (
            "systems/x86_64-linux/bee/default.nix",
            "{ lib, ... }: { networking.domain = lib.internal.helped \"x\"; networking.nat.enable = lib.internal.known == 1; }",
        ),
        ("systems/x86_64-linux/ant/default.nix", "{ lib, ... }: { networking.domain = lib.other.domain; }"),
        ("modules/of-none/default.nix", "{ networking.nat.enable = false; }"),
    ]);
    let bee = read(&world, "bee");
    assert_eq!(
        missing(&bee),
        [": the flake input `other` is not fetched", "networking.domain: the flake input `other` is not fetched"]
    );
    assert_eq!(said(&bee, "networking.domain"), ["unknown: the flake input `other` is not fetched"]);
    assert_eq!(said(&bee, "networking.nat.enable"), ["true"]);
    let ant = read(&world, "ant");
    assert_eq!(missing(&ant).len(), 3);
    assert_eq!(said(&ant, "networking.domain"), ["unknown: the flake input `other` is not fetched"]);
}

#[test]
fn snowfall_gives_homes_to_their_hosts() {
    let flake_nix = r#"{
      inputs.home-manager.url = "github:nix-community/home-manager";
      inputs.snowfall-lib.url = "github:snowfallorg/lib";
      outputs = inputs: inputs.snowfall-lib.mkFlake {
        inherit inputs;
        src = ./.;
        homes.modules = [ ./every.nix ];
        homes.users."kim@bee".modules = [ ./kim.nix ];
      };
    }"#;
    let world = world(&[
        ("flake.nix", flake_nix),
        ("every.nix", "{ programs.git.enable = true; }"),
        ("kim.nix", "{ programs.gpg.enable = true; }"),
        (
            "modules/home/shell/default.nix",
            "{ config, inputs, lib, namespace, ... }: {
               imports = [ inputs.self.homeModules.plain ];
               options.ours.shell = lib.internal.mkBool;
               config.programs.bash.enable = lib.mkIf config.ours.shell (namespace == \"internal\");
             }",
        ),
        ("modules/home/plain/default.nix", "{ programs.plain.enable = true; }"),
        ("lib/default.nix", "{ lib, ... }: { mkBool = lib.mkEnableOption \"it\"; }"),
        ("homes/x86_64-linux/kim@bee/default.nix", "{ programs.kim.enable = true; ours.shell = true; }"),
        ("homes/x86_64-linux/all/default.nix", "{ programs.all.enable = true; }"),
        ("homes/x86_64-linux/off@bee/default.nix", "{ programs.off.enable = true; }"),
        ("homes/x86_64-linux/kim@pc/default.nix", "{ ours.shell = false; }"),
        ("homes/aarch64-linux/arm/default.nix", "{ programs.arm.enable = true; }"),
        (
            "systems/x86_64-linux/bee/default.nix",
            "{ snowfallorg.users.kim = { admin = false; home.config.programs.ssh.enable = true; };
               snowfallorg.users.off.home.enable = false; }",
        ),
        ("systems/x86_64-linux/ant/default.nix", "{ }"),
    ]);
    // Those that are for a system are in it.
    assert_eq!(
        names(&systems(&world, &flake())),
        ["nixos ant", "nixos bee", "home-manager homeConfigurations.\"kim@pc\"", "home-manager homeConfigurations.arm"]
    );
    let bee = read(&world, "bee");
    assert_eq!(bee.problems, []);
    let users = bee.children(&OptionPath::parse("home-manager.users").unwrap());
    let of = |option: &str| said(&bee, &format!("home-manager.users.{option}.enable")).join(" ");
    let options =
        ["kim.programs.kim", "kim.programs.gpg", "kim.programs.ssh", "kim.programs.bash", "all.programs.bash"];
    assert_eq!(options.map(of), ["true", "true", "true", "true", ""]);
    assert_eq!(users.iter().map(|user| &**user).collect::<Vec<_>>(), ["all", "kim"]);
    assert_eq!(said(&bee, "users.users.kim.extraGroups"), [""]);
    assert_eq!(said(&bee, "users.users.all.extraGroups"), ["wheel"]);
    let ant = read(&world, "ant");
    let users = ant.children(&OptionPath::parse("home-manager.users").unwrap());
    assert_eq!(users.iter().map(|user| &**user).collect::<Vec<_>>(), ["all"]);
    assert_eq!(
        files(&read(&world, "homeConfigurations.\"kim@pc\"")),
        [
            "every.nix",
            "homes/x86_64-linux/kim@pc/default.nix",
            "modules/home/plain/default.nix",
            "modules/home/shell/default.nix"
        ]
    );
}

#[test]
fn what_fails_in_a_library_is_told_where_people_see_it() {
    let flake_nix = r#"{
      inputs.snowfall-lib.url = "github:snowfallorg/lib";
      outputs = inputs: inputs.snowfall-lib.mkFlake {
        inherit inputs;
        src = ./.;
        alias.modules.nixos.other = "missing";
        systems.modules.nixos = [ inputs.self.nixosModules.other ];
      };
    }"#;
    let world = world(&[("flake.nix", flake_nix), ("systems/x86_64-linux/bee/default.nix", "{ }")]);
    let bee = read(&world, "bee");
    let told = bee.problems.iter().map(|problem| (&*problem.message, &*problem.place.as_ref().unwrap().file));
    assert_eq!(told.collect::<Vec<_>>(), [("attribute 'missing' missing", "flake.nix")]);
}

#[test]
fn the_first_version_of_snowfall_has_modules_for_all() {
    let flake_nix = r#"{
      inputs.snowfall-lib.url = "github:snowfallorg/lib?ref=v1.0.0";
      outputs = inputs: inputs.snowfall-lib.mkFlake { inherit inputs; src = ./.; systems.modules = [ ./extra.nix ]; };
    }"#;
    let world = world(&[
        ("flake.nix", flake_nix),
        ("extra.nix", "{ }"),
        ("modules/web/default.nix", "{ services.nginx.enable = true; }"),
        ("systems/x86_64-linux/bee/default.nix", "{ }"),
    ]);
    assert_eq!(
        files(&read(&world, "bee")),
        ["extra.nix", "modules/web/default.nix", "systems/x86_64-linux/bee/default.nix"]
    );
}

#[test]
fn another_library_of_that_name_is_not_taken_for_it() {
    let flake_nix = SNOWFALL.replace("github:snowfallorg/lib/v3.0.3", "github:o/lib");
    let world = world(&[("flake.nix", &flake_nix), ("nix/systems/x86_64-linux/bee/default.nix", "{ }")]);
    let made = systems(&world, &flake());
    assert_eq!(names(&made), [""; 0]);
    assert!(made.unknown.is_some());
}

#[test]
fn blueprint_makes_a_system_of_each_folder_of_hosts() {
    let flake_nix = r#"{
      inputs.nixpkgs.url = "github:NixOS/nixpkgs";
      inputs.home-manager.url = "github:nix-community/home-manager";
      inputs.blueprint.url = "github:numtide/blueprint";
      outputs = inputs: inputs.blueprint { inherit inputs; prefix = "nix/"; };
    }"#;
    let world = world(&[
        ("flake.nix", flake_nix),
        (
            "nix/hosts/bee/configuration.nix",
            "{ flake, inputs, hostName, perSystem, ... }: {
               imports = [ flake.nixosModules.server inputs.self.modules.nixos.given inputs.home-manager.nixosModules.other ];
               networking = { inherit hostName; };
               environment.systemPackages = [ perSystem.self.tool ];
             }",
        ),
        ("nix/modules/nixos/server.nix", "{ pkgs, ... }: { services.openssh.enable = true; }"),
        ("nix/modules/nixos/given/default.nix", "{ flake, inputs }: { config, ... }: { networking.domain = flake.lib.domain; }"),
        ("nix/modules/nixos/unused.nix", "{ networking.nat.enable = true; }"),
        ("nix/lib/default.nix", "{ flake, inputs }: { domain = \"example.org\"; }"),
        (
            "nix/hosts/bee/users/kim/home-configuration.nix",
            "{ flake, osConfig, ... }: { imports = [ flake.homeModules.shell ]; programs.kim.enable = true; }",
        ),
        ("nix/hosts/bee/users/sam.nix", "{ programs.sam.enable = true; }"),
        ("nix/modules/home/shell.nix", "{ programs.bash.enable = true; }"),
        (
            "nix/hosts/own/default.nix",
            "{ flake, inputs, ... }@args: {
               class = \"nixos\";
               value = inputs.nixpkgs.lib.nixosSystem { modules = [ ./more.nix { networking = { inherit (args) hostName; }; } ]; };
             }",
        ),
        ("nix/hosts/own/more.nix", "{ networking.domain = \"own\"; }"),
        ("nix/hosts/mac/darwin-configuration.nix", "{ }"),
        ("nix/hosts/odd/other-configuration.nix", "{ }"),
        ("nix/hosts/single.nix", "{ }"),
        ("nix/hosts/pc/users/lee.nix", "{ programs.lee.enable = true; }"),
        ("hosts/not-here/configuration.nix", "{ }"),
    ]);
    let made = systems(&world, &flake());
    assert_eq!(made.unknown, None);
    assert_eq!(
        names(&made),
        [
            "nixos bee",
            "nix-darwin darwinConfigurations.mac",
            "home-manager homeConfigurations.\"lee@pc\"",
            "nixos odd",
            "nixos own",
            "nixos single",
        ]
    );
    let unknown = made.systems.iter().filter(|system| system.unknown.is_some()).map(|system| &*system.name);
    assert_eq!(unknown.collect::<Vec<_>>(), ["odd", "single"]);
    let bee = read(&world, "bee");
    assert_eq!(bee.problems, []);
    assert_eq!(
        files(&bee),
        ["nix/hosts/bee/configuration.nix", "nix/modules/nixos/given/default.nix", "nix/modules/nixos/server.nix",]
    );
    assert_eq!(said(&bee, "networking.hostName"), ["bee"]);
    assert_eq!(said(&bee, "networking.domain"), ["example.org"]);
    let of_users = ["kim.programs.kim", "kim.programs.bash", "sam.programs.sam"];
    let of_users = of_users.map(|option| said(&bee, &format!("home-manager.users.{option}.enable")).join(" "));
    assert_eq!(of_users, ["true"; 3]);
    // The module that is taken from elsewhere, and that of home-manager.
    assert_eq!(bee.undecided.iter().filter(|undecided| undecided.path == OptionPath::root()).count(), 2);
    assert_eq!(said(&read(&world, "own"), "networking.domain"), ["own"]);
}

#[test]
fn easy_hosts_makes_systems_of_folders_and_of_what_is_said() {
    let flake_nix = r#"{
      inputs.nixpkgs.url = "github:NixOS/nixpkgs";
      inputs.flake-parts.url = "github:hercules-ci/flake-parts";
      inputs.easy-hosts.url = "github:tgirlcloud/easy-hosts";
      outputs = inputs: inputs.flake-parts.lib.mkFlake { inherit inputs; } {
        imports = [ inputs.easy-hosts.flakeModule ];
        systems = [ "x86_64-linux" ];
        easy-hosts = {
          autoConstruct = true;
          path = ./systems;
          shared.modules = [ ./shared.nix [ [ ./deep.nix ] ] ];
          shared.specialArgs = { ours = "shared"; both = "shared"; };
          additionalClasses.wsl = "nixos";
          perClass = class: { modules = [ ./classes/${class}.nix ]; specialArgs = { inherit class; }; };
          perTag = tag: { modules = [ ./tags/${tag}.nix ]; };
          hosts.bee = { arch = "aarch64"; tags = [ "web" ]; modules = [ ./bee.nix ]; specialArgs.both = "bee"; };
          hosts.said = { class = "wsl"; path = ./said.nix; };
        };
      };
    }"#;
    let world = world(&[
        ("flake.nix", flake_nix),
        ("shared.nix", "{ ours, both, ... }: { environment.variables.OURS = \"${ours} ${both}\"; }"),
        ("deep.nix", "{ networking.nat.enable = true; }"),
        ("classes/nixos.nix", "{ class, ... }: { environment.variables.CLASS = class; }"),
        ("classes/wsl.nix", "{ class, ... }: { environment.variables.CLASS = class; }"),
        ("classes/darwin.nix", "{ }"),
        ("tags/web.nix", "{ services.nginx.enable = true; }"),
        ("bee.nix", "{ inputs', self, ... }: { boot.tmp.useTmpfs = true; }"),
        ("said.nix", "{ }"),
        ("systems/x86_64-linux/bee/default.nix", "{ inputs, ... }: { boot.isContainer = true; }"),
        ("systems/aarch64-darwin/mac/default.nix", "{ }"),
        ("systems/x86_64-iso/stick.nix", "{ }"),
        ("classes/iso.nix", "{ }"),
    ]);
    let made = systems(&world, &flake());
    assert_eq!(made.unknown, None);
    assert_eq!(names(&made), ["nixos bee", "nix-darwin darwinConfigurations.mac", "nixos said", "nixos stick"]);
    let stick = read(&world, "stick");
    assert_eq!(said(&stick, "nixpkgs.hostPlatform"), ["x86_64-linux"]);
    assert_eq!(files(&stick), ["classes/iso.nix", "deep.nix", "shared.nix", "systems/x86_64-iso/stick.nix"]);
    // That of nixpkgs.
    assert!(!missing(&stick).is_empty());
    let bee = read(&world, "bee");
    assert_eq!(
        files(&bee),
        [
            "bee.nix",
            "classes/nixos.nix",
            "deep.nix",
            "shared.nix",
            "systems/x86_64-linux/bee/default.nix",
            "tags/web.nix"
        ]
    );
    assert_eq!(said(&bee, "environment.variables.OURS"), ["shared shared"]);
    assert_eq!(said(&bee, "environment.variables.CLASS"), ["nixos"]);
    assert_eq!(said(&bee, "nixpkgs.hostPlatform"), ["aarch64-linux"]);
    assert_eq!(files(&read(&world, "said")), ["classes/wsl.nix", "deep.nix", "said.nix", "shared.nix"]);
    assert_eq!(
        files(&read(&world, "darwinConfigurations.mac")),
        ["classes/darwin.nix", "deep.nix", "shared.nix", "systems/aarch64-darwin/mac/default.nix"]
    );
}

#[test]
fn what_is_unknown_among_modules_for_all_hosts_is_one_of_them() {
    let flake_nix = r#"{
      inputs.flake-parts.url = "github:hercules-ci/flake-parts";
      inputs.other.url = "github:o/other";
      inputs.easy-hosts.url = "github:isabelroses/easy-hosts";
      outputs = inputs: inputs.flake-parts.lib.mkFlake { inherit inputs; } {
        imports = [ inputs.easy-hosts.flakeModules.default ];
        easyHosts.hosts.bee.path = ./bee.nix;
        easyHosts.shared.modules = [ inputs.other.nixosModules.default ./shared.nix ];
      };
    }"#;
    let world = world(&[
        ("flake.nix", flake_nix),
        ("bee.nix", "{ boot.isContainer = true; }"),
        ("shared.nix", "{ networking.nat.enable = true; }"),
    ]);
    let bee = read(&world, "bee");
    assert_eq!(files(&bee), ["bee.nix", "shared.nix"]);
    assert_eq!(said(&bee, "boot.isContainer"), ["true"]);
    assert!(missing(&bee).iter().all(|reason| reason == ": the flake input `other` is not fetched"));
    assert!(!missing(&bee).is_empty());
}

#[test]
fn ez_configs_gives_the_default_module_to_each_host() {
    let flake_nix = r#"{
      inputs.nixpkgs.url = "github:NixOS/nixpkgs";
      inputs.home-manager.url = "github:nix-community/home-manager";
      inputs.flake-parts.url = "github:hercules-ci/flake-parts";
      inputs.ez-configs.url = "github:ehllie/ez-configs";
      outputs = inputs@{ flake-parts, ... }: flake-parts.lib.mkFlake { inherit inputs; } {
        imports = [ inputs.ez-configs.flakeModule ];
        systems = [ ];
        ezConfigs = {
          root = ./.;
          globalArgs = { inherit inputs; flavour = "sweet"; };
          nixos.hosts.bee.userHomeModules = [ "kim" ];
          nixos.hosts.ant.importDefault = false;
          home.modulesDirectory = ./homes;
          home.users.lee.standalone = { enable = true; pkgs = inputs.nixpkgs.legacyPackages.x86_64-linux; };
        };
      };
    }"#;
    let world = world(&[
        ("flake.nix", flake_nix),
        (
            "nixos-configurations/bee/default.nix",
            "{ ezModules, flavour, ... }: { imports = [ ezModules.web ]; networking.domain = flavour; }",
        ),
        ("nixos-configurations/ant.nix", "{ inputs, ... }: { imports = [ inputs.self.nixosModules.web ]; }"),
        ("darwin-configurations/mac.nix", "{ }"),
        ("nixos-modules/default.nix", "{ services.openssh.enable = true; }"),
        ("nixos-modules/web.nix", "{ services.nginx.enable = true; }"),
        ("nixos-modules/unused.nix", "{ networking.nat.enable = true; }"),
        ("homes/default.nix", "{ programs.bash.enable = true; }"),
        ("homes/linux.nix", "{ programs.fish.enable = true; }"),
        ("homes/darwin.nix", "{ programs.zsh.enable = true; }"),
        ("homes/git.nix", "{ programs.git.enable = true; }"),
        (
            "home-configurations/kim.nix",
            "{ ezModules, ... }: { imports = [ ezModules.git ]; programs.kim.enable = true; }",
        ),
        ("home-configurations/lee/default.nix", "{ programs.lee.enable = true; }"),
    ]);
    let made = systems(&world, &flake());
    assert_eq!(made.unknown, None);
    assert_eq!(
        names(&made),
        ["nixos ant", "nixos bee", "nix-darwin darwinConfigurations.mac", "home-manager homeConfigurations.lee"]
    );
    let bee = read(&world, "bee");
    assert_eq!(bee.problems, []);
    assert_eq!(
        files(&bee),
        ["nixos-configurations/bee/default.nix", "nixos-modules/default.nix", "nixos-modules/web.nix"]
    );
    assert_eq!(said(&bee, "networking.domain"), ["sweet"]);
    let of_kim = ["kim", "bash", "fish", "git", "zsh"];
    let of_kim = of_kim.map(|name| said(&bee, &format!("home-manager.users.kim.programs.{name}.enable")).join(" "));
    assert_eq!(of_kim, ["true", "true", "true", "true", ""]);
    assert_eq!(files(&read(&world, "ant")), ["nixos-configurations/ant.nix", "nixos-modules/web.nix"]);
    assert_eq!(
        files(&read(&world, "homeConfigurations.lee")),
        ["home-configurations/lee/default.nix", "homes/default.nix", "homes/linux.nix"]
    );
}

#[test]
fn folders_of_the_first_versions_of_ez_configs_are_unknown() {
    let flake_nix = r#"{
      inputs.flake-parts.url = "github:hercules-ci/flake-parts";
      inputs.ez-configs.url = "github:ehllie/ez-configs";
      outputs = inputs: inputs.flake-parts.lib.mkFlake { inherit inputs; } {
        imports = [ inputs.ez-configs.flakeModule ];
        ezConfigs = { root = ./.; nixos.hostsDirectory = ./hosts; };
      };
    }"#;
    let world = world(&[("flake.nix", flake_nix), ("hosts/bee.nix", "{ networking.hostName = \"bee\"; }")]);
    let made = systems(&world, &flake());
    assert_eq!(names(&made), [""; 0]);
    assert!(made.unknown.is_some());
}

#[test]
fn ez_configs_takes_folders_that_are_strings() {
    let flake_nix = r#"{
      inputs.flake-parts.url = "github:hercules-ci/flake-parts";
      inputs.home-manager.url = "github:nix-community/home-manager";
      inputs.ez-configs.url = "github:ehllie/ez-configs";
      outputs = inputs: inputs.flake-parts.lib.mkFlake { inherit inputs; } ({ config, self, ... }: {
        imports = [ inputs.ez-configs.flakeModule ];
        ezConfigs = {
          root = self;
          nixos.configurationsDirectory = "${config.ezConfigs.root}/configurations/nixos";
          nixos.modulesDirectory = "${self}/modules";
          home.configurationsDirectory = "${self}/homes";
          nixos.hosts.bee.userHomeModules.kim = "plain";
        };
      });
    }"#;
    let world = world(&[
        ("flake.nix", flake_nix),
        ("configurations/nixos/bee/default.nix", "{ ezModules, ... }: { imports = [ ezModules.web ]; }"),
        ("modules/web.nix", "{ services.nginx.enable = true; }"),
        ("homes/plain.nix", "{ programs.bash.enable = true; }"),
    ]);
    let bee = read(&world, "bee");
    assert_eq!(bee.problems, []);
    assert_eq!(files(&bee), ["configurations/nixos/bee/default.nix", "modules/web.nix"]);
    assert_eq!(said(&bee, "home-manager.users.kim.programs.bash.enable"), ["true"]);
}

#[test]
fn nixos_unified_makes_systems_by_its_functions_and_of_folders() {
    let flake_nix = r#"{
      inputs.nixpkgs.url = "github:NixOS/nixpkgs";
      inputs.home-manager.url = "github:nix-community/home-manager";
      inputs.flake-parts.url = "github:hercules-ci/flake-parts";
      inputs.nixos-unified.url = "github:srid/nixos-unified";
      outputs = inputs: inputs.nixos-unified.lib.mkFlake { inherit inputs; root = ./.; };
    }"#;
    let world = world(&[
        ("flake.nix", flake_nix),
        (
            "modules/flake/toplevel.nix",
            "{ inputs, self, ... }: {
               imports = [ inputs.nixos-unified.flakeModules.default inputs.nixos-unified.flakeModules.autoWire ];
               flake.nixosConfigurations.called = self.nixos-unified.lib.mkLinuxSystem { } ../../called.nix;
             }",
        ),
        ("called.nix", "{ flake, ... }: { imports = [ flake.inputs.self.nixosModules.web ]; }"),
        (
            "configurations/nixos/bee/default.nix",
            "{ flake, config, ... }: {
               imports = [ flake.self.nixosModules.web ];
               nixos-unified.sshTarget = \"root@bee\";
               home-manager.users.kim.imports = [ (flake.self + /configurations/home/kim.nix) ];
             }",
        ),
        ("configurations/darwin/mac.nix", "{ }"),
        ("configurations/home/kim.nix", "{ flake, ... }: { imports = [ flake.self.homeModules.shell ]; }"),
        ("modules/nixos/web.nix", "{ services.nginx.enable = true; }"),
        ("modules/nixos/unused.nix", "{ networking.nat.enable = true; }"),
        ("modules/home/shell.nix", "{ programs.bash.enable = true; }"),
    ]);
    let made = systems(&world, &flake());
    assert_eq!(made.unknown, None);
    assert_eq!(
        names(&made),
        [
            "nixos bee",
            "nixos called",
            "nix-darwin darwinConfigurations.mac",
            "home-manager legacyPackages.<system>.homeConfigurations.kim",
        ]
    );
    let bee = read(&world, "bee");
    assert_eq!(bee.problems, []);
    assert_eq!(files(&bee), ["configurations/nixos/bee/default.nix", "modules/nixos/web.nix"]);
    assert_eq!(said(&bee, "home-manager.users.kim.programs.bash.enable"), ["true"]);
    assert_eq!(missing(&bee).len(), 1);
    let called = read(&world, "called");
    assert_eq!(files(&called), ["called.nix", "modules/nixos/web.nix"]);
    assert_eq!(missing(&called), [""; 0]);
}

const CLAN: &[(&str, &str)] = &[
    ("machines/bee/configuration.nix", "{ clan-core, flavour, ... }: { networking.domain = flavour; }"),
    ("machines/bee/hardware-configuration.nix", "{ boot.isContainer = true; }"),
    ("machines/bee/other.nix", "{ this.is.not = \"imported\"; }"),
    ("machines/mac/configuration.nix", "{ }"),
    ("ant.nix", "{ self, ... }: { services.nginx.enable = true; }"),
    ("web.nix", "{ services.openssh.enable = true; }"),
    ("all.nix", "{ networking.nat.enable = true; }"),
    (
        "clan.nix",
        "{ lib, ... }: {
           imports = [ ./more.nix ];
           machines.ant = { imports = [ ./ant.nix ]; };
           inventory.machines = { bee.tags = [ \"web\" ]; mac.machineClass = \"darwin\"; };
           inventory.instances.ssh = { module.name = \"sshd\"; roles.server = { tags.web = { }; extraModules = [ ./web.nix ]; }; };
           inventory.instances.every = { roles.one = { tags = [ \"all\" ]; extraModules = [ ./all.nix ]; }; };
         }",
    ),
    ("more.nix", "{ machines.ant = { networking.domain = \"more\"; }; }"),
    ("inventory.json", "{ \"machines\": { \"wasp\": { \"tags\": [\"web\"] } } }"),
];

#[track_caller]
fn judge_clan(flake_nix: &str) {
    let files_of_clan: Vec<(&str, &str)> = [("flake.nix", flake_nix)].into_iter().chain(CLAN.iter().copied()).collect();
    let world = world(&files_of_clan);
    let made = systems(&world, &flake());
    assert_eq!(made.unknown, None);
    assert_eq!(made.problem, None);
    assert_eq!(names(&made), ["nixos ant", "nixos bee", "nix-darwin darwinConfigurations.mac", "nixos wasp"]);
    assert_eq!(files(&read(&world, "wasp")), ["all.nix", "web.nix"]);
    let bee = read(&world, "bee");
    assert_eq!(bee.problems, []);
    assert_eq!(
        files(&bee),
        ["all.nix", "machines/bee/configuration.nix", "machines/bee/hardware-configuration.nix", "web.nix"]
    );
    assert_eq!(said(&bee, "networking.domain"), ["sweet"]);
    // Those of clan-core, and of services.
    assert_eq!(missing(&bee), [": the flake input `clan-core` is not fetched"]);
    let ant = read(&world, "ant");
    assert_eq!(files(&ant), ["all.nix", "ant.nix"]);
    assert_eq!(said(&ant, "networking.domain"), ["more"]);
}

#[test]
fn clan_makes_systems_of_machines_wherever_they_are_named() {
    judge_clan(
        r#"{
          inputs.clan-core.url = "https://git.clan.lol/clan/clan-core/archive/main.tar.gz";
          outputs = { self, clan-core, ... }:
            let
              clan = clan-core.lib.clan { inherit self; imports = [ ./clan.nix ]; meta.name = "ours"; specialArgs.flavour = "sweet"; };
            in
            { inherit (clan.config) nixosConfigurations darwinConfigurations clanInternals; clan = clan.config; };
        }"#,
    );
    judge_clan(
        r#"{
          inputs.clan-core.url = "git+https://git.clan.lol/clan/clan-core";
          outputs = { self, clan-core, ... }:
            let
              clan = clan-core.lib.buildClan (import ./clan.nix { lib = null; } // { directory = ./.; specialArgs.flavour = "sweet"; });
            in
            { inherit (clan) nixosConfigurations darwinConfigurations clanInternals; };
        }"#,
    );
}

#[test]
fn clan_takes_modules_of_roles_that_are_strings_below_its_folder() {
    for (directory, folder) in [("", ""), ("directory = ./clan;", "clan/")] {
        let flake_nix = r#"{
          inputs.clan-core.url = "git+https://git.clan.lol/clan/clan-core";
          outputs = { self, clan-core, ... }:
            let
              clan = clan-core.lib.clan {
                inherit self;
                DIRECTORY
                machines.bee = { };
                inventory.instances.ssh.roles.server = {
                  machines.bee = { };
                  extraModules = [ "modules/web.nix" ./path.nix { networking.domain = "set"; } ];
                };
              };
            in
            { inherit (clan.config) nixosConfigurations; };
        }"#;
        let flake_nix = flake_nix.replace("DIRECTORY", directory);
        let web = format!("{folder}modules/web.nix");
        let world = world(&[
            ("flake.nix", &flake_nix),
            (&web, "{ services.nginx.enable = true; }"),
            ("path.nix", "{ services.openssh.enable = true; }"),
        ]);
        let bee = read(&world, "bee");
        assert_eq!(bee.problems, []);
        assert_eq!(files(&bee), [&*web, "path.nix"]);
        assert_eq!(said(&bee, "networking.domain"), ["set"]);
        assert_eq!(missing(&bee), [": the flake input `clan-core` is not fetched"]);
    }
}

#[test]
fn clan_makes_systems_by_a_module_of_flake_parts() {
    for clan in ["clan", "flake.clan"] {
        let flake_nix = r#"{
          inputs.flake-parts.url = "github:hercules-ci/flake-parts";
          inputs.clan-core.url = "git+https://git.clan.lol/clan/clan-core";
          outputs = inputs: inputs.flake-parts.lib.mkFlake { inherit inputs; } {
            imports = [ inputs.clan-core.flakeModules.default { CLAN.imports = [ ./clan.nix ]; } ];
            systems = [ "x86_64-linux" ];
            CLAN = { meta.name = "ours"; specialArgs = { flavour = "sweet"; }; };
          };
        }"#;
        judge_clan(&flake_nix.replace("CLAN", clan));
    }
}

#[test]
fn lite_config_gives_its_modules_to_all_hosts() {
    let flake_nix = r#"{
      inputs.nixpkgs.url = "github:NixOS/nixpkgs";
      inputs.home-manager.url = "github:nix-community/home-manager";
      inputs.flake-parts.url = "github:hercules-ci/flake-parts";
      inputs.lite-config.url = "github:yelite/lite-config";
      outputs = inputs: inputs.flake-parts.lib.mkFlake { inherit inputs; } {
        imports = [ inputs.lite-config.flakeModule ];
        lite-config = {
          hostModuleDir = ./hosts;
          systemModules = [ ./system.nix ];
          nixosModules = [ ./nixos.nix ];
          homeModules = [ ./home.nix ];
          hosts.bee.system = "x86_64-linux";
          hosts.ant = { system = "aarch64-linux"; hostModule = ./ant.nix; useHomeManager = false; };
          hosts.mac.system = "aarch64-darwin";
        };
      };
    }"#;
    let world = world(&[
        ("flake.nix", flake_nix),
        ("hosts/bee/default.nix", "{ inputs, ... }: { boot.isContainer = true; }"),
        ("hosts/mac/default.nix", "{ }"),
        ("ant.nix", "{ }"),
        ("system.nix", "{ hostPlatform, lib, ... }: { networking.nat.enable = hostPlatform.isLinux; }"),
        ("nixos.nix", "{ services.openssh.enable = true; }"),
        ("home.nix", "{ programs.bash.enable = true; }"),
    ]);
    let made = systems(&world, &flake());
    assert_eq!(made.unknown, None);
    assert_eq!(names(&made), ["nixos ant", "nixos bee", "nix-darwin darwinConfigurations.mac"]);
    let bee = read(&world, "bee");
    assert_eq!(bee.problems, []);
    assert_eq!(files(&bee), ["hosts/bee/default.nix", "nixos.nix", "system.nix"]);
    assert_eq!(said(&bee, "networking.nat.enable"), ["true"]);
    assert_eq!(missing(&bee).len(), 1);
    let ant = read(&world, "ant");
    assert_eq!(files(&ant), ["ant.nix", "nixos.nix", "system.nix"]);
    assert_eq!(missing(&ant), [""; 0]);
    let mac = read(&world, "darwinConfigurations.mac");
    assert_eq!(files(&mac), ["hosts/mac/default.nix", "system.nix"]);
}

#[test]
fn flakelight_makes_systems_of_arguments_wherever_they_are() {
    let flake_nix = r#"{
      inputs.nixpkgs.url = "github:NixOS/nixpkgs";
      inputs.flakelight.url = "github:nix-community/flakelight";
      outputs = { flakelight, ... }@inputs: flakelight ./. ({ lib, ... }: {
        inherit inputs;
        imports = [ ./more.nix ];
        nixosConfigurations.bee = { system = "x86_64-linux"; modules = [ ./bee.nix ]; };
        nixosModule = ./web.nix;
      });
    }"#;
    let world = world(&[
        ("flake.nix", flake_nix),
        (
            "more.nix",
            "{ nixosConfigurations = { inputs, ... }: { ant = inputs.nixpkgs.lib.nixosSystem { modules = [ ./ant.nix ]; }; }; }",
        ),
        (
            "bee.nix",
            "{ flake, inputs, hostname, ... }: { imports = [ inputs.self.nixosModules.default ]; networking.hostName = hostname; }",
        ),
        ("ant.nix", "{ }"),
        ("web.nix", "{ services.nginx.enable = true; }"),
        (
            "nix/nixos/wasp.nix",
            "{ lib, ... }: { modules = [ ({ flake, ... }: { imports = [ flake.inputs.self.nixosModules.one ]; }) ]; }",
        ),
        ("nix/nixosModules/one.nix", "{ networking.nat.enable = true; }"),
    ]);
    let made = systems(&world, &flake());
    assert_eq!(made.unknown, None);
    assert_eq!(names(&made), ["nixos ant", "nixos bee", "nixos wasp"]);
    let bee = read(&world, "bee");
    assert_eq!(bee.problems, []);
    assert_eq!(files(&bee), ["bee.nix", "web.nix"]);
    assert_eq!(said(&bee, "networking.hostName"), ["bee"]);
    assert_eq!(files(&read(&world, "ant")), ["ant.nix"]);
    assert_eq!(files(&read(&world, "wasp")), ["nix/nixosModules/one.nix"]);
}

#[test]
fn flakelight_reads_options_in_its_folder_also_by_other_names() {
    let flake_nix = r#"{
      inputs.nixpkgs.url = "github:NixOS/nixpkgs";
      inputs.flakelight.url = "github:nix-community/flakelight";
      outputs = { flakelight, ... }@inputs: flakelight ./. {
        inherit inputs;
        nixDirAliases.nixosConfigurations = [ "hosts" ];
      };
    }"#;
    let outputs =
        "{ inputs, ... }: { nixosConfigurations.ant = inputs.nixpkgs.lib.nixosSystem { modules = [ ./ant.nix ]; }; }";
    let mut all = vec![
        ("flake.nix", flake_nix),
        ("nix/hosts/bee.nix", "{ ... }: { modules = [ { networking.domain = \"example.org\"; } ]; }"),
        ("nix/outputs.nix", outputs),
        ("nix/ant.nix", "{ }"),
    ];
    let known = world(&all);
    let made = systems(&known, &flake());
    assert_eq!(made.unknown, None);
    assert_eq!(names(&made), ["nixos ant", "nixos bee"]);
    assert_eq!(said(&read(&known, "bee"), "networking.domain"), ["example.org"]);

    // Modules there may make more.
    all.push(("nix/imports.nix", "[ { nixosConfigurations.wasp = { }; } ]"));
    assert!(systems(&world(&all), &flake()).unknown.is_some());
}

#[test]
fn flake_utils_plus_makes_each_host_with_its_builder() {
    let flake_nix = r#"{
      inputs.nixpkgs.url = "github:NixOS/nixpkgs";
      inputs.darwin.url = "github:lnl7/nix-darwin";
      inputs.utils.url = "github:gytis-ivaskevicius/flake-utils-plus/v1.4.0";
      outputs = inputs@{ self, utils, ... }: utils.lib.mkFlake {
        inherit self inputs;
        channels.nixpkgs.input = inputs.nixpkgs;
        hostDefaults = { modules = [ ./all.nix ]; extraArgs.flavour = "sweet"; };
        hosts.bee.modules = [ ./bee.nix ];
        hosts.mac = { builder = inputs.darwin.lib.darwinSystem; output = "darwinConfigurations"; modules = [ ./mac.nix ]; };
        outputsBuilder = inputs.darwin.lib.build;
        nixosModules.web = ./web.nix;
      };
    }"#;
    let world = world(&[
        ("flake.nix", flake_nix),
        ("all.nix", "{ flavour, ... }: { environment.variables.FLAVOUR = flavour; }"),
        ("bee.nix", "{ inputs, ... }: { imports = [ inputs.self.nixosModules.web ]; }"),
        ("mac.nix", "{ }"),
        ("web.nix", "{ services.nginx.enable = true; }"),
    ]);
    let made = systems(&world, &flake());
    assert_eq!(made.unknown, None);
    assert_eq!(names(&made), ["nixos bee", "nix-darwin darwinConfigurations.mac"]);
    let bee = read(&world, "bee");
    assert_eq!(bee.problems, []);
    assert_eq!(files(&bee), ["all.nix", "bee.nix", "web.nix"]);
    assert_eq!(said(&bee, "environment.variables.FLAVOUR"), ["sweet"]);
    assert_eq!(files(&read(&world, "darwinConfigurations.mac")), ["all.nix", "mac.nix"]);
}
