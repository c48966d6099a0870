# `vpn` on the host: status, renewal, and attacks that are safe on a live machine.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (import ../../lib) vpnContainer;

  cfg = config.vpn;
  settings = {
    vpn = {
      namespace.machine = vpnContainer;
      interface = "eth0";
      inherit (cfg) controlSocket;
      root = cfg.containerRoot;
    };
    bridge = {
      interface = cfg.bridgeName;
      inherit (cfg) subnet hostAddress vpnAddress;
    };
    services = lib.mapAttrs (name: container: {
      address = container.ip;
      namespace.machine = name;
      interface = "eth0";
    }) cfg.containers;
    guard = {
      rules = "${cfg.rulesFile}";
      tables = map (table: { inherit (table) family name; }) cfg.tables;
    };
    nft = "${pkgs.nftables}/bin/nft";
    machinectl = "${config.systemd.package}/bin/machinectl";
  }
  // lib.optionalAttrs (cfg.description.proxy != null) {
    proxy = "${cfg.hostAddress}:${toString cfg.proxy.port}";
  }
  // lib.optionalAttrs (cfg.publicAddressUrl != null) {
    publicAddress.url = cfg.publicAddressUrl;
  };
in
{
  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    environment.etc."bulkhead/vpn.json".text = builtins.toJSON settings;
  };
}
