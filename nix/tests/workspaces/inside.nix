# What is inside of every kind of workspace.
support:
let
  inherit (support) lib faultsOf;
  inherit (import ../support/workspaces.nix support)
    allTypes
    hostOf
    insideOf
    key
    perType
    ;

  hosts = perType (type: hostOf type { });
  of = f: lib.mapAttrs (type: f) hosts;
  dev = host: host.config.workspaces.dev;
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
  "a configuration that machines have may be brought along" = {
    expr = perType (
      type:
      let
        host = hostOf type {
          workspaces.dev.config =
            { pkgs, ... }:
            {
              time.timeZone = "UTC";
              security.sudo.enable = true;
              users.users.dev.shell = pkgs.zsh;
              programs.zsh.enable = true;
              networking.firewall.enable = true;
            };
        };
        system = insideOf "dev" host;
      in
      {
        faults = host.failed ++ faultsOf system;
        inherit (system.time) timeZone;
        sudo = system.security.sudo.enable;
        shell = system.users.users.dev.shell.pname;
      }
    );
    expected = allTypes {
      faults = [ ];
      timeZone = "UTC";
      sudo = true;
      shell = "zsh";
    };
  };
}
