# Names for workspaces: a resolver of their own on the gateway.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../../lib)
    isInNetwork
    parseAddress
    reservedIPv4
    reservedIPv6
    resolverConfig
    ;

  cfg = config.networking.sandbox;
  inherit (cfg) dns;
  present = lib.filter (item: item != null);
  overTLS = forwarder: lib.hasInfix "#" forwarder;
  addressOf = forwarder: lib.head (lib.splitString "@" (lib.head (lib.splitString "#" forwarder)));
  isPrivate =
    forwarder:
    lib.any (network: isInNetwork network (addressOf forwarder)) (reservedIPv4 ++ reservedIPv6);
  isForwarder =
    forwarder:
    builtins.match "[0-9a-fA-F.:]+(@[1-9][0-9]{0,4})?(#[A-Za-z0-9.-]+)?" forwarder != null
    && parseAddress (addressOf forwarder) != null;
  isSelf =
    forwarder:
    lib.any (address: parseAddress address == parseAddress (addressOf forwarder)) (present [
      cfg.gateway
      cfg.gateway6
    ]);
  isDomain = domain: builtins.match "([A-Za-z0-9_-]+\\.)*[A-Za-z0-9_-]+\\.?" domain != null;
  wrong = isGood: lib.filter (item: !isGood item);

  settings = resolverConfig {
    listen = present [
      cfg.gateway
      cfg.gateway6
    ];
    subnets = present [
      cfg.subnet
      cfg.subnet6
    ];
    inherit (dns) forwarders refuse;
    tls = lib.any overTLS dns.forwarders;
    certificates = "/etc/ssl/certs/ca-certificates.crt";
    trustAnchor = if dns.validate then "${pkgs.dns-root-data}/root.key" else null;
    ipv6 = cfg.subnet6 != null || config.networking.enableIPv6;
    inherit (cfg) deny;
  };
in
{
  options.networking.sandbox.dns = {
    enable = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether workspaces may ask the gateway for names. A resolver (unbound) of its own answers there: for names of the
        internet alone, never with an address that is not public, and not at all if it can't ask.
      '';
    };

    forwarders = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "9.9.9.9@853#dns.quad9.net" ];
      description = ''
        The servers to ask: addresses, or `address@port#name` to ask over TLS and check the name. If empty, the resolver
        asks the servers of the domains itself.
      '';
    };

    validate = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = "Whether answers are validated with DNSSEC. A forwarder that strips signatures makes all names fail.";
    };

    refuse = mkOption {
      type = types.listOf types.str;
      default = lib.optional (config.networking.domain != null) config.networking.domain;
      defaultText = lib.literalMD "`networking.domain`, if it is set";
      example = [ "office.example.com" ];
      description = ''
        Domains that don't exist for workspaces, such as those of your own network. Those of local networks by their
        nature (`local`, `home.arpa`, `internal`, `lan` and others) don't in any case.
      '';
    };
  };

  config = lib.mkIf (cfg.enable && dns.enable) {
    assertions = [
      {
        assertion = lib.all overTLS dns.forwarders || !lib.any overTLS dns.forwarders;
        message = "`networking.sandbox.dns.forwarders`: ${lib.head (lib.filter overTLS dns.forwarders)} is asked over TLS and ${
          lib.head (lib.filter (f: !overTLS f) dns.forwarders)
        } is not; the resolver would fall back from one to the other, so write all of them in one way";
      }
    ]
    ++ map (forwarder: {
      assertion = false;
      message = "one of `networking.sandbox.dns.forwarders` is `${forwarder}`; write an address, such as 9.9.9.9 or 9.9.9.9@853#dns.quad9.net";
    }) (wrong isForwarder dns.forwarders)
    ++ map (forwarder: {
      assertion = false;
      message = "one of `networking.sandbox.dns.forwarders` is ${forwarder}, the resolver itself: name the one that it is to ask, or none";
    }) (lib.filter (forwarder: isForwarder forwarder && isSelf forwarder) dns.forwarders)
    ++ map (domain: {
      assertion = false;
      message = "one of `networking.sandbox.dns.refuse` is `${domain}`, and not a domain such as office.example.com";
    }) (wrong isDomain dns.refuse);
    warnings = map (
      forwarder:
      "`networking.sandbox.dns.forwarders` has ${forwarder}, a private address: that server may tell workspaces names of your network. Private addresses are taken out of its answers; name its domains in `networking.sandbox.dns.refuse`"
    ) (lib.filter isPrivate dns.forwarders);

    systemd.services.sandbox-resolver = {
      description = "Resolver of the workspaces' network";
      wantedBy = [ "multi-user.target" ];
      after = [
        "network.target"
        cfg.guardUnit
      ];
      requires = [ cfg.guardUnit ];
      serviceConfig = import ../shared/hardened.nix // {
        ExecStart = "${pkgs.unbound}/bin/unbound -d -p -c ${pkgs.writeText "sandbox-resolver.conf" settings}";
        Restart = "always";
        RestartSec = 1;
        DynamicUser = true;
        AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
        CapabilityBoundingSet = [ "CAP_NET_BIND_SERVICE" ];
      };
    };
  };
}
