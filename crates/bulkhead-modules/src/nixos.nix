# The packages that modules of NixOS are called with when none is evaluated. Every package is unknown; what depends on the
# platform alone, and the types of settings (`formats`), are not. Whether the platform is also the one that builds is not known:
# platforms are compared by identity.
{
  lib,
  config,
  nixpkgs,
  unknown,
}:
let
  inherit (config.nixpkgs) hostPlatform;
  formats = nixpkgs + "/pkgs/pkgs-lib/formats.nix";

  packages = unknown // {
    inherit lib hostPlatform;
    inherit (hostPlatform) system;
    path = nixpkgs;
    stdenv = unknown // {
      inherit hostPlatform;
      inherit (hostPlatform)
        is32bit
        is64bit
        isAarch32
        isAarch64
        isDarwin
        isLinux
        isRiscV64
        isi686
        isx86
        isx86_32
        isx86_64
        system
        ;
    };
    formats =
      if builtins.pathExists formats then
        import formats {
          inherit lib;
          pkgs = packages;
        }
      else
        unknown;
  };
in
packages
