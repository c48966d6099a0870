# All modules of Bulkhead.
{
  imports = [
    ./fleet
    ./sandbox
    ./secrets
    ./vpn
    ./workspaces
  ];
}
