# What a workspace is.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../../lib)
    mkCid
    mkMac
    workspaceFaults
    workspaceInterface
    workspaceUnit
    ;

  defaults = config.workspaceDefaults;
  inherited = name: {
    default = defaults.${name};
    defaultText = lib.literalExpression "config.workspaceDefaults.${name}";
  };

  inherit (import ../shared/types.nix { inherit lib; })
    plainPath
    publicKeyLine
    timeZone
    ;

  mount =
    { name, ... }:
    {
      options = {
        mountPoint = mkOption {
          type = plainPath;
          default = name;
          defaultText = lib.literalMD "the name of the mount";
          example = "/home/dev/src";
          description = "Where it is in the workspace.";
        };
        hostPath = mkOption {
          type = plainPath;
          example = "/home/leela/src";
          description = ''
            The folder on the host. It has to be there when the workspace starts. What holds keys and secrets of the host, or
            sockets by which it is commanded, is refused, as far as the path tells. Links are not followed.

            No guard looks into folders: through a socket in one, also one that is only to be read, a container or an Incus
            instance talks to the program on the host that listens there.
          '';
        };
        readOnly = mkOption {
          type = types.bool;
          default = true;
          example = false;
          description = ''
            Whether the workspace can't write to it. If it can, root of the workspace can make files of any owner there,
            programs that run as their owner among them: don't share what others on the host run programs from.
          '';
        };
      };
    };

  workspace =
    { name, config, ... }:
    {
      options = {
        type = mkOption {
          type = types.enum [
            "vm"
            "container"
            "incus"
          ];
          example = "vm";
          description = ''
            What runs the workspace: `vm` a virtual machine with a kernel of its own (microvm.nix, cloud-hypervisor),
            `container` systemd-nspawn with a user namespace and the host's Nix store, `incus` an unprivileged Incus
            instance that is made anew at each start. NixOS has Incus only with {option}`networking.nftables.enable`.
          '';
        };

        config = mkOption {
          type = types.deferredModule;
          default = { };
          example = lib.literalExpression "{ pkgs, ... }: { services.postgresql.enable = true; }";
          description = "The NixOS configuration of the workspace, besides what all workspaces have.";
        };

        ip = mkOption {
          type = types.str;
          example = "10.20.0.10";
          description = "The address of the workspace, in {option}`networking.sandbox.subnet`.";
        };

        ip6 = mkOption {
          type = types.nullOr types.str;
          default = null;
          example = "fd20::10";
          description = "The IPv6 address of the workspace, if the sandbox has IPv6.";
        };

        hostKey = mkOption {
          type = types.nullOr (
            types.strMatching "ssh-ed25519 AAAA[A-Za-z0-9+/]+=*( [^\n]*)?"
            // {
              description = "the line of an Ed25519 public key";
            }
          );
          default = null;
          example = "ssh-ed25519 AAAA…";
          description = ''
            The public half of the workspace's SSH host key, for the known hosts. It is made at the first start, and lies in
            `<name>/ssh_host_ed25519_key.pub` of {option}`workspaceDefaults.stateFolder` from then on. This host knows it
            also without this option; with it, a workspace that has another key or has lost it does not start.
          '';
        };

        autoStart = mkOption {
          type = types.bool;
          default = false;
          example = true;
          description = "Whether the workspace starts with the host.";
        };

        restartIfChanged = mkOption {
          type = types.bool;
          default = true;
          example = false;
          description = "Whether a running workspace is restarted when a new configuration of the host changes it.";
        };

        cid = mkOption {
          type = types.nullOr types.int;
          default = if config.type == "vm" then mkCid name else null;
          defaultText = lib.literalMD "of a VM `lib.mkCid` of the name, else `null`";
          example = 42;
          description = "The vsock context identifier of a VM, by which the host reaches it without a network.";
        };

        mac = mkOption {
          type = types.str;
          default = mkMac name;
          defaultText = lib.literalMD "`lib.mkMac` of the name";
          example = "02:00:00:00:00:01";
          description = "The MAC address of the workspace.";
        };

        resources = {
          cpu = mkOption {
            type = types.nullOr types.ints.positive;
            default = 2;
            example = 4;
            description = "How many processors the workspace may use; `null` for all, which a VM can't have.";
          };
          memory = mkOption {
            type = types.nullOr types.ints.positive;
            default = 4096;
            example = 8192;
            description = "How much memory the workspace may use, in MiB; `null` for all, which a VM can't have.";
          };
          disk = mkOption {
            type = types.nullOr types.ints.positive;
            default = null;
            example = 20480;
            description = ''
              How much the workspace may write outside of its home and its mounts, in MiB. Of a VM it is the image for what
              Nix adds to the store, without which that takes memory; of an Incus instance the root disk, if the storage
              driver can limit it. A container can't be limited.
            '';
          };
        };

        extraMounts = mkOption {
          type = types.attrsOf (types.submodule mount);
          default = { };
          example = lib.literalExpression ''{ "/home/dev/src" = { hostPath = "/home/leela/src"; readOnly = false; }; }'';
          description = "Folders of the host in the workspace, by where they are there.";
        };

        gpu = mkOption {
          type = types.bool;
          default = false;
          example = true;
          description = "Whether the workspace may use the host's GPU (`/dev/dri`). A VM can't.";
        };

        user = mkOption {
          type = types.strMatching "[a-z_][a-z0-9_-]{0,30}";
          example = "leela";
          description = "The name of the user in this workspace.";
          inherit (inherited "user") default defaultText;
        };

        authorizedKeys = mkOption {
          type = types.listOf publicKeyLine;
          example = [ "ssh-ed25519 AAAA…" ];
          description = "The keys with which the user logs in to this workspace.";
          inherit (inherited "authorizedKeys") default defaultText;
        };

        timeZone = mkOption {
          type = types.nullOr timeZone;
          example = "Europe/Berlin";
          description = "The time zone of this workspace.";
          inherit (inherited "timeZone") default defaultText;
        };

        packages = mkOption {
          type = types.listOf types.package;
          example = lib.literalExpression "[ pkgs.git pkgs.ripgrep ]";
          description = "Packages in this workspace.";
          inherit (inherited "packages") default defaultText;
        };

        shell = mkOption {
          type = types.package;
          example = lib.literalExpression "pkgs.zsh";
          description = "The user's shell in this workspace.";
          inherit (inherited "shell") default defaultText;
        };

        notes = mkOption {
          type = types.lines;
          example = "The database is that of the staging system.";
          description = "More to say in the CLAUDE.md of this workspace.";
          inherit (inherited "notes") default defaultText;
        };

        name = mkOption {
          type = types.str;
          readOnly = true;
          internal = true;
          default = name;
          defaultText = lib.literalMD "the attribute's name";
          example = "dev";
          description = "The name of the workspace.";
        };

        interface = mkOption {
          type = types.str;
          readOnly = true;
          default = workspaceInterface config.type name;
          defaultText = lib.literalMD "`vm-<name>`, `vb-<name>` or `vi-<name>`";
          example = "vb-dev";
          description = "The name of the workspace's network interface on the host.";
        };

        unit = mkOption {
          type = types.str;
          readOnly = true;
          default = workspaceUnit config.type name;
          defaultText = lib.literalMD "`microvm@<name>.service`, `container@<name>.service` or `incus-workspace@<name>.service`";
          example = "container@dev.service";
          description = "The systemd unit that runs the workspace.";
        };

        state = mkOption {
          type = types.str;
          readOnly = true;
          default = "${defaults.stateFolder}/${name}";
          defaultText = lib.literalExpression ''"''${config.workspaceDefaults.stateFolder}/<name>"'';
          example = "/var/lib/workspaces/dev";
          description = "The folder on the host with what the workspace keeps.";
        };

        mounts = mkOption {
          type = types.listOf types.attrs;
          readOnly = true;
          internal = true;
          default = [
            {
              tag = "home";
              hostPath = "${config.state}/private/home";
              mountPoint = "/home/${config.user}";
              readOnly = false;
            }
            {
              tag = "ssh";
              hostPath = "${config.state}/private/ssh";
              mountPoint = "/var/lib/workspace/ssh";
              readOnly = true;
            }
          ]
          ++ lib.imap1 (index: mount: {
            tag = "mount${toString index}";
            inherit (mount) hostPath mountPoint readOnly;
          }) (lib.attrValues config.extraMounts);
          defaultText = lib.literalMD "the home, the host key, and `extraMounts`";
          example = [ ];
          description = "Every folder of the host in the workspace.";
        };
      };
    };
in
{
  options.workspaces = mkOption {
    type = types.attrsOf (types.submodule workspace);
    default = { };
    # With such a name there would be faults of other options first, of which this is the reason.
    apply = lib.mapAttrs (
      name: workspace:
      if builtins.match "[A-Za-z0-9_-]*" name == null then
        throw (
          lib.head (workspaceFaults [
            {
              inherit name;
              cid = null;
            }
          ])
        )
      else
        workspace
    );
    example = lib.literalExpression ''{ dev = { type = "container"; ip = "10.20.0.10"; }; }'';
    description = ''
      Isolated development environments. What lies in the user's home stays; all else is the configuration's.
    '';
  };
}
