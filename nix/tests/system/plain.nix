# The way of evaluating itself: a system without any module of ours is a good one, and what is wrong is told.
{ machine, lib, ... }:
let
  plain = machine [ { networking.hostName = "s0"; } ];
  wrong = machine [
    {
      assertions = [
        {
          assertion = false;
          message = "it is wrong";
        }
      ];
      warnings = [ "it is strange" ];
    }
  ];
  server = machine [
    {
      services.openssh.enable = true;
      networking.nftables.enable = true;
      networking.useNetworkd = true;
      services.resolved.enable = true;
      boot.initrd.systemd.enable = true;
    }
  ];
in
{
  "a plain system has its values, and nothing is wrong with it" = {
    expr = {
      inherit (plain.config.networking) hostName;
      inherit (plain) failed warnings;
    };
    expected = {
      hostName = "s0";
      failed = [ ];
      warnings = [ ];
    };
  };
  "assertions and warnings are told" = {
    expr = { inherit (wrong) failed warnings; };
    expected = {
      failed = [ "it is wrong" ];
      warnings = [ "it is strange" ];
    };
  };
  "the texts of units and rule sets can be read" = {
    expr = {
      inherit (server) failed warnings;
      unit = lib.hasInfix "ExecStart=" server.config.systemd.units."sshd.service".text;
      rules = lib.hasInfix "chain input" server.config.networking.nftables.tables.nixos-fw.content;
    };
    expected = {
      failed = [ ];
      warnings = [ ];
      unit = true;
      rules = true;
    };
  };
}
