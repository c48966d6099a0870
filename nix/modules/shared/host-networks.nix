# The networks that the configuration gives to interfaces of the host, each with the option that says so: nobody else's
# network may overlap with them.
{
  config,
  lib,
  options,
}:
let
  inherit (import ../../lib) networkOf;

  of = option: interface: shown: {
    inherit option interface shown;
    subnet = networkOf shown;
  };
  ofEach =
    sets: f:
    lib.concatLists (
      lib.mapAttrsToList (name: given: map (of (f name) name) (sets.addresses given)) sets.from
    );

  # networkd has had both `addressConfig.Address` and `Address`.
  ofNetworkd =
    network:
    network.address
    ++ lib.filter (address: address != null) (
      map (entry: entry.addressConfig.Address or entry.Address or null) network.addresses
    );
  asList = lib.toList;
  isBridged = container: container.hostBridge != null;
  preseed = config.virtualisation.incus.preseed or null;
in
lib.filter (network: network.subnet != null) (
  ofEach {
    from = config.networking.interfaces;
    addresses =
      given:
      map ({ address, prefixLength, ... }: "${address}/${toString prefixLength}") (
        given.ipv4.addresses ++ given.ipv6.addresses
      );
  } (name: "`networking.interfaces.${name}`")
  ++ ofEach {
    from = config.networking.wireguard.interfaces;
    addresses = given: given.ips;
  } (name: "`networking.wireguard.interfaces.${name}`")
  ++ ofEach {
    from = config.networking.wg-quick.interfaces;
    addresses = given: given.address;
  } (name: "`networking.wg-quick.interfaces.${name}`")
  ++ lib.concatLists (
    lib.mapAttrsToList (
      name: network:
      map (of "`systemd.network.networks.${name}`" (network.matchConfig.Name or null)) (
        ofNetworkd network
      )
    ) config.systemd.network.networks
  )
  # Addresses alone are networks of one machine.
  ++ lib.concatLists (
    lib.mapAttrsToList (
      name: container:
      map
        (
          address:
          of "`containers.${name}`" "ve-${name}" (
            if lib.hasInfix "/" address then address else "${address}/32"
          )
        )
        (
          lib.filter (address: address != null) (
            lib.optionals (!isBridged container) [
              container.hostAddress
              container.localAddress
            ]
          )
        )
    ) config.containers
  )
  ++ map (of "`virtualisation.docker.daemon.settings.bip`" "docker0") (
    lib.optionals config.virtualisation.docker.enable (
      asList (config.virtualisation.docker.daemon.settings.bip or [ ])
    )
  )
  ++ lib.concatMap (
    network:
    map (of "`virtualisation.incus.preseed.networks`" (network.name or null)) (
      lib.filter (address: lib.isString address && lib.hasInfix "/" address) [
        (network.config."ipv4.address" or null)
        (network.config."ipv6.address" or null)
      ]
    )
  ) (if options.virtualisation ? incus && lib.isAttrs preseed then preseed.networks or [ ] else [ ])
)
