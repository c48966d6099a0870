# The packages that modules of NixOS are called with when none is evaluated. Every package is unknown; what depends on the
# platform alone, and the types of settings (`formats`), are not.
{
  lib,
  config,
  nixpkgs,
  unknown,
}:
let
  inherit (config.nixpkgs) hostPlatform buildPlatform;
  formats = nixpkgs + "/pkgs/pkgs-lib/formats.nix";

  packages = unknown // {
    inherit lib hostPlatform buildPlatform;
    inherit (hostPlatform) system;
    targetPlatform = hostPlatform;
    path = nixpkgs;
    stdenv = unknown // {
      inherit hostPlatform buildPlatform;
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
      targetPlatform = hostPlatform;
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
