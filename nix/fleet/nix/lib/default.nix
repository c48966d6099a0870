# This fleet's own functions. `bulkhead gen-docs` lists them in CLAUDE.md, from the comments above them (RFC 145).
{
  /**
    An nginx virtual host that passes everything on to a service on the same machine, over HTTPS alone.

    # Inputs

    `port`

    : The port on which the service listens.

    # Type

    ```
    proxyTo :: Int -> AttrSet
    ```

    # Example

    ```nix
    services.nginx.virtualHosts."cloud.example.net" = proxyTo 8080;
    ```
  */
  proxyTo = port: {
    forceSSL = true;
    enableACME = true;
    locations."/" = {
      proxyPass = "http://127.0.0.1:${toString port}";
      proxyWebsockets = true;
    };
  };

  /**
    Where a machine keeps its backups on the storage server.

    # Inputs

    `machine`

    : The name of the machine.

    # Type

    ```
    backupRepository :: String -> String
    ```

    # Example

    ```nix
    backupRepository "howl"
    => "sftp:backup@s0.home.arpa:/srv/backup/howl"
    ```
  */
  backupRepository = machine: "sftp:backup@s0.home.arpa:/srv/backup/${machine}";
}
