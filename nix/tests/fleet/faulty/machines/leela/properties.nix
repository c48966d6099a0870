{
  hostNames = [ "leela.example.net" ];
  arch = "x86_64-linux";
  systemRoles = [ "personal" ];
  hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFVVvKbXcXZK4YA1bpQ2swmOTsfAV6eBsh+4N8/p12XX root@leela";
  userKeys = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKKmuuEvOlJQiuCyVbI/86o88tqiWaTSYQMK3Gs1Rmk6 leela"
  ];
}
