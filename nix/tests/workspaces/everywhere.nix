# What is the same for every kind of workspace.
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
  # The file that all kinds have in common, by itself: all packages of a system are more than stand-ins can be.
  baseOf =
    host:
    import (support.modules + "/workspaces/base.nix") {
      workspace = dev host;
      host = host.config;
      match = { };
    } { inherit lib; };
  file = name: host: (inside host).environment.etc.${name}.text;
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

  "inside, the address is static, and the gateway the only resolver" = {
    expr = of (
      host:
      let
        network = (inside host).systemd.network.networks."10-workspace";
      in
      {
        inherit (network) address gateway dns;
        inherit (network.networkConfig) DHCP IPv6AcceptRA LinkLocalAddressing;
        mac = network.linkConfig.MACAddress;
        networkd = (inside host).systemd.network.enable;
        resolved = (inside host).services.resolved.enable;
        resolvers = file "systemd/resolved.conf.d/50-workspace.conf" host;
        name = (inside host).networking.hostName;
      }
    );
    expected = allTypes {
      address = [ "10.20.0.10/24" ];
      gateway = [ "10.20.0.1" ];
      dns = [ "10.20.0.1" ];
      DHCP = "no";
      IPv6AcceptRA = false;
      LinkLocalAddressing = "no";
      mac = "ee:26:0e:9a:a3:c6";
      networkd = true;
      resolved = true;
      resolvers = ''
        [Resolve]
        DNS=10.20.0.1
        FallbackDNS=
        LLMNR=no
        MulticastDNS=no
      '';
      name = "dev";
    };
  };
  "with IPv6 it has both addresses" = {
    expr = perType (
      type:
      let
        host = hostOf type {
          networking.sandbox.subnet6 = "fd20::/64";
          networking.sandbox.gateway6 = "fd20::1";
          workspaces.dev.ip6 = "fd20::10";
        };
        network = (inside host).systemd.network.networks."10-workspace";
      in
      {
        inherit (host) failed;
        inherit (network) address gateway;
        inherit (network.networkConfig) LinkLocalAddressing IPv6AcceptRA;
        hosts = host.config.networking.hosts."fd20::10";
        port = host.config.networking.sandbox.ports.dev.address6;
      }
    );
    expected = allTypes {
      failed = [ ];
      address = [
        "10.20.0.10/24"
        "fd20::10/64"
      ];
      gateway = [
        "10.20.0.1"
        "fd20::1"
      ];
      LinkLocalAddressing = "ipv6";
      IPv6AcceptRA = false;
      hosts = [ "dev" ];
      port = "fd20::10";
    };
  };
  "inside, the user logs in with a key alone and is root without a password" = {
    expr = of (
      host:
      let
        system = inside host;
        user = system.users.users.dev;
      in
      {
        inherit (user) uid home isNormalUser;
        keys = user.openssh.authorizedKeys.keys;
        wheel = lib.elem "wheel" user.extraGroups;
        doas = map (rule: { inherit (rule) users noPass; }) (
          lib.filter (rule: rule.users != [ ]) system.security.doas.extraRules
        );
        sudo = system.security.sudo.enable;
        inherit (system.services.openssh.settings) PasswordAuthentication PermitRootLogin;
        hostKeys = map (key: key.path) system.services.openssh.hostKeys;
        root = system.users.users.root.hashedPassword;
      }
    );
    expected = allTypes {
      uid = 1000;
      home = "/home/dev";
      isNormalUser = true;
      keys = [ key ];
      wheel = true;
      doas = [
        {
          users = [ "dev" ];
          noPass = true;
        }
      ];
      sudo = false;
      PasswordAuthentication = false;
      PermitRootLogin = "no";
      hostKeys = [ "/var/lib/workspace/ssh/ssh_host_ed25519_key" ];
      root = "!";
    };
  };
  "user, shell, packages, time zone and place of the state are the user's to say" = {
    expr = perType (
      type:
      let
        host = hostOf type (
          { pkgs, ... }:
          {
            workspaceDefaults = {
              user = "leela";
              stateFolder = "/srv/work";
              packages = [ pkgs.git ];
              timeZone = "UTC";
            };
            workspaces.dev.shell = pkgs.zsh;
          }
        );
        system = inside host;
      in
      {
        inherit (host) failed;
        faults = faultsOf system;
        home = system.users.users.leela.home;
        shell = lib.getName system.users.users.leela.shell;
        packages = map lib.getName (baseOf host).environment.systemPackages;
        zone = system.time.timeZone;
        state =
          lib.hasInfix "mkdir -p '/srv/work/dev'"
            host.config.systemd.services."workspace-state@dev".script;
        login = host.config.environment.shellAliases.workspace_dev;
      }
    );
    expected = allTypes {
      failed = [ ];
      faults = [ ];
      home = "/home/leela";
      shell = "zsh";
      packages = [ "git" ];
      zone = "UTC";
      state = true;
      login = "ssh leela@dev";
    };
  };
  "its own configuration is in it" = {
    expr = perType (
      type:
      (inside (
        hostOf type {
          workspaces.dev.config = {
            services.postgresql.enable = true;
            networking.firewall.enable = true;
          };
        }
      )).systemd.services
        ? postgresql
    );
    expected = allTypes true;
  };
  "it tells programs where they are" = {
    expr = of (
      host:
      let
        text = file "workspace/CLAUDE.md" host;
      in
      {
        says = lib.filter (words: !lib.hasInfix words text) [
          "You are in `dev`"
          "`doas COMMAND`"
          "10.20.0.10"
          "`/home/dev` stays."
        ];
        named = lib.elem "f /home/dev/CLAUDE.md 0644 dev users - @/etc/workspace/CLAUDE.md" (inside host)
        .systemd.tmpfiles.rules;
      }
    );
    expected = allTypes {
      says = [ ];
      named = true;
    };
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
