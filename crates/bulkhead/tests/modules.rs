//! `show` and `options`: what modules define and declare, and what of it is not known.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Folder;
use pretty_assertions::assert_eq;
use serde_json::json;

fn fleet() -> Folder {
    let folder = Folder::empty();
    folder.write(
        "machines/web/properties.nix",
        "{ hostNames = [ \"web\" ]; arch = \"x86_64-linux\"; systemRoles = [ \"web\" ]; }",
    );
    folder.write(
        "machines/web/default.nix",
        "{ config, lib, pkgs, ... }:
{
  imports = [ ../../modules/backup.nix ];
  networking.hostName = \"web\";
  networking.firewall.allowedTCPPorts = [ 22 ] ++ lib.optional config.services.nginx.enable 443;
  services.nginx.enable = lib.mkDefault true;
  services.nginx.package = pkgs.nginx;
}
",
    );
    folder.write(
        "modules/backup.nix",
        "{ lib, ... }:
{
  options.backup = {
    enable = lib.mkEnableOption \"backups\";
    paths = lib.mkOption {
      type = lib.types.listOf lib.types.path;
      default = [ ];
      example = [ \"/home\" ];
      description = \"Which folders are saved.\";
    };
    jobs = lib.mkOption {
      type = lib.types.attrsOf (lib.types.submodule { options.every = lib.mkOption { type = lib.types.ints.u8; }; });
      default = { };
      description = \"Jobs by name.\";
    };
  };
}
",
    );
    folder
}

#[test]
fn show_prints_definitions_with_places_and_conditions() {
    let shown = fleet().bulkhead(&["show", "web"]);
    assert_eq!(
        shown.stdout,
        "networking.firewall.allowedTCPPorts
  [ 22 ]  machines/web/default.nix:5
  [ 443 ]  machines/web/default.nix:5
    only if `config.services.nginx.enable`, which is unknown: `config` is what all modules define together, and NixOS' own are not read
  [ ]  machines/web/default.nix:5
    only unless `config.services.nginx.enable`, which is unknown: `config` is what all modules define together, and NixOS' own are not read
networking.hostName
  \"web\"  machines/web/default.nix:4
services.nginx.enable
  true  machines/web/default.nix:6
    mkDefault
services.nginx.package
  ?  machines/web/default.nix:7
    `?` is unknown: packages are not evaluated
",
        "{}",
        shown.stderr
    );
    assert_eq!(shown.code, 1);
}

#[test]
fn show_of_one_option_that_is_known_is_a_clean_run() {
    let shown = fleet().bulkhead(&["show", "machines/web/default.nix", "networking.hostName", "--json"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let json = shown.json();
    assert_eq!(json["definitions"][0]["value"], json!("web"));
    assert_eq!(json["definitions"][0]["key"], json!({ "file": "machines/web/default.nix", "line": 4, "column": 14 }));
    assert_eq!(json["definitions"][0]["condition"], json!([]));
    assert_eq!(json["undecided"], json!([]));
}

#[test]
fn show_tells_which_machines_there_are() {
    let shown = fleet().bulkhead(&["show", "wev"]);
    assert_eq!(shown.code, 2);
    assert!(shown.stderr.contains("did you mean `web`?"), "{}", shown.stderr);
}

#[test]
fn show_tells_what_could_not_be_read() {
    let fleet = fleet();
    fleet.change("machines/web/default.nix", "../../modules/backup.nix", "./missing.nix");
    let shown = fleet.bulkhead(&["show", "web", "networking.hostName"]);
    assert_eq!(shown.code, 1);
    assert!(shown.stdout.contains("Could not be read:\n  machines/web/default.nix:3: "), "{}", shown.stdout);
}

#[test]
fn options_are_listed_as_text_markdown_and_json() {
    let fleet = fleet();
    let text = fleet.bulkhead(&["options", "modules/backup.nix"]);
    assert_eq!(text.code, 0, "{}", text.stderr);
    assert_eq!(
        text.stdout,
        "backup.enable  modules/backup.nix:4
    type     boolean
    default  false
    example  true
    Whether to enable backups.

backup.jobs  modules/backup.nix:11
    type     attribute set of submodule
    default  { }
    Jobs by name.

backup.jobs.<name>.every  modules/backup.nix:12
    type     8 bit unsigned integer; between 0 and 255 (both inclusive)

backup.paths  modules/backup.nix:5
    type     list of absolute path
    default  [ ]
    example  [ \"/home\" ]
    Which folders are saved.
"
    );
    let json = fleet.bulkhead(&["options", "--format", "json"]).json();
    assert_eq!(json["backup.paths"]["type"]["elemType"]["name"], json!("path"));
    assert_eq!(json["backup.paths"]["default"], json!([]));
    let markdown = fleet.bulkhead(&["options", "modules", "--format", "markdown"]).stdout;
    assert!(markdown.contains("## `backup.jobs.<name>.every`\n\n*Type:* 8 bit"), "{markdown}");
}

#[test]
fn show_has_the_modules_that_a_flake_gives() {
    let fleet = fleet();
    fleet.write("modules/extra.nix", "{ networking.domain = \"example.net\"; }\n");
    let flake = |outputs: &str| {
        format!(
            "{{ inputs = {{ bulkhead.url = \"github:bulkhead-nix/bulkhead\"; nixpkgs.url = \"github:NixOS/nixpkgs\"; }}; outputs = {{ nixpkgs, ... }}@inputs: {outputs}; }}\n"
        )
    };
    let systems =
        "{ nixosConfigurations = { web = nixpkgs.lib.nixosSystem { modules = [ ./machines/web ./modules/extra.nix ]; };
        other = nixpkgs.lib.nixosSystem { modules = [ ./modules/extra.nix ]; }; }; }";
    fleet.write("flake.nix", flake(systems));
    let domain = |machine: &str| fleet.bulkhead(&["show", machine, "networking.domain"]);
    for machine in ["web", "other"] {
        assert_eq!(domain(machine).stdout, "networking.domain\n  \"example.net\"  modules/extra.nix:1\n", "{machine}");
        assert_eq!(domain(machine).code, 0, "{machine}");
    }
    // A file is that file.
    assert!(domain("machines/web/default.nix").stdout.starts_with("nothing that was read defines"));
    fleet.write("flake.nix", flake("{ nixosConfigurations = inputs.hive.make ./.; }"));
    let run = domain("web");
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stdout.contains("the modules that flake.nix gives it are unknown"), "{}", run.stdout);
    fleet.write(
        "flake.nix",
        flake("{ nixosConfigurations = inputs.bulkhead.lib.mkFleet { modules = [ ./modules/extra.nix ]; }; }"),
    );
    assert!(domain("web").stdout.contains("example.net"), "{}", domain("web").stdout);
    let run = domain("wbe");
    assert_eq!(run.code, 2, "{}", run.stdout);
    assert!(run.stderr.contains("did you mean `web`?"), "{}", run.stderr);
    // Without a flake a hive of colmena makes the systems.
    assert!(std::fs::remove_file(fleet.path().join("flake.nix")).is_ok());
    fleet.write("hive.nix", "{ defaults.imports = [ ./modules/extra.nix ]; web = { }; other = { name, ... }: { }; }\n");
    for machine in ["web", "other"] {
        assert!(domain(machine).stdout.contains("example.net"), "{machine}: {}", domain(machine).stdout);
    }
    fleet.write("hive.nix", "import ./missing.nix\n");
    let run = domain("web");
    assert!(run.stdout.contains("the modules that hive.nix gives it are unknown"), "{}", run.stdout);
}

#[test]
fn options_tells_which_files_it_could_not_read() {
    let fleet = fleet();
    fleet.write("modules/latin.nix", b"{ options.a = mkOption { description = \"\xe9\"; }; }");
    let run = fleet.bulkhead(&["options"]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stdout.contains("backup.paths"), "{}", run.stdout);
    assert!(run.stderr.contains("modules/latin.nix"), "{}", run.stderr);
}

#[test]
fn files_in_values_are_named_by_where_they_lie_in_the_fleet() {
    let fleet = fleet();
    fleet.write("modules/a b.txt", "a").write("modules/motd", "hello");
    fleet.write(
        "machines/web/default.nix",
        "{
  a.path = ../../modules/motd;
  a.odd = ../../modules + \"/a b.txt\";
  a.root = ../..;
  a.host = /etc/hostname;
  a.copied = \"see ${../../modules/motd}.\";
  a.text = \"cat ${toString ../../modules/motd}; ls ${toString ../..}\";
  a.twice = \"/x${toString ../..}\";
}",
    );
    let shown = fleet.bulkhead(&["show", "web", "a"]);
    assert_eq!(
        shown.stdout,
        r#"a.copied
  "see ${./modules/motd}."  machines/web/default.nix:6
a.host
  /etc/hostname  machines/web/default.nix:5
a.odd
  (./. + "/modules/a b.txt")  machines/web/default.nix:3
a.path
  ./modules/motd  machines/web/default.nix:2
a.root
  ./.  machines/web/default.nix:4
a.text
  "cat ${toString ./modules/motd}; ls ${toString ./.}"  machines/web/default.nix:7
a.twice
"#
        .to_owned()
            + &format!("  \"/x{}\"  machines/web/default.nix:8\n", fleet.path().display()),
        "{}",
        shown.stderr
    );
    let json = fleet.bulkhead(&["show", "web", "a", "--json"]).json();
    let of = |index: usize| &json["definitions"][index]["value"];
    let values: Vec<_> = (0..7).map(|index| of(index).clone()).collect();
    assert!(values.contains(&json!("modules/motd")) && values.contains(&json!(".")), "{json}");
    assert!(values.contains(&json!("/etc/hostname")) && values.contains(&json!("modules/a b.txt")), "{json}");
    assert!(values.contains(&json!("cat modules/motd; ls .")), "{json}");

    fleet.write("modules/motd.nix", "{ lib, ... }: { options.b = lib.mkOption { default = ./motd; }; }");
    let options = fleet.bulkhead(&["options", "modules/motd.nix"]);
    assert!(options.stdout.contains("    default  ./modules/motd\n"), "{}", options.stdout);
    let options = fleet.bulkhead(&["options", "modules/motd.nix", "--format", "json"]);
    assert_eq!(options.json()["b"]["default"], json!("modules/motd"));

    // A file that changes is another copy.
    fleet
        .write("machines/web/other.nix", "{ a.copied = \"see ${../../modules/motd}.\"; a.path = ../../modules/motd; }");
    let same = fleet.bulkhead(&["diff-config", "web", "machines/web/other.nix", "a.path"]);
    assert_eq!(same.code, 0, "{}", same.stdout);
}

#[test]
fn an_option_that_nobody_defines_is_not_far_from_one_that_somebody_does() {
    let fleet = fleet();
    let near = |asked: &str| {
        let run = fleet.bulkhead(&["show", "web", asked]);
        assert_eq!(run.code, 0, "{asked}: {}{}", run.stdout, run.stderr);
        let near = run.stdout.split_once("did you mean `").and_then(|(_, near)| near.split_once("`?"));
        near.map(|(near, _)| near.to_owned())
    };
    assert_eq!(near("networking.hostname").as_deref(), Some("networking.hostName"));
    assert_eq!(near("networking.fierwall").as_deref(), Some("networking.firewall"));
    assert_eq!(near("netwroking.firewall.allowedTCPPort").as_deref(), Some("networking.firewall.allowedTCPPorts"));
    // Declared, and defined by nobody.
    assert_eq!(near("backup.path").as_deref(), Some("backup.paths"));
    assert_eq!(near("backup.jobs.home.evry").as_deref(), Some("backup.jobs.home.every"));
    // Without what is above it.
    assert_eq!(near("firewall.allowedTCPPorts").as_deref(), Some("networking.firewall.allowedTCPPorts"));
    for nothing in ["hardware.graphics.enable", "backup.jobs.home", "backup.jobs.home.every"] {
        assert_eq!(near(nothing), None, "{nothing}");
    }
    let json = fleet.bulkhead(&["show", "web", "networking.hostname", "--json"]).json();
    assert_eq!(json["near"], json!(["networking", "hostName"]));
    let json = fleet.bulkhead(&["show", "web", "networking.hostName", "--json"]).json();
    assert_eq!(json.get("near"), None);
}
