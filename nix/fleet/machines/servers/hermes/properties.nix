# A small board in the cupboard that watches the others.
{
  hostNames = [ "hermes.home.arpa" ];
  arch = "aarch64-linux";
  systemRoles = [
    "monitoring"
    "server"
  ];
  hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFVVvKbXcXZK4YA1bpQ2swmOTsfAV6eBsh+4N8/p12XX root@hermes";

  # Anything else that your own modules want to know about a machine. Bulkhead only passes it on.
  meta = {
    location = "cupboard";
    powerSupply = "5 V";
  };
}
