//! `--nixpkgs`: what `show`, `diff-config` and `options` make of it. Set `NIXPKGS` to a nixpkgs, or to a folder with its `lib`
//! and `nixos`, for those that read the modules of NixOS; they take a minute, or some seconds with `--release`.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Folder;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

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
  imports = [ ../../modules/site.nix ];
  system.stateVersion = \"24.05\";
  boot.loader.grub.device = \"/dev/vda\";
  fileSystems.\"/\".device = \"/dev/vda1\";
  services.openssh.enable = true;
  services.openssh.ports = [ 2222 ];
  services.openssh.package = pkgs.openssh;
  networking.firewall.allowedTCPPorts = lib.mkIf config.services.openssh.enable [ 443 ];
  assertions = [
    { assertion = config.services.openssh.openFirewall; message = \"holds: it is so by default\"; }
    { assertion = config.services.nginx.enable; message = \"does not hold: it is not so by default\"; }
  ];
}
",
    );
    folder.write(
        "modules/site.nix",
        "{ lib, ... }:
{
  options.site.names = lib.mkOption {
    type = lib.types.listOf lib.types.singleLineStr;
    default = [ ];
    description = \"Names of the site.\";
  };
}
",
    );
    folder
}

const COMMANDS: &[&[&str]] =
    &[&["show", "web"], &["diff-config", "web", "web"], &["options"], &["schema", "from-options", "modules"]];

#[test]
fn a_folder_that_is_not_there_is_named() {
    let fleet = fleet();
    for command in COMMANDS {
        let run = fleet.bulkhead(&[command, &["--nixpkgs", "not-there"][..]].concat());
        assert_eq!(run.code, 2, "{command:?} {}", run.stdout);
        assert!(run.stderr.starts_with("error: --nixpkgs not-there: "), "{}", run.stderr);
        assert!(run.stderr.contains("there is no not-there/lib"), "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn what_is_no_nixpkgs_is_not_taken_for_one() {
    let fleet = fleet();
    // `lib` of very old ones, and of other projects, lies elsewhere.
    fleet.write("other/lib/helpers.nix", "{ }").write("other/pkgs/lib/default.nix", "{ }");
    for command in COMMANDS {
        let run = fleet.bulkhead(&[command, &["--nixpkgs", "other"][..]].concat());
        assert_eq!(run.code, 2, "{command:?} {}", run.stdout);
        assert_eq!(run.stderr, "error: --nixpkgs other: this is no nixpkgs: there is no other/lib/default.nix\n");
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn of_a_nixpkgs_without_nixos_its_lib_is_used() {
    let fleet = fleet();
    fleet.write("nixpkgs/lib/default.nix", "{ mkIf = condition: content: { ours = 1; }; }");
    let run = fleet.bulkhead(&["show", "web", "networking.firewall", "--nixpkgs", "nixpkgs"]);
    assert!(
        run.stdout.contains("networking.firewall.allowedTCPPorts.ours\n  1  <nixpkgs>/lib/default.nix"),
        "{}",
        run.stdout
    );
    let told = "has no nixos/modules/module-list.nix: its `lib` is used, and NixOS' own modules are not read";
    assert!(run.stderr.contains(told), "{}", run.stderr);
}

#[test]
fn a_lib_that_cant_be_evaluated_is_told() {
    let fleet = fleet();
    fleet.write("nixpkgs/lib/default.nix", "{ mkIf = ; }");
    for command in [&["show", "web"][..], &["options", "modules"]] {
        let run = fleet.bulkhead(&[command, &["--nixpkgs", "nixpkgs"][..]].concat());
        assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
        assert!(
            (run.stdout + &run.stderr).contains("<nixpkgs>/lib/default.nix: `mkIf` has no value"),
            "{command:?} {}",
            run.stderr
        );
    }
}

#[test]
fn with_a_nixpkgs_machines_have_the_defaults_and_assertions_of_nixos() {
    let Some(nixpkgs) = std::env::var_os("NIXPKGS").filter(|value| !value.is_empty()) else {
        println!("SKIPPED `show` with the modules of NixOS: no nixpkgs is given; set NIXPKGS=/path/to/nixpkgs");
        return;
    };
    let nixpkgs = std::fs::canonicalize(nixpkgs).unwrap();
    let fleet = fleet();
    let with = |arguments: &[&str]| fleet.bulkhead(&[arguments, &["--nixpkgs", nixpkgs.to_str().unwrap()]].concat());
    let run = with(&["show", "web", "--json"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let shown = run.json();
    // 2222 is opened by NixOS' own module.
    assert_eq!(shown["value"]["networking"]["firewall"]["allowedTCPPorts"], json!([443, 2222]), "{}", run.stdout);
    let faults: Vec<&Value> = shown["faults"].as_array().unwrap().iter().map(|fault| &fault["message"]).collect();
    assert_eq!(json!(faults), json!(["does not hold: it is not so by default"]));

    let run = with(&["show", "web", "services.openssh.openFirewall"]);
    assert!(run.stdout.contains("services.openssh.openFirewall = true"), "{}", run.stdout);

    let run = with(&["options"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.stdout, fleet.bulkhead(&["options"]).stdout);
}
