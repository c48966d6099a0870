# The programs of this repository, built by nixpkgs: every crate that has a `main.rs`.
{ pkgs }:
let
  inherit (pkgs) lib;

  root = ./..;
  manifest = builtins.fromTOML (builtins.readFile (root + "/Cargo.toml"));
  isProgram = name: builtins.pathExists (root + "/crates/${name}/src/main.rs");
  names = builtins.filter isProgram (builtins.attrNames (builtins.readDir (root + "/crates")));

  # What cargo reads, and nothing else: a change to a module or to the documentation builds nothing anew. All members of the
  # workspace are in it, or cargo would not read the workspace.
  members = map (member: root + "/${lib.removeSuffix "/*" member}") manifest.workspace.members;
  source = lib.fileset.toSource {
    inherit root;
    fileset = lib.fileset.unions (
      [
        (root + "/Cargo.toml")
        (root + "/Cargo.lock")
        (root + "/.cargo")
      ]
      ++ members
    );
  };

  program =
    name:
    let
      crate = builtins.fromTOML (builtins.readFile (root + "/crates/${name}/Cargo.toml"));
    in
    pkgs.rustPlatform.buildRustPackage {
      pname = name;
      inherit (manifest.workspace.package) version;
      src = source;
      cargoLock.lockFile = root + "/Cargo.lock";
      cargoBuildFlags = [
        "--package"
        name
      ];
      # The tests want the whole repository, git, Nix and namespaces: `cargo xtask test` runs them.
      doCheck = false;
      meta = {
        inherit (crate.package) description;
        homepage = manifest.workspace.package.repository;
        license = with lib.licenses; [
          mit
          asl20
        ];
        mainProgram = name;
        platforms = lib.platforms.linux;
      };
    };
in
lib.genAttrs names program
