# What modules read from `config` is known after as many passes as there are steps from the one to the other.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.service;
  int =
    default:
    mkOption {
      type = types.int;
      inherit default;
    };
in
{
  options = {
    service = {
      enable = lib.mkEnableOption "the service";
      host = mkOption { type = types.str; };
      url = mkOption {
        type = types.str;
        default = "https://${cfg.host}:${toString cfg.port}";
      };
      port = int 443;
    };
    ports = mkOption {
      type = types.listOf types.port;
      default = [ ];
    };
    a = int 1;
    b = int (config.a + 1);
    c = int (config.b + 1);
    d = int (config.c + 1);
    banner = mkOption {
      type = types.lines;
      default = "";
    };
  };
  config = lib.mkMerge [
    { service.enable = true; }
    (lib.mkIf cfg.enable {
      service.host = "example.org";
      ports = [ cfg.port ];
      banner = "serves ${cfg.url}";
    })
    (lib.mkIf (config.d == 4) {
      ports = lib.mkBefore [ 22 ];
      banner = lib.mkAfter "and counts to ${toString config.d}";
    })
    (lib.mkIf (!cfg.enable) { service.host = "nowhere"; })
  ];
}
