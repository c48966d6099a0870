# The proxy by which the VPN container reaches its provider before there is a tunnel: tinyproxy, for CONNECT to the
# provider's names and to addresses, at the provider's ports. The guard lets nobody else reach it, and lets it reach public
# addresses alone.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../../lib) vpnProxyConfig vpnProxyFilter;

  cfg = config.vpn;
  settings = pkgs.writeText "vpn-proxy.conf" (vpnProxyConfig {
    listen = cfg.hostAddress;
    inherit (cfg.proxy) port ports;
    client = cfg.vpnAddress;
    filter = "${pkgs.writeText "vpn-proxy-filter" (vpnProxyFilter {
      inherit (cfg.proxy) domains ports;
    })}";
  });
in
{
  options.vpn.proxy = {
    port = mkOption {
      type = types.port;
      default = 8888;
      example = 3128;
      description = "The port of the proxy at {option}`vpn.hostAddress`.";
    };
    user = mkOption {
      type = types.strMatching "[a-z_][a-z0-9_-]{0,30}";
      default = "vpn-proxy";
      example = "vpn-proxy";
      description = "The user that the proxy runs as, by which the guard knows its packets. Nothing else may run as it.";
    };
    domains = mkOption {
      type = types.listOf (types.strMatching "[a-z0-9-]+(\\.[a-z0-9-]+)+");
      default = [
        "privateinternetaccess.com"
        "piaservers.net"
      ];
      example = [ "example.com" ];
      description = "The domains of the provider.";
    };
    ports = mkOption {
      type = types.nonEmptyListOf types.port;
      default = [
        443
        1337
        8080
      ];
      example = [ 443 ];
      description = "The ports of the provider.";
    };
  };

  config = lib.mkIf (cfg.enable && cfg.description.proxy != null) {
    users.users.${cfg.proxy.user} = {
      isSystemUser = true;
      group = cfg.proxy.user;
      description = "Proxy of the VPN container";
    };
    users.groups.${cfg.proxy.user} = { };

    systemd.services.vpn-proxy = {
      description = "Proxy by which the VPN container reaches its provider";
      wantedBy = [ "multi-user.target" ];
      requires = [
        cfg.guardUnit
        cfg.bridgeUnit
      ];
      after = [
        cfg.guardUnit
        cfg.bridgeUnit
      ];
      serviceConfig = import ../shared/hardened.nix // {
        ExecStart = "${pkgs.tinyproxy}/bin/tinyproxy -d -c ${settings}";
        Restart = "always";
        RestartSec = 1;
        User = cfg.proxy.user;
        Group = cfg.proxy.user;
        CapabilityBoundingSet = "";
      };
    };
  };
}
