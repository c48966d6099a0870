# What systemd-nspawn is told of all containers of the VPN, and what their units have.
{
  config,
  lib,
  options,
}:
let
  # Older module sets have neither of these options.
  known = options.containers.type.getSubOptions [ ];
  hasUsers = known ? privateUsers;
  hasMac = known ? localMacAddress;

  cfg = config.vpn;
in
{
  containerOf =
    {
      name,
      mac,
      address,
      gateway,
      flags ? [ ],
      modules,
      pkgs,
    }:
    {
      privateNetwork = true;
      hostBridge = cfg.bridgeName;
      extraFlags = lib.optional (!hasUsers) "--private-users=pick" ++ flags;
      config = {
        imports = [
          (import ./inside.nix {
            host = config;
            inherit
              name
              mac
              address
              gateway
              ;
          })
        ]
        ++ modules;
        nixpkgs.pkgs = lib.mkDefault pkgs;
      };
    }
    // lib.optionalAttrs hasUsers { privateUsers = "pick"; }
    // lib.optionalAttrs hasMac { localMacAddress = mac; };

  unit = {
    requires = [
      cfg.guardUnit
      cfg.bridgeUnit
    ];
    after = [
      cfg.guardUnit
      cfg.bridgeUnit
    ];
    # NixOS binds the socket of the host's nix-daemon into every container, from where it is in the mounts of this unit:
    # there it is an empty folder.
    serviceConfig = import ../shared/sockets.nix { inherit lib; } // {
      BindReadOnlyPaths = [ "${cfg.emptyFolder}:/nix/var/nix/daemon-socket" ];
    };
  };
}
