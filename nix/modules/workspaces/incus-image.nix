# What only the image of an Incus workspace has, on top of NixOS' own module for LXC containers.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  zstd = {
    compressCommand = "zstd -T0 -9";
    compressionExtension = ".zst";
    extraInputs = [ pkgs.zstd ];
  };
in
{
  # Those two would make an image for people to install from: with a channel, and with root's login open.
  documentation.enable = lib.mkForce false;
  documentation.nixos.enable = lib.mkForce false;
  users.users.root.initialHashedPassword = lib.mkForce null;
  services.getty.helpLine = lib.mkForce "";
  installer = lib.optionalAttrs (options ? installer.cloneConfig) {
    cloneConfig = lib.mkDefault false;
  };
  system.installer = lib.optionalAttrs (options ? system.installer.channel) {
    channel.enable = lib.mkDefault false;
  };

  system.build.workspaceImage = {
    metadata = config.system.build.metadata.override (zstd // { fileName = "metadata"; });
    rootfs = config.system.build.tarball.override (zstd // { fileName = "rootfs"; });
  };
}
