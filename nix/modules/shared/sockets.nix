# The sockets that a container may open, for `serviceConfig` of its unit: those that its network namespace holds. Others know
# no such namespace, and no rule of a firewall sees them: with vsock(7) a container would reach the host, the hypervisor
# and virtual machines, and with QRTR other containers.
{ lib }:
{
  RestrictAddressFamilies = [
    "AF_UNIX"
    "AF_INET"
    "AF_INET6"
    "AF_NETLINK"
    "AF_PACKET"
  ];
  # Programs for x86 with 32 bits also make sockets by socketcall(2), whose arguments no filter sees.
  SystemCallArchitectures = lib.mkDefault "native";
}
