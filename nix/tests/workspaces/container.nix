# Workspaces of type `container`.
support:
let
  inherit (support) lib;
  inherit (import ../support/workspaces.nix support) hostOf;

  host = hostOf "container" { };
  full = hostOf "container" {
    workspaces.dev = {
      gpu = true;
      resources.cpu = 3;
      resources.memory = 512;
      extraMounts."/home/dev/src" = {
        hostPath = "/srv/src";
        readOnly = false;
      };
      extraMounts."/data".hostPath = "/srv/data";
    };
  };
  unitOf = host: host.config.systemd.units."container@dev.service".text;
  flagsOf =
    host: lib.splitString " " (lib.concatStringsSep " " host.config.containers.dev.extraFlags);
  # What `containers` has in newer versions of NixOS.
  newerOptions = {
    options.containers = lib.mkOption {
      type = lib.types.attrsOf (
        lib.types.submodule {
          options = lib.optionalAttrs (!hasUsers) {
            privateUsers = lib.mkOption { default = "no"; };
            localMacAddress = lib.mkOption { default = null; };
          };
        }
      );
    };
  };
  hasUsers = host.options.containers.type.getSubOptions [ ] ? privateUsers;
in
{
  "root inside is nobody on the host" = {
    expr =
      if hasUsers then
        host.config.containers.dev.privateUsers
      else
        lib.filter (lib.hasPrefix "--private-users") (flagsOf host);
    expected = if hasUsers then "pick" else [ "--private-users=pick" ];
  };
  "module sets with options for that are told by them" = {
    expr =
      let
        newer = hostOf "container" newerOptions;
      in
      {
        inherit (newer.config.containers.dev) privateUsers localMacAddress;
        flags = lib.filter (lib.hasPrefix "--private-users") (flagsOf newer);
      };
    expected = {
      privateUsers = "pick";
      localMacAddress = "ee:26:0e:9a:a3:c6";
      flags = [ ];
    };
  };
  "the socket of the host's nix-daemon is an empty folder for it" = {
    expr = {
      hidden = lib.hasInfix "BindReadOnlyPaths=/var/lib/workspaces/.empty:/nix/var/nix/daemon-socket" (
        unitOf host
      );
      made = lib.elem "d /var/lib/workspaces/.empty 0555 root root -" host.config.systemd.tmpfiles.rules;
      nix = host.config.containers.dev.config.nix.enable;
      remote = host.config.containers.dev.config.environment.variables.NIX_REMOTE;
    };
    expected = {
      hidden = true;
      made = true;
      nix = false;
      remote = "";
    };
  };
  "it gets no sockets that go past its network" = {
    expr = {
      families = lib.filter (lib.hasPrefix "RestrictAddressFamilies=") (
        lib.splitString "\n" (unitOf host)
      );
      # What is added is added.
      more = lib.hasInfix "RestrictAddressFamilies=AF_CAN" (
        unitOf (
          hostOf "container" {
            systemd.services."container@dev".serviceConfig.RestrictAddressFamilies = [ "AF_CAN" ];
          }
        )
      );
      native = lib.hasInfix "SystemCallArchitectures=native" (unitOf host);
    };
    expected = {
      families = map (family: "RestrictAddressFamilies=AF_${family}") [
        "UNIX"
        "INET"
        "INET6"
        "NETLINK"
        "PACKET"
      ];
      more = true;
      native = true;
    };
  };
  "it is on the bridge, with a network of its own" = {
    expr = { inherit (host.config.containers.dev) privateNetwork hostBridge; };
    expected = {
      privateNetwork = true;
      hostBridge = "sandbox0";
    };
  };
  "the home and the key are those of the host, with their owners" = {
    expr = lib.filter (lib.hasPrefix "--bind") (flagsOf host);
    expected = [
      "--bind=/var/lib/workspaces/dev/private/home:/home/dev:idmap"
      "--bind-ro=/var/lib/workspaces/dev/private/ssh:/var/lib/workspace/ssh:idmap"
    ];
  };
  "a change restarts it also if it does not start by itself" = {
    expr = map (host: lib.length host.config.systemd.services."container@dev".restartTriggers) [
      host
      (hostOf "container" { workspaces.dev.autoStart = true; })
    ];
    expected = [
      2
      2
    ];
  };
  "what it may use is limited" = {
    expr = map (words: lib.hasInfix words (unitOf full)) [
      "CPUQuota=300%"
      "MemoryMax=512M"
      "DeviceAllow=char-drm rw"
    ];
    expected = [
      true
      true
      true
    ];
  };
  "folders of the host are there, and waited for" = {
    expr = {
      binds = lib.filter (flag: lib.hasInfix "/srv/" flag) (flagsOf full);
      gpu = lib.elem "--bind=/dev/dri" (flagsOf full);
      mounts = lib.filter (
        path: lib.hasPrefix "/srv/" path
      ) full.config.systemd.services."container@dev".unitConfig.RequiresMountsFor;
      inherit (full) failed;
    };
    expected = {
      binds = [
        "--bind-ro=/srv/data:/data:idmap"
        "--bind=/srv/src:/home/dev/src:idmap"
      ];
      gpu = true;
      mounts = [
        "/srv/data"
        "/srv/src"
      ];
      failed = [ ];
    };
  };
}
