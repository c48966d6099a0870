# What is the same on the host for every kind of workspace.
support:
let
  inherit (support) lib faultsOf;
  inherit (import ../support/workspaces.nix support)
    allTypes
    hostOf
    hostWith
    insideOf
    key
    perType
    ;

  hosts = perType (type: hostOf type { });
  of = f: lib.mapAttrs (type: f) hosts;
  dev = host: host.config.workspaces.dev;
  serviceOf = host: host.config.systemd.services.${lib.removeSuffix ".service" (dev host).unit};
  inside = insideOf "dev";
in
{
  "nothing is wrong with the host, nor with the workspace" = {
    expr = of (host: host.failed ++ host.warnings ++ faultsOf (inside host));
    expected = allTypes [ ];
  };
  "it is a port of the sandbox, with a MAC address from its name" = {
    expr = of (host: {
      inherit (host.config.networking.sandbox.ports.dev) mac address address6;
    });
    expected = allTypes {
      mac = "ee:26:0e:9a:a3:c6";
      address = "10.20.0.10";
      address6 = null;
    };
  };
  "its interface on the host is told apart by its kind" = {
    expr = of (host: host.config.networking.sandbox.ports.dev.interface);
    expected = {
      container = "vb-dev";
      incus = "vi-dev";
      vm = "vm-dev";
    };
  };
  "it never runs without the guard, nor before its state is there" = {
    expr = of (
      host:
      let
        service = serviceOf host;
        needed = [
          "sandbox-guard.service"
          "workspace-state@dev.service"
        ];
      in
      lib.subtractLists service.requires needed ++ lib.subtractLists service.after needed
    );
    expected = allTypes [ ];
  };
  "it does not start by itself" = {
    expr = {
      container = hosts.container.config.containers.dev.autoStart;
      incus = (serviceOf hosts.incus).wantedBy;
      vm = hosts.vm.config.microvm.vms.dev.autostart;
    };
    expected = {
      container = false;
      incus = [ ];
      vm = false;
    };
  };
  "it starts with the host if it is told to" = {
    expr =
      let
        started = perType (type: hostOf type { workspaces.dev.autoStart = true; });
      in
      {
        container = (serviceOf started.container).wantedBy;
        incus = (serviceOf started.incus).wantedBy;
        vm = started.vm.config.microvm.vms.dev.autostart;
      };
    expected = {
      container = [ "machines.target" ];
      incus = [ "multi-user.target" ];
      vm = true;
    };
  };
  "a change restarts it, unless it is not to" = {
    expr =
      let
        restarts = host: {
          container = (serviceOf host).restartIfChanged;
          incus = (serviceOf host).restartIfChanged;
          vm = host.config.microvm.vms.dev.restartIfChanged;
        };
      in
      perType (type: [
        (restarts hosts.${type}).${type}
        (restarts (hostOf type { workspaces.dev.restartIfChanged = false; })).${type}
      ]);
    expected = allTypes [
      true
      false
    ];
  };

  "the host knows its name and its key" = {
    expr = of (host: {
      hosts = host.config.networking.hosts."10.20.0.10";
      ssh = lib.hasInfix ''
        Host dev 10.20.0.10
          User dev
          HostKeyAlias dev
          StrictHostKeyChecking yes
          GlobalKnownHostsFile /etc/ssh/ssh_known_hosts /var/lib/workspaces/dev/known_hosts
        Host *
      '' host.config.programs.ssh.extraConfig;
      declared = host.config.programs.ssh.knownHosts;
    });
    expected = allTypes {
      hosts = [ "dev" ];
      ssh = true;
      declared = { };
    };
  };
  "a key that is declared is known, and has to be the one that is there" = {
    expr = perType (
      type:
      let
        host = hostOf type { workspaces.dev.hostKey = key; };
      in
      {
        inherit (host) failed;
        known = { inherit (host.config.programs.ssh.knownHosts."dev (workspace)") hostNames publicKey; };
        compared = lib.hasInfix key host.config.systemd.services."workspace-state@dev".script;
      }
    );
    expected = allTypes {
      failed = [ ];
      known = {
        hostNames = [
          "dev"
          "10.20.0.10"
        ];
        publicKey = key;
      };
      compared = true;
    };
  };
  "there are commands for it" = {
    expr = of (
      host:
      removeAttrs (lib.filterAttrs (
        name: _: lib.hasPrefix "workspace_" name
      ) host.config.environment.shellAliases) [ "workspace_dev_shell" ]
    );
    expected = perType (
      type:
      let
        unit =
          {
            container = "container@dev.service";
            incus = "incus-workspace@dev.service";
            vm = "microvm@dev.service";
          }
          .${type};
      in
      {
        workspace_dev = "ssh dev@dev";
        workspace_dev_start = "sudo systemctl start ${unit}";
        workspace_dev_stop = "sudo systemctl stop ${unit}";
        workspace_dev_restart = "sudo systemctl restart ${unit}";
        workspace_dev_status = "systemctl status ${unit}";
      }
    );
  };
  "a shell is there without the network" = {
    expr = of (
      host:
      lib.filter (words: lib.hasInfix words host.config.environment.shellAliases.workspace_dev_shell) [
        "sudo machinectl shell dev@dev"
        "sudo incus exec dev -- /run/wrappers/bin/su --login dev"
        "/var/lib/microvms/dev/notify.vsock"
      ]
    );
    expected = {
      container = [ "sudo machinectl shell dev@dev" ];
      incus = [ "sudo incus exec dev -- /run/wrappers/bin/su --login dev" ];
      vm = [ "/var/lib/microvms/dev/notify.vsock" ];
    };
  };
  "commands take the way to root that the host has" = {
    expr =
      (hostOf "vm" {
        security.sudo.enable = false;
        security.doas.enable = true;
      }).config.environment.shellAliases.workspace_dev_start;
    expected = "doas systemctl start microvm@dev.service";
  };

  "without keys it is said that nobody may log in" = {
    expr = (hostOf "container" { workspaceDefaults.authorizedKeys = lib.mkForce [ ]; }).warnings;
    expected = [
      "nobody may log in to the workspace `dev` over SSH: set `workspaceDefaults.authorizedKeys`"
    ];
  };
  "a host without workspaces has nothing of all this" = {
    expr =
      let
        none = hostWith { };
      in
      {
        inherit (none) failed warnings;
        incus = none.config.virtualisation.incus.enable;
        sandbox = none.config.networking.sandbox.enable;
        ssh = none.config.programs.ssh.extraConfig;
      };
    expected = {
      failed = [ ];
      warnings = [ ];
      incus = false;
      sandbox = false;
      ssh = "";
    };
  };
}
