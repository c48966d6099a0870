# A host with a VPN container and two services.
{
  lib,
  machine,
  modules,
  packagesFor,
  ...
}:
rec {
  /**
    The host, with another module.

    # Type

    ```
    hostWith :: Module -> { config, failed, warnings, … }
    ```
  */
  hostWith =
    extra:
    machine [
      (modules + "/vpn")
      {
        networking.hostName = "s0";
        # A host with dhcpcd beside networkd is warned by NixOS itself.
        networking.useDHCP = lib.mkDefault false;
        vpn = {
          enable = true;
          package = (packagesFor "x86_64-linux").hello;
          containers.torrent = {
            ip = "10.73.0.10";
            mounts."/var/lib/torrents" = {
              hostPath = "/srv/torrents";
              readOnly = false;
            };
          };
          containers.web.ip = "10.73.0.11";
        };
      }
      extra
    ];

  pia = {
    vpn.credentialsFile = "/run/agenix/pia-login";
    vpn.pia.caFile = ./vpn.nix;
    vpn.pia.listKeyFile = ./vpn.nix;
  };

  /**
    The host with PIA, as `hostWith`.
  */
  hostOf =
    extra:
    hostWith {
      imports = [
        pia
        extra
      ];
    };
}
