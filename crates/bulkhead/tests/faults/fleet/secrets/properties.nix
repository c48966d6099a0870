# Who may read which secret.
{
  pia-login.roles = [ "pia" ];
  # secret-unreadable-by-machine: keyless can't decrypt it.
  wifi.machines = [ "keyless" ];
  # unknown-role, unknown-machine
  mail.roles = [ "pai" ];
  backup.machines = [ "kiff" ];
}
