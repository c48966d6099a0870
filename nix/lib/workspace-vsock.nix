# Reaching a virtual machine without a network.
{
  /**
    The script (for bash) that connects its input and output to a port of a guest of cloud-hypervisor, as `ssh` wants it of
    a `ProxyCommand`. Its argument is the socket that cloud-hypervisor makes for the guest's vsock. There the port is asked
    for with a line of text, and granted with another one (docs/vsock.md of cloud-hypervisor, from Firecracker).

    # Inputs

    `port`

    : The port in the guest.

    `socat`, `cat`

    : The programs of these names.

    # Type

    ```
    vsockProxyScript :: { port :: Int, socat :: String, cat :: String } -> String
    ```

    # Example

    ```nix
    vsockProxyScript { port = 22; socat = "socat"; cat = "cat"; }
    => "set -o pipefail\n…"
    ```
  */
  vsockProxyScript =
    {
      port,
      socat,
      cat,
    }:
    ''
      set -o pipefail
      { printf 'CONNECT ${toString port}\n'; exec ${cat}; } |
        ${socat} -t 5 - "UNIX-CONNECT:$1" |
        {
          IFS= read -r answer
          case "$answer" in
            "OK "*) exec ${cat} ;;
          esac
          echo "The virtual machine does not answer on port ${toString port} of its vsock, $1." >&2
          exit 1
        }
    '';
}
