# The VPN container: the WireGuard interface, the rules that are there before all else, and the daemon. Its unit restarts
# with every failure of the daemon, and each start of it makes the interface anew.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../../lib) vpnContainer vpnInsideRuleset vpnInterfaceScript;
  nspawn = import ./nspawn.nix { inherit config lib options; };

  cfg = config.vpn;
  inherit (cfg) receiver;
  isPia = cfg.provider == "pia";
  protocols =
    protocol:
    if protocol == "both" then
      [
        "tcp"
        "udp"
      ]
    else
      [ protocol ];

  # Secrets by the name of their copy in the container.
  secrets = lib.filterAttrs (_: file: file != null) (
    if isPia then
      {
        pia-login = cfg.credentialsFile;
        pia-dedicated-ip = cfg.dedicatedIp;
      }
    else
      { wireguard = cfg.wireguardFile; }
  );
  # Where the container sees it. That it is missing is refused with a better message than Nix has.
  inStore = file: if file == null then "" else "${file}";
  # systemd.exec(5), "Credentials".
  secretPath = name: "/run/credentials/bulkhead-vpn.service/${name}";

  state = "/var/lib/bulkhead-vpn";
  containersFolder = "/var/lib/${lib.optionalString (lib.versionAtLeast config.system.stateVersion "22.05") "nixos-"}containers";

  settings = {
    interface = cfg.interfaceName;
    bridge = {
      interface = "eth0";
      inherit (cfg) subnet hostAddress vpnAddress;
    };
    services = lib.mapAttrs (_: container: { address = container.ip; }) cfg.containers;
    provider =
      if isPia then
        {
          pia = {
            location =
              if cfg.serverLocation == "lowest-latency" then
                { lowestLatency.countries = cfg.latencyCountries; }
              else
                { regions = lib.toList cfg.serverLocation; };
            credentialsFile = secretPath "pia-login";
            caFile = inStore cfg.pia.caFile;
            listKeyFile = inStore cfg.pia.listKeyFile;
            proxy = "${cfg.hostAddress}:${toString cfg.proxy.port}";
          }
          // lib.optionalAttrs (cfg.dedicatedIp != null) {
            dedicatedIpFile = secretPath "pia-dedicated-ip";
          };
        }
      else
        { wireguard.file = secretPath "wireguard"; };
    stateDirectory = state;
    controlSocket = "${state}/control.sock";
    nft = "${pkgs.nftables}/bin/nft";
    inherit (cfg) renewAfterDays;
  }
  // lib.optionalAttrs (cfg.mtu != null) { inherit (cfg) mtu; }
  // lib.optionalAttrs (receiver != null) {
    portForwarding = {
      service = receiver.name;
      inherit (receiver.forward) protocol;
    }
    // lib.optionalAttrs (receiver.forward.port != null) { inherit (receiver.forward) port; }
    // lib.optionalAttrs (cfg.onPortForwarded != null) {
      onForwarded.command = [ "${pkgs.writeShellScript "on-port-forwarded" cfg.onPortForwarded}" ];
    };
  };
  gatewayUnit = "container@${vpnContainer}.service";
  isConnected = "vpn status --json 2> /dev/null | jq --exit-status .connection > /dev/null";
  settingsFile = pkgs.writeText "bulkhead-vpn.json" (builtins.toJSON settings);

  rules = pkgs.writeText "bulkhead-vpn-inside.nft" (vpnInsideRuleset {
    name = "bulkhead-vpn-inside";
    interface = cfg.interfaceName;
    bridge = "eth0";
    services = lib.mapAttrsToList (_: container: container.ip) cfg.containers;
    proxy =
      if isPia then
        {
          address = cfg.hostAddress;
          inherit (cfg.proxy) port;
        }
      else
        null;
    receiver =
      if receiver == null then
        null
      else
        {
          inherit (receiver) address;
          protocols = protocols receiver.forward.protocol;
          hook = cfg.onPortForwarded != null;
        };
  });

  inside = {
    environment.systemPackages = [
      cfg.package
      pkgs.nftables
    ];
    environment.etc."bulkhead-vpn/config.json".source = settingsFile;

    systemd.services.bulkhead-vpn-rules = {
      description = "What is closed in the VPN container, whether it is connected or not";
      wants = [ "network-pre.target" ];
      wantedBy = [ "multi-user.target" ];
      before = [
        "network-pre.target"
        "shutdown.target"
      ];
      conflicts = [ "shutdown.target" ];
      unitConfig.DefaultDependencies = false;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${pkgs.nftables}/bin/nft -f ${rules}";
      };
    };

    systemd.services.bulkhead-vpn = {
      description = "Connection of the VPN container";
      wantedBy = [ "multi-user.target" ];
      requires = [ "bulkhead-vpn-rules.service" ];
      after = [
        "bulkhead-vpn-rules.service"
        "systemd-networkd.service"
        "network.target"
      ];
      # A daemon that fails may need a new interface, which only a new start of the container brings. systemd-nspawn ends
      # with 133 then, and the host's unit starts it again, in steps.
      unitConfig = {
        FailureAction = "reboot-force";
        StartLimitIntervalSec = 0;
      };
      restartTriggers = [ settingsFile ];
      serviceConfig = {
        Type = "notify";
        ExecStart = "${cfg.package}/bin/bulkhead-vpn run --config /etc/bulkhead-vpn/config.json";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        # What systemd-nspawn was given under the same names.
        LoadCredential = lib.attrNames secrets;
        StateDirectory = "bulkhead-vpn";
        StateDirectoryMode = "0700";
        # The daemon asks for more for as long as it tries.
        TimeoutStartSec = 180;
        TimeoutStopSec = 20;
        WatchdogSec = 120;
        CapabilityBoundingSet = [ "CAP_NET_ADMIN" ];
        NoNewPrivileges = true;
        ProtectHome = true;
        ProtectSystem = "strict";
        PrivateTmp = true;
      };
    };
  };
in
{
  options.vpn = {
    emptyFolder = mkOption {
      type = types.str;
      internal = true;
      readOnly = true;
      default = "/var/lib/bulkhead/empty";
      description = "An empty folder.";
    };

    onlineUnit = mkOption {
      type = types.str;
      readOnly = true;
      default = "vpn-online.service";
      example = "vpn-online.service";
      description = ''
        The unit that becomes active when the VPN is connected, after each start of the VPN container that was asked for. Order
        what needs the connection after it, with `wants`: with `requires`, it would be stopped when the container restarts.
      '';
    };

    settings = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      default = settings;
      description = "The configuration of `bulkhead-vpn`.";
    };

    insideRules = mkOption {
      type = types.raw;
      internal = true;
      readOnly = true;
      default = rules;
      description = "The file with the rules inside of the VPN container.";
    };

    controlSocket = mkOption {
      type = types.str;
      internal = true;
      readOnly = true;
      # In the container's own files, which keep it clear of other owners and mounts than the container has anyway.
      default = "${cfg.containerRoot}${settings.controlSocket}";
      description = "The control socket of `bulkhead-vpn`, as the host sees it.";
    };

    containerRoot = mkOption {
      type = types.str;
      internal = true;
      readOnly = true;
      default = "${containersFolder}/${vpnContainer}";
      description = "The files of the VPN container, as the host sees them. Who is root in there makes them.";
    };
  };

  config = lib.mkIf cfg.enable {
    # What the container needs of the kernel and can't load itself; a host may lock its modules after the boot.
    boot.kernelModules = [
      "wireguard"
      "nft_chain_nat"
      "nft_ct"
      "nft_masq"
      "nft_nat"
      "nft_numgen"
    ];
    # What the assertions do not know, the daemon refuses before anything is switched to.
    system.checks = lib.optional (pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform) (
      pkgs.runCommand "bulkhead-vpn-config" { } ''
        ${cfg.package}/bin/bulkhead-vpn check-config --no-files --config ${settingsFile} > $out
      ''
    );
    systemd.tmpfiles.rules = [ "d ${cfg.emptyFolder} 0555 root root -" ];

    containers.${vpnContainer} =
      nspawn.containerOf {
        name = vpnContainer;
        inherit (cfg.description.vpn) mac address;
        gateway = null;
        # Not `interfaces`, which would have the unit wait for the interface that it makes itself.
        flags = [
          "--network-interface=${cfg.interfaceName}"
        ]
        ++ lib.mapAttrsToList (name: file: "--load-credential=${name}:${file}") secrets;
        modules = [ inside ];
        inherit pkgs;
      }
      // {
        autoStart = true;
        # Being ready means being connected here, which lasts for as long as the provider is away.
        timeoutStartSec = "infinity";
      };

    systemd.services."container@${vpnContainer}" = lib.mkMerge [
      nspawn.unit
      {
        preStart = lib.mkAfter (vpnInterfaceScript cfg.interfaceName);
        wants = [ cfg.onlineUnit ] ++ lib.optional isPia "vpn-proxy.service";
        after = lib.optional isPia "vpn-proxy.service";
        path = [
          cfg.package
          pkgs.jq
        ];
        # A container is also "ready" for a moment when its daemon has failed. Restarts that led to a connection don't count
        # for the steps of the next ones.
        postStart = lib.mkAfter ''
          if ${isConnected}; then
            systemctl reset-failed ${gatewayUnit}
          fi
        '';
        unitConfig.StartLimitIntervalSec = 0;
        serviceConfig = {
          # At once, then in steps: 1 s, 2.6 s, 6.7 s … 5 min.
          RestartSec = 1;
          RestartSteps = 6;
          RestartMaxDelaySec = 300;
        };
      }
    ];

    # Not ordered after the container and not bound to it: a container that fails is started again by itself, and what
    # waits for the connection goes on to wait.
    systemd.services.vpn-online = {
      description = "The VPN is connected";
      wants = [ gatewayUnit ];
      partOf = [ gatewayUnit ];
      path = [
        cfg.package
        pkgs.jq
      ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        TimeoutStartSec = "infinity";
      };
      script = ''
        until ${isConnected}; do
          sleep 1
        done
      '';
    };
  };
}
