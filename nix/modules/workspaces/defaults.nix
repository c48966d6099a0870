# What holds for every workspace that doesn't say otherwise.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (import ../shared/types.nix { inherit lib; }) plainPath publicKeyLine timeZone;
in
{
  options.workspaceDefaults = {
    stateFolder = mkOption {
      type = plainPath;
      default = "/var/lib/workspaces";
      example = "/srv/workspaces";
      description = ''
        The folder on the host with what workspaces keep: `<name>/private/home`, and beside it what everybody may read,
        `<name>/ssh_host_ed25519_key.pub` and `<name>/known_hosts`. Only root gets into `private`: root of a workspace can
        make files of any owner in its home, programs that run as their owner (setuid) among them.
      '';
    };

    user = mkOption {
      type = types.strMatching "[a-z_][a-z0-9_-]{0,30}";
      default = "dev";
      example = "leela";
      description = "The name of the user in workspaces.";
    };

    uid = mkOption {
      type = types.ints.between 1000 29999;
      default = 1000;
      example = 1001;
      description = "The user's number, who owns the home on the host too.";
    };

    authorizedKeys = mkOption {
      type = types.listOf publicKeyLine;
      # What people have for secrets alone is no login.
      default =
        if options ? machines then
          lib.filter (key: !lib.hasPrefix "age1" key) config.machines.ssh.userKeys
        else
          [ ];
      defaultText = lib.literalMD "`config.machines.ssh.userKeys` with the module `fleet`, else none";
      example = [ "ssh-ed25519 AAAA…" ];
      description = "The keys with which the user logs in to workspaces.";
    };

    timeZone = mkOption {
      type = types.nullOr timeZone;
      default = config.time.timeZone;
      defaultText = lib.literalExpression "config.time.timeZone";
      example = "Europe/Berlin";
      description = "The time zone of workspaces.";
    };

    packages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      example = lib.literalExpression "[ pkgs.git pkgs.ripgrep ]";
      description = "Packages in every workspace.";
    };

    shell = mkOption {
      type = types.package;
      default = pkgs.bashInteractive;
      defaultText = lib.literalExpression "pkgs.bashInteractive";
      example = lib.literalExpression "pkgs.zsh";
      description = "The user's shell in workspaces. Bash, zsh, fish and xonsh are set up for it.";
    };

    notes = mkOption {
      type = types.lines;
      default = "";
      example = "Run `just check` before you commit.";
      description = ''
        More to say in the CLAUDE.md of workspaces. It is in `/etc/workspace/CLAUDE.md` of the workspace, together with what
        a program has to know that works there; `~/CLAUDE.md` names that file when it is made, and is the user's then.
      '';
    };

    privileged = mkOption {
      type = types.strMatching "|[A-Za-z0-9_./-]+( [A-Za-z0-9_./=-]+)*" // {
        description = "a command and its arguments, or nothing";
      };
      default =
        if config.security.sudo.enable || (config.security.sudo-rs.enable or false) then
          "sudo"
        else if config.security.doas.enable then
          "doas"
        else
          "";
      defaultText = lib.literalMD "`sudo` or `doas`, whichever this host has";
      example = "doas";
      description = "The command before those commands of the aliases that only root may run.";
    };
  };
}
