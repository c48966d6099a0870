# The host knows its workspaces by their names: /etc/hosts, and the keys of their SSH servers.
{ config, lib, ... }:
let
  inherit (import ../../lib) workspaceHosts;

  workspaces = lib.attrValues config.workspaces;
  addressesOf =
    workspace:
    lib.filter (address: address != null) [
      workspace.ip
      workspace.ip6
    ];
  namesOf = workspace: [ workspace.name ] ++ addressesOf workspace;
in
{
  networking.hosts = workspaceHosts workspaces;

  # The key is made at the first start, after this was evaluated: `known_hosts` in the workspace's state has it.
  programs.ssh.extraConfig = lib.mkIf (workspaces != [ ]) (
    lib.concatMapStrings (workspace: ''
      Host ${toString (namesOf workspace)}
        User ${workspace.user}
        HostKeyAlias ${workspace.name}
        StrictHostKeyChecking yes
        GlobalKnownHostsFile /etc/ssh/ssh_known_hosts ${workspace.state}/known_hosts
    '') workspaces
    # What follows in the file is meant for every host again.
    + ''
      Host *
    ''
  );

  programs.ssh.knownHosts = lib.listToAttrs (
    map (workspace: {
      name = "${workspace.name} (workspace)";
      value = {
        hostNames = namesOf workspace;
        publicKey = workspace.hostKey;
      };
    }) (lib.filter (workspace: workspace.hostKey != null) workspaces)
  );
}
