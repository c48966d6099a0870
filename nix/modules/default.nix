# All modules of Bulkhead.
{
  imports = [
    ./fleet
    ./sandbox
    ./secrets
    ./workspaces
  ];
}
