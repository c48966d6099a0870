{ greeting, ... }:
{
  users.motd = greeting;
}
