# Docker sets the policy of iptables' FORWARD chain to drop, and loads br_netfilter, which shows bridged frames to it:
# without an exception, workspaces would reach nothing. The guard itself expects both settings of br_netfilter.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.networking.sandbox;
  rules = [
    "-i ${cfg.bridge} -j ACCEPT"
    "-o ${cfg.bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
  ];
  families = [ "iptables" ] ++ lib.optional (cfg.subnet6 != null) "ip6tables";
  add =
    tool: rule:
    # Docker leaves this chain to others, and asks it first.
    "${tool} -w -C DOCKER-USER ${rule} 2>/dev/null || ${tool} -w -I DOCKER-USER ${rule}";
in
{
  config = lib.mkIf (cfg.enable && config.virtualisation.docker.enable) {
    systemd.services.sandbox-docker = {
      description = "Exception for the workspaces' network in Docker's firewall";
      wantedBy = [ "docker.service" ];
      after = [ "docker.service" ];
      partOf = [ "docker.service" ];
      path = [ pkgs.iptables ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
      };
      script = lib.concatMapStringsSep "\n" (tool: ''
        ${tool} -w -N DOCKER-USER 2>/dev/null || true
        ${lib.concatMapStringsSep "\n" (add tool) rules}
      '') families;
    };
  };
}
