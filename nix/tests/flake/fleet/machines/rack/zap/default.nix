{ greeting, ... }:
{
  users.motd = greeting;
  networking.hostName = "zap-of-the-rack";
}
