# A server with what servers have: SSH, a web server with certificates, a database, backups, a firewall.
{ config, lib, ... }:
{
  nixpkgs.hostPlatform = "x86_64-linux";
  system.stateVersion = "24.05";
  networking.hostName = "web";
  networking.domain = "example.net";
  boot.loader.grub.device = "/dev/vda";
  fileSystems."/" = {
    device = "/dev/disk/by-label/root";
    fsType = "ext4";
  };

  services.openssh = {
    enable = true;
    ports = [
      22
      2222
    ];
    settings.PasswordAuthentication = false;
  };
  users.users.admin = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
    openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEh0LnUdQLgVb+TmnH0Yy1qduIhjDJA56AszGo+ebydI" ];
  };

  security.acme.acceptTerms = true;
  security.acme.defaults.email = "admin@${config.networking.domain}";
  services.nginx = {
    enable = true;
    recommendedProxySettings = true;
    virtualHosts."www.${config.networking.domain}" = {
      enableACME = true;
      forceSSL = true;
      locations."/".proxyPass = "http://127.0.0.1:8080";
    };
  };
  networking.firewall.allowedTCPPorts = lib.mkIf config.services.nginx.enable [
    80
    443
  ];
  services.postgresql.enable = true;
  services.restic.backups.state = {
    repository = "sftp:backup@s0:/srv/backup";
    passwordFile = "/run/agenix/restic";
    paths = [ "/var/lib" ];
  };
  networking.wireguard.interfaces.wg0 = {
    ips = [ "10.80.0.2/24" ];
    listenPort = 51820;
    privateKeyFile = "/run/agenix/wireguard";
  };
  systemd.services.hello = {
    wantedBy = [ "multi-user.target" ];
    after = [ "network.target" ];
    serviceConfig.ExecStart = "/bin/echo ${config.networking.fqdn}";
  };
}
