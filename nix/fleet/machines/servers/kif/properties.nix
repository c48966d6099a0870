# A rented server with an encrypted disk, which is unlocked from afar after a restart.
{
  hostNames = [
    "kif.example.net"
    "www.example.net"
  ];
  arch = "x86_64-linux";
  systemRoles = [
    "backup"
    "server"
    "web"
  ];
  hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGvyacdsYrBTKite4rJeMb6dWF+ROiiDEkpDRTllOoJm root@kif";

  # The SSH server of the boot environment asks for the disk's passphrase before anything is decrypted. Its own host key
  # therefore lies in the clear in /boot, where whoever holds the disk can read it. So it must be used for nothing else,
  # and be reached under names of its own: `ssh` would otherwise take one of the two servers for the other.
  #
  #   ssh-keygen -t ed25519 -N "" -f initrd_host_key
  remoteUnlock = {
    hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOSvUpmxcrayGSLDEFMNKv/6DVjETruQHqjrWtyJVVKo initrd@kif";

    # One of the two is enough. The onion service also works behind a router that lets nobody in.
    clearnetHost = "unlock.kif.example.net";
    onionHost = "2dfhbnofd7jarkoit5e62dxjwutuc2rnz4a5fjgeskj4kexxj5yg4aqd.onion";
  };

  # A fixed address, if the machine has one.
  publicIP = "203.0.113.7";
}
