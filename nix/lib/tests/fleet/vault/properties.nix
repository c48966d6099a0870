{
  shared.roles = [ "web" ];
  both = {
    roles = [
      "mail"
      "web"
    ];
    machines = [
      "zap"
      "nobody"
    ];
    armor = true;
  };
  all.everyone = true;
  machines-only = {
    machines = [ "amy" ];
    admins = false;
  };
  nobody = {
    roles = [ "no-such-role" ];
    admins = false;
  };
  "mail/relay".description = "Not written yet";
}
