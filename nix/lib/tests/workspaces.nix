# The tests of what is made from the names of workspaces. A function from nix/lib to tests, as in tests.nix.
lib:
let
  inherit (builtins) concatMap;

  workspace =
    name: more:
    {
      inherit name;
      cid = null;
      ip = "10.20.0.10";
      ip6 = null;
    }
    // more;
  types = [
    "vm"
    "container"
    "incus"
  ];
  tooLong = builtins.concatStringsSep "" (builtins.genList (_: "a") 64);
  nameFaults = name: builtins.length (lib.workspaceFaults [ (workspace name { }) ]);
  own = [
    {
      hostPath = "/state/home";
      mountPoint = "/home/dev";
    }
    {
      hostPath = "/state/ssh";
      mountPoint = "/var/lib/workspace/ssh";
    }
  ];
  mountFaults =
    hostPath: mountPoint:
    lib.workspaceMountFaults {
      name = "dev";
      inherit own;
      extra = [ { inherit hostPath mountPoint; } ];
      guarded = [
        {
          path = "/state";
          holds = "the keys";
        }
      ];
    };
  count = builtins.length;
  cidFaults = cid: builtins.length (lib.workspaceFaults [ (workspace "a" { inherit cid; }) ]);
in
{
  "the interface and the unit of a workspace are of its kind" = {
    got = {
      interfaces = map (type: lib.workspaceInterface type "dev") types;
      units = map (type: lib.workspaceUnit type "dev") types;
    };
    want = {
      interfaces = [
        "vm-dev"
        "vb-dev"
        "vi-dev"
      ];
      units = [
        "microvm@dev.service"
        "container@dev.service"
        "incus-workspace@dev.service"
      ];
    };
  };
  "a CID is made from the name alone, and never a reserved one" = {
    got = {
      # The first 32 bits of the SHA-256 are ef260e9a; one place is given to each of 3 to 4294967294.
      dev = lib.mkCid "dev";
      good = builtins.all (
        index:
        let
          cid = lib.mkCid "workspace-${toString index}";
        in
        cid > 2 && cid < 4294967295
      ) (builtins.genList (index: index) 200);
    };
    want = {
      dev = 4012248733;
      good = true;
    };
  };
  "names fit hosts, interfaces and instances" = {
    got = map nameFaults [
      "dev"
      "a-1"
      "a"
      "1a"
      "-a"
      "a-"
      "Dev"
      "a_b"
      "a.b"
      ""
      tooLong
      "localhost"
    ];
    want = [
      0
      0
      0
      1
      1
      1
      1
      1
      1
      1
      1
      1
    ];
  };
  "reserved CIDs are refused, and what is none" = {
    got = map cidFaults [
      (-1)
      0
      1
      2
      3
      4294967294
      4294967295
      4294967296
      null
    ];
    want = [
      1
      1
      1
      1
      0
      0
      1
      1
      0
    ];
  };
  "three with one CID are one fault" = {
    got = lib.workspaceFaults (
      map (name: workspace name { cid = 7; }) [
        "a"
        "b"
        "c"
      ]
    );
    want = [
      "`workspaces.a.cid` and `workspaces.b.cid` and `workspaces.c.cid` are all 7: set all but one of them to other numbers"
    ];
  };
  "hosts have the names of both addresses" = {
    got = lib.workspaceHosts [
      (workspace "a" { ip6 = "fd20::10"; })
      (workspace "b" { ip = "10.20.0.11"; })
    ];
    want = {
      "10.20.0.10" = [ "a" ];
      "10.20.0.11" = [ "b" ];
      "fd20::10" = [ "a" ];
    };
  };
  "folders of the host that hold its keys, its secrets or its sockets are refused" = {
    got = map (path: count (mountFaults path "/data")) [
      "/srv/src"
      "/home"
      "/stateless"
      "/run/user/1000"
      "/nix"
      "/nix/var/nix/daemon-socket"
      "/var"
      "/var/lib"
      "/var/lib/incus"
      "/run"
      "/run/agenix.d/3"
      "/var/run/docker.sock"
      "/proc/1/root"
      "/state"
      "/state/other/private/ssh"
    ];
    want = [
      0
      0
      0
      1
      1
      1
      1
      1
      1
      1
      1
      1
      1
      1
      1
    ];
  };
  "it is said what such a folder holds, and how" = {
    got = concatMap (path: mountFaults path "/data") [
      "/state"
      "/state/a"
      "/nix"
    ];
    want = [
      "`workspaces.dev.extraMounts`: /state holds the keys; share a folder that has only what the workspace needs"
      "`workspaces.dev.extraMounts`: /state/a lies in /state, which holds the keys; share a folder that has only what the workspace needs"
      "`workspaces.dev.extraMounts`: /nix has /nix/var in it, which holds the socket of the host's Nix daemon; share a folder that has only what the workspace needs"
    ];
  };
  "a folder takes no place that the workspace needs" = {
    got = map (place: count (mountFaults "/srv/src" place)) [
      "/home/dev/src"
      "/data"
      "/etc/mine"
      "/home/dev2"
      "/home/dev"
      "/home"
      "/var/lib/workspace"
      "/var"
      "/nix/store"
      "/run/mine"
    ];
    want = [
      0
      0
      0
      0
      1
      1
      1
      1
      1
      1
    ];
  };
  "three folders in one place are one fault" = {
    got = lib.workspaceMountFaults {
      name = "dev";
      own = [ ];
      extra =
        map
          (hostPath: {
            inherit hostPath;
            mountPoint = "/data";
          })
          [
            "/a"
            "/b"
            "/c"
          ];
      guarded = [ ];
    };
    want = [ "`workspaces.dev.extraMounts`: /a and /b and /c would all be at /data" ];
  };
}
