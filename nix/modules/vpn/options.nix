# What a VPN is: its provider, its bridge, and where it leads.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;

  cfg = config.vpn;
in
{
  options.vpn = {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether this host runs a VPN container, and service containers on a bridge whose only way out it is. A service
        reaches the internet through the tunnel or not at all: the host forwards nothing for the bridge, and a guard of
        nftables keeps services from the host, its networks and each other.
      '';
    };

    package = mkOption {
      type = types.package;
      default = (import ../../packages.nix { inherit pkgs; }).bulkhead-vpn;
      defaultText = lib.literalMD "`bulkhead-vpn` of this repository, built with this host's nixpkgs";
      example = lib.literalExpression "bulkhead.packages.\${pkgs.system}.bulkhead-vpn";
      description = "The programs `bulkhead-vpn`, for the VPN container, and `vpn`, for the host.";
    };

    provider = mkOption {
      type = types.enum [
        "pia"
        "wireguard"
      ];
      default = "pia";
      example = "wireguard";
      description = ''
        Who provides the connection: `pia`, Private Internet Access, or `wireguard`, anybody who gives out WireGuard
        configuration files ({option}`vpn.wireguardFile`). Only PIA can be asked for a forwarded port.
      '';
    };

    credentialsFile = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = lib.literalExpression "config.age.secrets.pia-login.path";
      description = ''
        The file on this host with PIA's user name and password, two lines, or lines with `PIA_USER=` and `PIA_PASS=`. The
        VPN container gets a copy of this one file, in memory, and none of the host's other secrets.
      '';
    };

    dedicatedIp = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = lib.literalExpression "config.age.secrets.pia-dedicated-ip.path";
      description = "The file on this host with the token of a dedicated IP address of PIA, if there is one.";
    };

    wireguardFile = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = lib.literalExpression "config.age.secrets.wireguard.path";
      description = "With the provider `wireguard`, the configuration file in wg-quick's format, a file on this host.";
    };

    serverLocation = mkOption {
      type = types.either types.str (types.listOf types.str);
      default = "lowest-latency";
      example = [
        "swiss"
        "de-frankfurt"
      ];
      description = ''
        Where to connect to: the id of one region of PIA, or of several in order of preference, or `lowest-latency` for the
        server that answers fastest. With a forwarded port, regions that offer none are passed over.
      '';
    };

    latencyCountries = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [
        "CH"
        "DE"
      ];
      description = "With `lowest-latency`, the countries to choose among; all if empty.";
    };

    pia = {
      caFile = mkOption {
        type = types.nullOr types.path;
        default = null;
        example = lib.literalExpression "./pia/ca.rsa.4096.crt";
        description = "PIA's certificate authority (PEM), as PIA publishes it. It is no secret.";
      };
      listKeyFile = mkOption {
        type = types.nullOr types.path;
        default = null;
        example = lib.literalExpression "./pia/serverlist.pem";
        description = "The public key that PIA signs its list of servers with (PEM), as PIA publishes it. It is no secret.";
      };
    };

    interfaceName = mkOption {
      type = types.str;
      default = "wg-vpn";
      example = "wg0";
      description = ''
        The WireGuard interface. It is made in the host's network namespace, where its encrypted packets stay, and moved
        into the VPN container, at each start of the container. At most 15 characters.
      '';
    };

    bridgeName = mkOption {
      type = types.str;
      default = "vpn0";
      example = "br-vpn";
      description = "The name of the bridge. At most 15 characters.";
    };

    subnet = mkOption {
      type = types.str;
      default = "10.73.0.0/24";
      example = "172.30.0.0/24";
      description = "The IPv4 network of the bridge. No other network of the host may overlap with it. There is no IPv6.";
    };

    hostAddress = mkOption {
      type = types.str;
      default = "10.73.0.1";
      example = "172.30.0.1";
      description = "The host's address on the bridge, from which it reaches the services.";
    };

    vpnAddress = mkOption {
      type = types.str;
      default = "10.73.0.2";
      example = "172.30.0.2";
      description = "The VPN container's address on the bridge: gateway and DNS server of the services.";
    };

    mac = mkOption {
      type = types.str;
      default = (import ../../lib).mkMac "vpn ${cfg.bridgeName} of ${config.networking.hostName}";
      defaultText = lib.literalMD "made from the names of the bridge and of the host";
      example = "02:00:00:00:00:01";
      description = "The MAC address of the bridge itself.";
    };

    mtu = mkOption {
      type = types.nullOr (types.ints.between 576 9000);
      default = null;
      example = 1412;
      description = "The MTU of the WireGuard interface: that of the host's uplink, less 80. Null for 1420, or what the WireGuard file says.";
    };

    renewAfterDays = mkOption {
      type = types.ints.between 1 60;
      default = 30;
      example = 14;
      description = ''
        After how many days the connection is made anew; PIA lets one last for about two months. The forwarded port stays,
        and services notice one reconnect.
      '';
    };

    allowBetween = mkOption {
      type = types.listOf (types.listOf types.str);
      default = [ ];
      example = [
        [
          "indexer"
          "torrent"
        ]
      ];
      description = "Pairs of names of {option}`vpn.containers` that may reach each other on the bridge. Others can't.";
    };

    onPortForwarded = mkOption {
      type = types.nullOr types.lines;
      default = null;
      example = lib.literalExpression ''
        '''
          ''${pkgs.transmission}/bin/transmission-remote "$TARGET_IP" --port "$PORT"
        '''
      '';
      description = ''
        A shell script that tells the container with `receiveForwardedPort` its port, in `PORT`; its address is in
        `TARGET_IP`. It runs in the VPN container once the connection is ready and at each change of the port, again until
        it succeeds, and it can reach that container. Nothing else is in its environment but a `PATH`.
      '';
    };

    publicAddressUrl = mkOption {
      type = types.nullOr types.str;
      default =
        if cfg.provider == "pia" then "https://www.privateinternetaccess.com/api/client/status" else null;
      defaultText = lib.literalMD "with the provider `pia`, PIA's own; otherwise null";
      example = "https://api.ipify.org";
      description = ''
        Whom `vpn leak-test` asks, from each container and from the host, for the address that the internet sees: an https
        URL that answers with the address, or with JSON that has it as `ip`. They must differ. PIA knows both anyway; any
        other learns that they belong together. Null for not asking anybody: then that is not tested. `vpn status` asks
        nobody: it shows the address that the provider has given.
      '';
    };
  };
}
