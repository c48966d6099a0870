# weak-ssh-key: RSA with 1024 bits.
{
  hostNames = [ "short.example.org" ];
  arch = "x86_64-linux";
  systemRoles = [ "server" ];
  hostKey = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCwafFiWsBmi6x8UpHq6kVkAiYWHsHZRa0MJ9JRT5qudeV/52bYglYG74eXM0JKbCtQv+QaTE4loyQRTlV7kCJT3N2h96vrjWbl2kS6lG+abnNQZrpEMTCiaVXCedPjqvXC/lxaQLPI3ZWcp3dWbsUHwGJcHvNHU5ANhgw9GqxPKQ==";
}
