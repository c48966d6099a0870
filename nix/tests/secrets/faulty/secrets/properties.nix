# One of them is not there, and the other is also in the machine's folder.
{
  wifi.roles = [ "server" ];
  token.roles = [ "server" ];
}
