# What can't be true of a VPN, or of the host around it.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (import ../../lib)
    guardedPlaces
    isTakenPlace
    pathsOverlap
    vpnContainer
    vpnFaults
    ;

  cfg = config.vpn;
  inherit (config.networking) sandbox;
  isPia = cfg.provider == "pia";
  names = [ vpnContainer ] ++ lib.attrNames cfg.containers;

  hostNetworks = import ../shared/host-networks.nix { inherit config lib options; };
  isSandbox = options.networking ? sandbox && sandbox.enable;
  # Networks and interfaces that the configuration gives to others.
  others =
    map (
      network:
      # Whose interface it is, is said below.
      if config.networking.interfaces ? ${toString network.interface} then
        { inherit (network) option subnet interface; }
      else
        { inherit (network) option subnet; }
    ) (lib.filter (network: !isSandbox || network.interface != sandbox.bridge) hostNetworks)
    ++
      lib.concatMap
        (
          { option, interfaces }:
          map (interface: {
            option = "one of `networking.${option}`";
            inherit interface;
          }) (lib.attrNames interfaces)
        )
        [
          {
            option = "bridges";
            interfaces = config.networking.bridges;
          }
          {
            option = "wireguard.interfaces";
            interfaces = config.networking.wireguard.interfaces;
          }
          {
            option = "wg-quick.interfaces";
            interfaces = config.networking.wg-quick.interfaces;
          }
        ]
    ++ lib.optional isSandbox {
      option = "the sandbox's (`networking.sandbox.subnet` and `bridge`)";
      inherit (sandbox) subnet;
      interface = sandbox.bridge;
    };

  # Folders of secrets, none of which goes into a container as a whole.
  secretFolders = [
    "/run/agenix"
    "/run/agenix.d"
    "/run/secrets"
    "/run/secrets.d"
    "/run/keys"
    "/etc/ssh"
  ]
  ++ lib.attrValues (
    lib.intersectAttrs {
      secretsDir = null;
      secretsMountPoint = null;
    } (config.age or { })
  )
  ++ map toString (config.age.identityPaths or [ ]);
  secretsAt = path: lib.filter (folder: pathsOverlap folder path) (lib.unique secretFolders);
  # Places that are no better, those of secrets aside: they have a message of their own.
  places = lib.filter (place: !lib.elem place.path secretFolders) guardedPlaces;
  mountFaults =
    name: container:
    lib.concatMap (
      mount:
      let
        secret = secretsAt mount.hostPath;
        found = lib.filter (place: pathsOverlap place.path mount.hostPath) places;
        place = lib.head found;
      in
      map (folder: {
        assertion = false;
        message = "`vpn.containers.${name}.mounts` has ${mount.hostPath}, ${
          if mount.hostPath == folder then "which" else "and ${folder}"
        } holds secrets of this host: give the container the one file that it needs, by `credentials`";
      }) secret
      # One reason is enough.
      ++ lib.optional (secret == [ ] && found != [ ]) {
        assertion = false;
        message = "`vpn.containers.${name}.mounts` has ${mount.hostPath}, ${
          if mount.hostPath == place.path then "which" else "and ${place.path}"
        } holds ${place.holds}: share a folder that has only what the container needs";
      }
    ) (lib.attrValues container.mounts);
  sameMounts =
    name: container:
    lib.mapAttrsToList (place: mounts: {
      assertion = lib.length mounts == 1;
      message = "`vpn.containers.${name}.mounts`: ${
        lib.concatMapStringsSep " and " (mount: mount.hostPath) mounts
      } would both be at ${place}";
    }) (lib.groupBy (mount: mount.mountPoint) (lib.attrValues container.mounts));

  waysOut =
    name:
    import ../shared/ways-out.nix { inherit lib; } {
      inherit name;
      of = if name == vpnContainer then "the VPN container" else "`vpn.containers.${name}`";
      container = config.containers.${name};
      bridge = cfg.bridgeName;
      inherit places;
      flags = lib.optional (name == vpnContainer) "--network-interface=${cfg.interfaceName}";
    };
  # Mounts by NixOS' own option.
  otherMounts =
    name:
    lib.concatMap (
      mount:
      let
        path = if mount.hostPath == null then mount.mountPoint else mount.hostPath;
      in
      lib.optional (secretsAt path != [ ]) {
        assertion = false;
        message = "`containers.${name}.bindMounts` has ${path}, where this host has secrets: leave it out, and give the container the one file that it needs, by `vpn.containers.<name>.credentials`";
      }
    ) (lib.attrValues config.containers.${name}.bindMounts);

  secretFault = option: path: {
    assertion = path == null || !lib.hasPrefix builtins.storeDir path;
    message = "`vpn.${option}` is ${toString path}, in the Nix store, which everybody on this host can read: name the decrypted file, such as `config.age.secrets.<name>.path`";
  };
  absolute = option: path: {
    assertion = path == null || builtins.match "/[A-Za-z0-9._+@=/-]+" path != null;
    message = "`vpn.${option}` is `${toString path}`, and not an absolute path of letters, digits and `._+@=-`";
  };
  needed = option: value: why: {
    assertion = value != null;
    message = "`vpn.${option}` is not set: ${why}";
  };
  unused = option: value: {
    assertion = value == null;
    message = "`vpn.${option}` is set, but `vpn.provider` is \"${cfg.provider}\", which has no use for it: leave it out";
  };

  # What only PIA has a use for, and what it is when nobody has set it.
  ofPia = {
    "pia.caFile" = [
      cfg.pia.caFile
      null
    ];
    "pia.listKeyFile" = [
      cfg.pia.listKeyFile
      null
    ];
    serverLocation = [
      cfg.serverLocation
      "lowest-latency"
    ];
    latencyCountries = [
      cfg.latencyCountries
      [ ]
    ];
  }
  # There is a proxy for the login alone.
  // lib.mapAttrs' (name: option: {
    name = "proxy.${name}";
    value = [
      cfg.proxy.${name}
      option.default
    ];
  }) options.vpn.proxy;
  locations = lib.toList cfg.serverLocation;
in
{
  config = lib.mkIf cfg.enable {
    assertions =
      map
        (message: {
          assertion = false;
          inherit message;
        })
        (
          vpnFaults (
            cfg.description
            // {
              hook = cfg.onPortForwarded != null;
              others = lib.filter (other: other.subnet or "" != null) others;
            }
          )
        )
      ++ (
        if isPia then
          [
            (needed "credentialsFile" cfg.credentialsFile
              "PIA wants a user name and a password; name the decrypted file, such as `config.age.secrets.<name>.path`"
            )
            (needed "pia.caFile" cfg.pia.caFile
              "PIA's servers have certificates of PIA's own authority; name the file with its certificate, which PIA publishes"
            )
            (needed "pia.listKeyFile" cfg.pia.listKeyFile
              "PIA signs its list of servers; name the file with its public key, which PIA publishes"
            )
            (unused "wireguardFile" cfg.wireguardFile)
            {
              assertion = cfg.serverLocation != [ ];
              message = "`vpn.serverLocation` names no region: name one, or \"lowest-latency\"";
            }
            {
              assertion = lib.all (id: builtins.match "[A-Za-z0-9_-]+" id != null) locations;
              message = "`vpn.serverLocation` has `${lib.concatStringsSep "`, `" locations}`; the id of a region has letters, digits, `_` and `-`";
            }
            {
              assertion = !lib.isList cfg.serverLocation || !lib.elem "lowest-latency" cfg.serverLocation;
              message = "`vpn.serverLocation` has \"lowest-latency\" among regions: set it to \"lowest-latency\" alone, or to regions";
            }
            {
              assertion = lib.all (code: builtins.match "[A-Za-z]{2}" code != null) cfg.latencyCountries;
              message = "`vpn.latencyCountries` has `${lib.concatStringsSep "`, `" cfg.latencyCountries}`; a country is two letters, such as CH (ISO 3166-1)";
            }
            {
              assertion = !lib.any (port: port == 0 || port == 53) cfg.proxy.ports;
              message = "`vpn.proxy.ports` has 0, which is no port, or 53, at which the proxy's user may reach any resolver, in the LAN too: leave it out";
            }
            {
              assertion = cfg.proxy.port != 0;
              message = "`vpn.proxy.port` is 0, which is no port";
            }
            {
              assertion = cfg.proxy.user != "root";
              message = "`vpn.proxy.user` is root, but the guard knows the proxy's packets by their user: all that root sends would be taken for it";
            }
            {
              assertion = cfg.latencyCountries == [ ] || cfg.serverLocation == "lowest-latency";
              message = "`vpn.latencyCountries` is set, but `vpn.serverLocation` names regions: set it to \"lowest-latency\", or leave the countries out";
            }
          ]
        else
          [
            (needed "wireguardFile" cfg.wireguardFile
              "the provider `wireguard` is a file; name the decrypted file, such as `config.age.secrets.<name>.path`"
            )
            (unused "credentialsFile" cfg.credentialsFile)
            (unused "dedicatedIp" cfg.dedicatedIp)
          ]
          ++ lib.mapAttrsToList (option: value: {
            assertion = lib.head value == lib.last value;
            message = "`vpn.${option}` is set, but `vpn.provider` is \"wireguard\", which has no use for it: leave it out";
          }) ofPia
          ++ [
            {
              assertion = cfg.receiver == null;
              message = "`vpn.containers.${cfg.receiver.name}.receiveForwardedPort` is set, but a WireGuard file can't ask its provider for a port: leave it out, or use `vpn.provider = \"pia\"`";
            }
          ]
      )
      ++
        lib.concatMap
          (given: [
            (secretFault given.option given.path)
            (absolute given.option given.path)
          ])
          [
            {
              option = "credentialsFile";
              path = cfg.credentialsFile;
            }
            {
              option = "dedicatedIp";
              path = cfg.dedicatedIp;
            }
            {
              option = "wireguardFile";
              path = cfg.wireguardFile;
            }
          ]
      ++ lib.concatMap waysOut names
      ++ lib.concatMap otherMounts names
      ++ lib.concatLists (lib.mapAttrsToList mountFaults cfg.containers)
      ++ lib.concatLists (lib.mapAttrsToList sameMounts cfg.containers)
      ++ map (name: {
        assertion = name != config.networking.hostName;
        message = "`vpn.containers.${name}` has the name of this host: call it something else";
      }) (lib.attrNames cfg.containers)
      ++ lib.concatLists (
        lib.mapAttrsToList (
          name: container:
          lib.mapAttrsToList (
            id: file: secretFault "containers.${name}.credentials.${id}" file
          ) container.credentials
          ++ map (mount: {
            assertion = !isTakenPlace mount.mountPoint;
            message = "`vpn.containers.${name}.mounts`: ${mount.hostPath} can't be at ${mount.mountPoint}, which NixOS needs for itself in the container";
          }) (lib.attrValues container.mounts)
          ++ map (id: {
            assertion = builtins.match "[A-Za-z0-9_-]+" id != null;
            message = "`vpn.containers.${name}.credentials` has `${id}`; a credential has letters, digits, `_` and `-` in its name";
          }) (lib.attrNames container.credentials)
        ) cfg.containers
      )
      ++ lib.optionals (options ? workspaces) (
        map (name: {
          assertion = !(config.workspaces ? ${name});
          message = "`workspaces.${name}` has the name of ${
            if name == vpnContainer then "the VPN container" else "`vpn.containers.${name}`"
          }: both would be the container `${name}`; call one of them something else";
        }) names
      )
      ++ map (name: {
        assertion = !config.containers.${name}.config.nix.enable;
        message = "`vpn.containers.${name}` is a container, in which there is no Nix: its store is the host's, and building there would be building as the host, by the host's network. Leave `nix.enable` out";
      }) (lib.attrNames cfg.containers)
      ++ [
        {
          assertion =
            builtins.match "https://[A-Za-z0-9.-]+(:[0-9]+)?(/[^?# ]*)?" (
              if cfg.publicAddressUrl == null then "https://x" else cfg.publicAddressUrl
            ) != null;
          message = "`vpn.publicAddressUrl` is `${toString cfg.publicAddressUrl}`, and not an https URL without a query";
        }
      ];
  };
}
