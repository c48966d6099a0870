# The least that a laptop of an administrator says. machines/laptops/howl shows more.
{
  hostNames = [ "fry.home.arpa" ];
  arch = "aarch64-linux";
  systemRoles = [ "personal" ];

  # The content of /etc/ssh/ssh_host_ed25519_key.pub on the machine.
  hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsm3UYiDp8ceatKtANk7ia0AtMWUb3QQIxHLLa8SmA9 root@fry";

  # The content of ~/.ssh/id_ed25519.pub of the person who sits there. It can read every secret.
  userKeys = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEh0LnUdQLgVb+TmnH0Yy1qduIhjDJA56AszGo+ebydI fry@fry"
  ];
}
