# A machine is a folder with a properties.nix, at any depth below machines/. Its name is the folder's: this one is
# `howl`, and `laptops` is there for people only.
{
  # Where it is reached over SSH, the main name first.
  hostNames = [
    "howl.home.arpa"
    "howl"
  ];

  arch = "x86_64-linux";

  # A role exists because machines have it: write a new one here and it is there. Secrets are granted by role.
  systemRoles = [
    "backup"
    "deploy"
    "personal"
  ];

  # Keys may lie beside this file, as `ssh-keygen` wrote them. Read the file …
  hostKey = builtins.readFile ./ssh_host_ed25519_key.pub;

  # The keys of the people who sit here. They read every secret, so only machines with the role `personal` may have
  # one.
  userKeys = [ (builtins.readFile ./howl.pub) ];

  # … or name its path. A deploy key logs in as root on the other machines (see modules/base.nix), but reads no
  # secret. Only machines with the role `deploy` may have one.
  deployKeys = [ ./deploy.pub ];
}
