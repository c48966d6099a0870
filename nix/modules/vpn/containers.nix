# The service containers.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  inherit (import ../../lib) mkMac;

  # No character that systemd, a shell or the flags of systemd-nspawn would read in another way.
  plainPath =
    let
      part = "/(\\.?[A-Za-z0-9_+@=-][A-Za-z0-9._+@=-]*)";
    in
    types.strMatching "(${part})+"
    // {
      description = "an absolute path of letters, digits and `._+@=-`, without `.` and `..`";
    };

  mount =
    { name, ... }:
    {
      options = {
        mountPoint = mkOption {
          type = plainPath;
          default = name;
          defaultText = lib.literalMD "the name of the mount";
          example = "/var/lib/torrents";
          description = "Where it is in the container.";
        };
        hostPath = mkOption {
          type = plainPath;
          example = "/srv/torrents";
          description = "The folder or file on the host. It has to be there when the container starts.";
        };
        readOnly = mkOption {
          type = types.bool;
          default = true;
          example = false;
          description = ''
            Whether the container can't write to it. If it can, root of the container can make files of any owner there:
            don't share what others on the host run programs from.
          '';
        };
      };
    };

  receiver = types.submodule {
    options = {
      port = mkOption {
        type = types.nullOr (types.ints.between 1 65535);
        default = null;
        example = 51413;
        description = ''
          The port that the service listens on. Null for the forwarded port itself, which the service has to be told by
          {option}`vpn.onPortForwarded`.
        '';
      };
      protocol = mkOption {
        type = types.enum [
          "tcp"
          "udp"
          "both"
        ];
        default = "both";
        example = "tcp";
        description = "What is forwarded.";
      };
    };
  };

  container =
    { name, ... }:
    {
      options = {
        ip = mkOption {
          type = types.str;
          example = "10.73.0.10";
          description = "The address of the container, in {option}`vpn.subnet`. The host reaches the service at it.";
        };

        config = mkOption {
          type = types.deferredModule;
          default = { };
          example = lib.literalExpression "{ pkgs, ... }: { services.transmission.enable = true; }";
          description = "The NixOS configuration of the container, besides its network.";
        };

        mounts = mkOption {
          type = types.attrsOf (types.submodule mount);
          default = { };
          example = lib.literalExpression ''{ "/var/lib/torrents" = { hostPath = "/srv/torrents"; readOnly = false; }; }'';
          description = ''
            Folders and files of the host in the container, by where they are there. Owners are those of the host, which
            takes a file system with idmapped mounts; for secrets, use `credentials`.
          '';
        };

        credentials = mkOption {
          type = types.attrsOf plainPath;
          default = { };
          example = lib.literalExpression "{ web-login = config.age.secrets.web-login.path; }";
          description = ''
            Secrets for the container: files of the host by a name, under which a service of the container finds a copy with
            `LoadCredential=` (systemd.exec(5)).
          '';
        };

        receiveForwardedPort = mkOption {
          type = types.nullOr receiver;
          default = null;
          example = {
            protocol = "tcp";
          };
          description = "Have the provider forward a port to this container. At most one container can have it.";
        };

        mac = mkOption {
          type = types.str;
          default = mkMac "${name} of ${config.vpn.bridgeName}";
          defaultText = lib.literalMD "made from the name of the container and of the bridge";
          example = "02:00:00:00:00:0a";
          description = "The MAC address of the container.";
        };

        autoStart = mkOption {
          type = types.bool;
          default = true;
          example = false;
          description = "Whether the container starts with the host.";
        };

        restartIfChanged = mkOption {
          type = types.bool;
          default = true;
          example = false;
          description = "Whether a running container is restarted when a new configuration of the host changes it.";
        };
      };
    };
in
{
  options.vpn.containers = mkOption {
    type = types.attrsOf (types.submodule container);
    default = { };
    example = lib.literalExpression ''{ torrent = { ip = "10.73.0.10"; config.services.transmission.enable = true; }; }'';
    description = ''
      Service containers: systemd-nspawn with a user namespace, the VPN container as their gateway and DNS server, and no
      other way out. They start when the VPN is connected, and go on, cut off, while it is not.
    '';
  };
}
