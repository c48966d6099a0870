# The disks at home.
{
  hostNames = [
    "s0.home.arpa"
    "nas.home.arpa"
  ];
  arch = "x86_64-linux";
  systemRoles = [
    "pia"
    "server"
    "storage"
  ];

  # By its path, without readFile. It is an RSA key of 4096 bits, from before there was a better type: age encrypts to
  # Ed25519 and RSA keys, and to no other SSH keys.
  hostKey = ./ssh_host_rsa_key.pub;

  meta.disks = 6;
}
