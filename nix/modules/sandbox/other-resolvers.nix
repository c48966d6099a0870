# Resolvers of the host that would answer in place of the sandbox's own one: who takes port 53 of all addresses takes the
# gateway's too. Workspaces would be told names and private addresses of the host's network then.
{ config, lib, ... }:
let
  cfg = config.networking.sandbox;
  inherit (config) services;

  isOurs =
    listen:
    let
      # unbound has the port with the address.
      address = lib.head (lib.splitString "@" listen);
    in
    lib.elem address (
      [
        "*"
        "0.0.0.0"
        "::"
        "::0"
        "[::]"
        "any"
        cfg.bridge
        cfg.gateway
      ]
      ++ lib.optional (cfg.gateway6 != null) cfg.gateway6
    );
  anyOurs = listens: lib.any (listen: lib.isString listen && isOurs listen) (lib.toList listens);
  isDns =
    port:
    lib.elem port [
      53
      "53"
    ];

  dnsmasq = services.dnsmasq.settings;
  unbound = services.unbound.settings.server or { };
  adguard =
    if services.adguardhome.settings or null == null then { } else services.adguardhome.settings;
  takers =
    lib.optional
      (
        services.dnsmasq.enable
        && isDns (dnsmasq.port or 53)
        && !(dnsmasq.bind-interfaces or false)
        && !(dnsmasq.bind-dynamic or false)
      )
      {
        option = "services.dnsmasq";
        instead = "set `services.dnsmasq.settings.bind-interfaces` to true, with `interface` or `listen-address`";
      }
    ++
      lib.optional
        (
          services.unbound.enable
          && isDns (unbound.port or 53)
          && (anyOurs (unbound.interface or [ ]) || unbound.interface-automatic or false)
        )
        {
          option = "services.unbound";
          instead = "name other addresses in `services.unbound.settings.server.interface`";
        }
    ++
      lib.optional
        (
          services.bind.enable
          && isDns (services.bind.listenOnPort or 53)
          && anyOurs (services.bind.listenOn ++ services.bind.listenOnIpv6)
        )
        {
          option = "services.bind";
          instead = "name other addresses in `services.bind.listenOn` and `listenOnIpv6`";
        }
    ++
      lib.optional
        (
          services.adguardhome.enable
          && isDns (adguard.dns.port or 53)
          && anyOurs (adguard.dns.bind_hosts or [ "0.0.0.0" ])
        )
        {
          option = "services.adguardhome";
          instead = "name other addresses in `services.adguardhome.settings.dns.bind_hosts`";
        };
in
{
  config = lib.mkIf (cfg.enable && cfg.dns.enable) {
    assertions = map (taker: {
      assertion = false;
      message = "`${taker.option}` would take port 53 of `networking.sandbox.gateway`, ${cfg.gateway}, from the resolver of the sandbox, and answer workspaces itself: ${taker.instead}, or set `networking.sandbox.dns.enable` to false";
    }) takers;
  };
}
