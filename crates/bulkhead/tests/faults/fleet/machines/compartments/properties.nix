# A machine that is as it should be; what is wrong is in its modules.
{
  hostNames = [ "compartments.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK2unm+j0U/1DEmSSnQwfrs0FPQMtnClcW1ZEMzErJ0+";
}
