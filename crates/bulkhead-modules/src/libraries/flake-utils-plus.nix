# What stands in for flake-utils-plus, written from its documentation: a system of each host, made by its builder, where it is
# given out.
known:
let
  inherit (builtins)
    attrNames
    foldl'
    removeAttrs
    ;
  inherit (known) lib;

  mkFlake =
    arguments@{
      inputs ? known.everything,
      hosts ? { },
      hostDefaults ? { },
      outputsBuilder ? (_: { }),
      ...
    }:
    let
      # Lists of a host come after those of all.
      of = name: known.mergeAny 3 hostDefaults hosts.${name};
      systemFor =
        name:
        let
          host = of name;
        in
        (host.builder or known.nixosSystem) {
          system = host.system or "x86_64-linux";
          specialArgs = {
            channel = known.packages;
          }
          // host.specialArgs or { };
          extraArgs = {
            inherit inputs;
          }
          // host.extraArgs or { };
          modules = [
            { networking.hostName = lib.mkDefault (lib.last (lib.splitString "." name)); }
          ]
          ++ host.modules or [ ];
        };
      systems = foldl' (known.mergeAny 1) { } (
        map (name: { ${(of name).output or "nixosConfigurations"}.${name} = systemFor name; }) (
          attrNames hosts
        )
      );
      others = removeAttrs arguments [
        "channels"
        "channelsConfig"
        "hostDefaults"
        "hosts"
        "inputs"
        "nixosProfiles"
        "outputsBuilder"
        "self"
        "sharedOverlays"
        "supportedSystems"
      ];
      all = known.mergeAny 2 others (systems // { pkgs.x86_64-linux = known.channels; });
    in
    known.withBuilt outputsBuilder all;
in
{
  inherit mkFlake;
  lib = {
    inherit mkFlake;
    systemFlake = mkFlake;
    mkApp = known.rest.lib.mkApp;
    exportModules =
      paths:
      builtins.listToAttrs (
        map (path: {
          name = lib.removeSuffix ".nix" (baseNameOf (toString path));
          value = path;
        }) paths
      );
  };
}
