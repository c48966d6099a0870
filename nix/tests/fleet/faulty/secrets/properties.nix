{
  wifi.roles = [ "server" ];
}
