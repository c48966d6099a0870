# The host module of microvm.nix, from its own folder if there is one; else the options of it that our modules set, with
# guests that are evaluated as they would be.
{
  lib,
  microvm,
  nixpkgs,
}:
let
  # What microvm.nix sets and the module set has only since 25.05.
  missing =
    { lib, ... }:
    {
      options.boot.initrd.systemd.tpm2.enable = lib.mkEnableOption "TPM in the ramdisk";
      options.systemd.tpm2.enable = lib.mkEnableOption "TPM";
    };

  guestOptions =
    { config, lib, ... }:
    let
      inherit (lib) mkOption types;
    in
    {
      options.microvm = mkOption {
        type = types.submodule {
          freeformType = types.attrsOf types.anything;
          options = {
            interfaces = mkOption { type = types.listOf types.attrs; };
            preStart = mkOption {
              type = types.lines;
              default = "";
            };
            shares = mkOption { type = types.listOf types.attrs; };
          };
        };
      };
      # Where the shares and the overlay are mounted.
      config.fileSystems = {
        "/" = {
          device = "rootfs";
          fsType = "tmpfs";
        };
      }
      // lib.listToAttrs (
        map (share: {
          name = share.mountPoint;
          value = {
            device = share.tag;
            fsType = share.proto;
          };
        }) config.microvm.shares
      );
      config.boot.loader.grub.enable = false;
    };

  standIn =
    {
      config,
      lib,
      pkgs,
      ...
    }:
    let
      inherit (lib) mkOption types;
      guest = lib.mkOptionType {
        name = "NixOS configuration";
        merge =
          _: defs:
          import (nixpkgs + "/nixos/lib/eval-config.nix") {
            inherit lib;
            system = null;
            modules = [
              guestOptions
              {
                nixpkgs.hostPlatform = "x86_64-linux";
                nixpkgs.pkgs = pkgs;
              }
            ]
            ++ map (def: def.value) defs;
          };
      };
    in
    {
      options.microvm.stateDir = mkOption {
        type = types.path;
        default = "/var/lib/microvms";
      };
      options.microvm.vms = mkOption {
        default = { };
        type = types.attrsOf (
          types.submodule {
            options = {
              autostart = mkOption {
                type = types.bool;
                default = true;
              };
              restartIfChanged = mkOption { type = types.bool; };
              config = mkOption { type = guest; };
            };
          }
        );
      };
    };
in
if microvm == null then
  standIn
else
  {
    imports = [ (microvm + "/nixos-modules/host") ];
    options.microvm.vms = lib.mkOption {
      type = lib.types.attrsOf (
        lib.types.submodule {
          config = {
            config = lib.mkIf (lib.versionOlder lib.trivial.release "25.05") missing;
            # Else Nix copies all of it to its store.
            nixpkgs = lib.mkDefault (toString nixpkgs);
          };
        }
      );
    };
  }
