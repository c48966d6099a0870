# `lib.mkFleet`: a fleet as a flake's `nixosConfigurations`.
{
  bulkhead,
  lib,
  nixpkgs,
  plain,
  throws,
  ...
}:
let
  # A nixpkgs that says which it is.
  nixpkgsCalled = name: {
    lib.nixosSystem =
      arguments:
      import (nixpkgs + "/nixos/lib/eval-config.nix") (
        {
          inherit lib;
          system = null;
        }
        // arguments
        // {
          modules = [
            plain
            { system.nixos.tags = [ name ]; }
          ]
          ++ arguments.modules;
        }
      );
  };
  fleet =
    arguments:
    bulkhead.mkFleet (
      {
        root = ./fleet;
        nixpkgs = nixpkgsCalled "unstable";
      }
      // arguments
    );
  common = {
    modules = [ { time.timeZone = "UTC"; } ];
    specialArgs.greeting = "hello";
    machines.zap = {
      nixpkgs = nixpkgsCalled "stable";
      modules = [ { networking.domain = "example.net"; } ];
      specialArgs.greeting = "good day";
    };
  };
  shown = name: arguments: {
    inherit ((fleet arguments).${name}.config.networking) hostName domain;
    inherit ((fleet arguments).${name}.config.time) timeZone;
    inherit ((fleet arguments).${name}.config.system.nixos) tags;
    motd = (fleet arguments).${name}.config.users.motd;
    platform = (fleet arguments).${name}.config.nixpkgs.hostPlatform.system;
  };
in
{
  "machines are found by their properties.nix, at any depth" = {
    expr = lib.attrNames (fleet { });
    expected = [
      "amy"
      "broken"
      "zap"
    ];
  };
  "every machine has the modules, the arguments, its name and its architecture" = {
    expr = shown "amy" common;
    expected = {
      hostName = "amy";
      domain = null;
      timeZone = "UTC";
      tags = [ "unstable" ];
      motd = "hello";
      platform = "x86_64-linux";
    };
  };
  "one machine may have more, and another nixpkgs" = {
    expr = shown "zap" common;
    expected = {
      hostName = "zap-of-the-rack";
      domain = "example.net";
      timeZone = "UTC";
      tags = [ "stable" ];
      motd = "good day";
      platform = "aarch64-linux";
    };
  };
  "a machine whose host name is another one is still itself" = {
    expr = {
      inherit ((fleet common).zap.config.thisMachine) name;
      inherit ((fleet common).zap.config.thisMachine.config) hostNames;
      inherit ((fleet common).zap.config.thisMachine) hasRole;
    };
    expected = {
      name = "zap";
      hostNames = [ "zap.example.net" ];
      hasRole = {
        mail = false;
        web = true;
      };
    };
  };
  "a flake's self will do for its folder" = {
    expr = lib.attrNames (fleet {
      root = {
        outPath = toString ./fleet;
        inputs = { };
      };
    });
    expected = [
      "amy"
      "broken"
      "zap"
    ];
  };
  "a machine without a configuration leaves the others" = {
    expr = throws (fleet common).broken.config.networking.hostName;
    expected = true;
  };
  "what is said about a machine that is not there is refused, and what is misspelt" = {
    expr = [
      (throws (fleet {
        machines.bender = { };
      }))
      (throws (fleet { machines.amy.module = [ ]; }).amy.config.networking.hostName)
      (throws (fleet { machines.amy = { }; }).amy.config.networking.hostName)
    ];
    expected = [
      true
      true
      false
    ];
  };
}
