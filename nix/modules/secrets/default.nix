# The secrets of this machine, declared for agenix by what the fleet grants it: those of its roles, those that name it or
# everyone, and those in its own folder. agenix's own module is for the user to import.
{
  imports = [ ./age.nix ];
}
