# Bulkhead's library: what a fleet says about itself, as pure functions over `builtins` alone. No nixpkgs is needed, so
# any evaluator can call them: `nix-instantiate --eval -E '(import ./nix/lib).mkMac "dev"'`.
#
# `bulkhead` computes the same facts in Rust from the same files. Where one changes, the other has to follow.
{
  inherit (import ./paths.nix)
    isIgnored
    listFolder
    normalisePath
    relativePath
    ;
  inherit (import ./addresses.nix)
    formatAddress
    hexOfAddress
    isHostAddress
    isInNetwork
    linkLocalAddress
    networkOf
    networksOverlap
    parseAddress
    parseNetwork
    ;
  inherit (import ./config.nix) readConfig;
  inherit (import ./keys.nix) keyIdentity keyLines uniqueKeys;
  inherit (import ./machines.nix)
    findMachines
    loadMachine
    loadMachines
    machinesByName
    ;
  inherit (import ./roles.nix) machinesWithRole rolesOf;
  inherit (import ./secrets.nix)
    adminKeys
    findSecrets
    secretReaders
    secretRecipients
    ;
  inherit (import ./unlock.nix) unlockFaults unlockUndecided;
  inherit (import ./fleet.nix) loadFleet;
  inherit (import ./mac.nix) isPrivateMac mkMac;
  inherit (import ./nftables.nix) nftChain nftSet replaceTables;
  inherit (import ./ports.nix)
    bridgeFeatures
    groupForwardMask
    nowhereElse
    onlyThroughPorts
    portSeal
    portTables
    ;
  inherit (import ./reserved.nix) reservedIPv4 reservedIPv6;
  inherit (import ./sandbox.nix) sandboxRuleset sandboxTables;
  inherit (import ./sandbox-faults.nix)
    interfaceFaults
    interfaceSysctl
    networkFaults
    sandboxFaults
    ;
  inherit (import ./guard-scripts.nix) guardLoadScript guardVerifyScript setBridge;
  inherit (import ./resolver.nix) resolverConfig;
  inherit (import ./workspaces.nix)
    mkCid
    workspaceFaults
    workspaceHosts
    workspaceInterface
    workspaceUnit
    ;
  inherit (import ./incus-spec.nix) incusSpec;
  inherit (import ./workspace-mounts.nix)
    guardedPlaces
    isTakenPlace
    pathsOverlap
    stateFolderFaults
    workspaceMountFaults
    ;
  inherit (import ./workspace-state.nix) workspaceStateScript;
  inherit (import ./workspace-vsock.nix) vsockProxyScript;
  inherit (import ./vpn.nix)
    vpnContainer
    vpnInsideRuleset
    vpnInsideTables
    vpnPort
    vpnRuleset
    vpnTables
    ;
  inherit (import ./vpn-faults.nix) vpnFaults;
  inherit (import ./vpn-scripts.nix)
    vpnBridgeScript
    vpnInterfaceScript
    vpnPlugScript
    vpnProxyConfig
    vpnProxyFilter
    ;
  inherit (import ./mkfleet.nix) mkFleet;
}
