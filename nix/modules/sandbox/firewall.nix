# The host's own firewall has to let through what the guard lets through. It can open nothing: what one table drops is
# dropped.
{ config, lib, ... }:
let
  cfg = config.networking.sandbox;
  toGateway =
    protocol:
    map (hole: hole.port) (
      lib.filter (
        hole: hole.protocol == protocol && (hole.address == cfg.gateway || hole.address == cfg.gateway6)
      ) cfg.allow
    );
  dns = lib.optional cfg.dns.enable 53;
in
{
  config = lib.mkIf cfg.enable {
    networking.firewall = {
      interfaces.${cfg.bridge} = {
        allowedTCPPorts = dns ++ toGateway "tcp";
        allowedUDPPorts = dns ++ toGateway "udp";
      };
      # Emitted only with `filterForward`, which drops what nothing accepts. Answers are accepted there anyway.
      extraForwardRules = ''
        iifname "${cfg.bridge}" accept
      '';
    };
  };
}
