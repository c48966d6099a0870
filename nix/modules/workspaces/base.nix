# What every workspace is inside, whatever runs it: its network, its user, SSH, and what tells a program where it is.
#
# A function from the workspace (its options on the host), the host's configuration and what matches its network
# interface, to a NixOS module.
{
  workspace,
  host,
  match,
}:
{ lib, ... }:
let
  inherit (import ../../lib) parseNetwork;
  inherit (host.networking) sandbox;
  inherit (workspace) user;

  prefixOf = network: toString (parseNetwork network).prefix;
  hasIp6 = workspace.ip6 != null;
  addresses = [
    "${workspace.ip}/${prefixOf sandbox.subnet}"
  ]
  ++ lib.optional hasIp6 "${workspace.ip6}/${prefixOf sandbox.subnet6}";
  gateways = [ sandbox.gateway ] ++ lib.optional hasIp6 sandbox.gateway6;

  shellName = workspace.shell.pname or (lib.getName workspace.shell);
  toSetUp =
    lib.intersectLists
      [ shellName ]
      [
        "zsh"
        "fish"
        "xonsh"
      ];
in
{
  system.stateVersion = lib.mkDefault host.system.stateVersion;
  time.timeZone = lib.mkDefault workspace.timeZone;
  environment.systemPackages = workspace.packages;

  networking = {
    hostName = workspace.name;
    useNetworkd = true;
    useDHCP = false;
    useHostResolvConf = lib.mkForce false;
    # The host's guard decides who reaches whom; a rule set in a user namespace needs kernel modules that may be missing.
    firewall.enable = lib.mkDefault false;
  };
  systemd.network.networks."10-workspace" = {
    matchConfig = match;
    linkConfig.MACAddress = workspace.mac;
    address = addresses;
    gateway = gateways;
    dns = [ sandbox.gateway ];
    networkConfig = {
      DHCP = "no";
      IPv6AcceptRA = false;
      LinkLocalAddressing = if hasIp6 then "ipv6" else "no";
      # The guard knows only the address that follows from the MAC address.
      IPv6LinkLocalAddressGenerationMode = "eui64";
      LLMNR = false;
      MulticastDNS = false;
    };
  };
  services.resolved.enable = true;
  # An empty line here is read as "no fallback", where a missing line would mean the resolvers that were compiled in. A
  # file of its own, because the options for this have had several names in NixOS.
  environment.etc."systemd/resolved.conf.d/50-workspace.conf".text = ''
    [Resolve]
    DNS=${sandbox.gateway}
    FallbackDNS=
    LLMNR=no
    MulticastDNS=no
  '';

  services.openssh = {
    enable = true;
    hostKeys = [
      {
        type = "ed25519";
        path = "/var/lib/workspace/ssh/ssh_host_ed25519_key";
      }
    ];
    settings = {
      PasswordAuthentication = false;
      KbdInteractiveAuthentication = false;
      PermitRootLogin = "no";
    };
  };

  users = {
    mutableUsers = false;
    # Without keys there is still the alias `workspace_<name>_shell`.
    allowNoPasswordLogin = true;
    users = lib.mkMerge [
      { root.hashedPassword = "!"; }
      {
        ${user} = {
          isNormalUser = true;
          inherit (host.workspaceDefaults) uid;
          # NixOS has a default for normal users.
          shell = lib.mkOverride 900 workspace.shell;
          home = "/home/${user}";
          extraGroups = [
            "wheel"
          ]
          ++ lib.optionals workspace.gpu [
            "render"
            "video"
          ];
          openssh.authorizedKeys.keys = workspace.authorizedKeys;
        };
      }
    ];
  };
  programs = lib.genAttrs toSetUp (_: {
    enable = true;
  });
  # Whoever brings a configuration of machines along may have it.
  security.sudo.enable = lib.mkDefault false;
  security.doas = {
    enable = true;
    extraRules = [
      {
        users = [ user ];
        noPass = true;
        keepEnv = true;
      }
    ];
  };

  nix.settings.experimental-features = [
    "nix-command"
    "flakes"
  ];

  environment.etc."workspace/CLAUDE.md".text = import ./claude-md.nix { inherit lib workspace host; };
  # Made once, and the user's from then on.
  systemd.tmpfiles.rules = [
    "f /home/${user}/CLAUDE.md 0644 ${user} users - @/etc/workspace/CLAUDE.md"
  ];
}
