{
  hostNames = [ "amy" ];
  arch = "x86_64-linux";
  systemRoles = [
    "mail"
    "mail"
  ];
  hostKey = builtins.readFile ./host.pub;
  userKeys = [ ./users.pub ];
}
