# The example of README.md, with files and a package that are there. `vpn/readme.nix` compares the two.
{ config, pkgs, ... }:
{
  vpn = {
    enable = true;
    serverLocation = [
      "swiss"
      "de-frankfurt"
    ];
    credentialsFile = config.age.secrets.pia-login.path;
    pia = {
      caFile = ./vpn.nix;
      listKeyFile = ./vpn.nix;
    };
    containers.web = {
      ip = "10.73.0.11";
      config.services.nginx.enable = true;
    };
    containers.torrent = {
      ip = "10.73.0.10";
      config = { };
      receiveForwardedPort = { };
    };
    onPortForwarded = ''${pkgs.hello}/bin/transmission-remote "$TARGET_IP" --port "$PORT"'';
  };
}
