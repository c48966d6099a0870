# The host's own firewalls have to let through what the guard lets through. They can open nothing: what one table drops is
# dropped. Where br_netfilter is loaded (Docker does), they see the frames between containers too.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (config.networking) firewall nftables;

  cfg = config.vpn;
  bridge = cfg.bridgeName;
  dockerRule = "-i ${bridge} -o ${bridge} -j ACCEPT";
in
{
  config = lib.mkIf cfg.enable {
    networking.firewall = {
      interfaces.${bridge}.allowedTCPPorts = lib.optional (cfg.description.proxy != null) cfg.proxy.port;
      # Emitted only with `filterForward`, which drops what nothing accepts.
      extraForwardRules = ''
        iifname "${bridge}" oifname "${bridge}" accept
      '';
      # What the VPN container passes on to services comes from the internet by this bridge, where no route leads back. The
      # guard binds the addresses of each port instead.
      extraReversePathFilterRules = lib.mkIf nftables.enable ''
        iifname "${bridge}" accept
      '';
      extraCommands = lib.mkIf (!nftables.enable && firewall.checkReversePath != false) ''
        ip46tables -t mangle -I nixos-fw-rpfilter -i ${bridge} -j RETURN
      '';
    };

    systemd.services.vpn-docker = lib.mkIf config.virtualisation.docker.enable {
      description = "Exception for the VPN's bridge in Docker's firewall";
      wantedBy = [ "docker.service" ];
      after = [ "docker.service" ];
      partOf = [ "docker.service" ];
      path = [ pkgs.iptables ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
      };
      # Docker leaves this chain to others, and asks it first.
      script = ''
        iptables -w -N DOCKER-USER 2>/dev/null || true
        iptables -w -C DOCKER-USER ${dockerRule} 2>/dev/null || iptables -w -I DOCKER-USER ${dockerRule}
      '';
    };
  };
}
