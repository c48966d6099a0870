# What keeps rule sets loaded: shell scripts for services. They want nft, ip, unshare, diff and the core utilities in
# their path, and root's rights.
let
  inherit (builtins) attrNames concatStringsSep;
  inherit (import ./ports.nix) bridgeFeatures;

  tell = level: text: "echo \"<${toString level}>${text}\" >&2"; # sd-daemon(3)
  error = 3;
  warning = 4;
  notice = 5;

  # What a bridge must be for its tables to hold. A bridge that is not there will be made so. If it can't be, `fault` tells.
  setFeatures = bridge: ''
    fault=
    set_features() {
      fault="the features of ${bridge} can not be read"
      links=$(ip -oneline link show) || return 1
      case "$links" in *": ${bridge}"[:@]*) ;; *) return 0 ;; esac
      details=$(ip -details link show dev ${bridge}) || return 1
      for feature in ${
        concatStringsSep " " (
          map (name: "\"${name} ${toString bridgeFeatures.${name}}\"") (attrNames bridgeFeatures)
        )
      }; do
        set -- $feature
        value=-1
        case "$details" in *" $1 "*)
          value=''${details##* "$1" }
          value=''${value%% *}
        esac
        [ "$((value))" -ne "$2" ] || continue
        ${tell warning "$1 of ${bridge} is not what it should be; it is set again"}
        fault="$1 of ${bridge} can not be set to $2"
        ip link set dev ${bridge} type bridge "$1" "$2" || return 1
      done
    }
  '';
in
rec {
  /**
    The commands that cut a bridge off, or connect it again: the bridge itself and all its ports, for a port reaches the
    host's own network stack where there is no bridge in between. Interfaces that are not there are passed over.

    # Inputs

    `state`

    : `"up"` or `"down"`.

    `bridge`, `ports`

    : The interface of the bridge, and those of its ports.

    # Type

    ```
    setBridge :: String -> { bridge :: String, ports :: [String] } -> String
    ```

    # Example

    ```nix
    setBridge "down" { bridge = "sandbox0"; ports = [ "vb-dev" ]; }
    => "for interface in sandbox0 vb-dev; do ip link set dev \"$interface\" down || true; done"
    ```
  */
  setBridge =
    state:
    { bridge, ports, ... }:
    ''for interface in ${
      concatStringsSep " " ([ bridge ] ++ ports)
    }; do ip link set dev "$interface" ${state} || true; done'';

  /**
    A script that loads a guard's tables, and gives a bridge that is there already the features that they depend on. If
    that fails, the tables stay as they were, and the bridge is cut off, since they may not be there at all.

    # Inputs

    `rules`

    : The path of a file with the tables, as `replaceTables` writes it.

    `bridge`, `ports`

    : The interfaces that carry no frames without their guard.

    # Type

    ```
    guardLoadScript :: { rules :: String, bridge :: String, ports :: [String] } -> String
    ```

    # Example

    ```nix
    guardLoadScript { rules = "/etc/guard.nft"; bridge = "sandbox0"; ports = [ "vb-dev" ]; }
    => "…\nif ! nft -f /etc/guard.nft; then\n…"
    ```
  */
  guardLoadScript =
    { rules, bridge, ... }@guard:
    setFeatures bridge
    + ''
      if ! nft -f ${rules}; then
        fault="the guard of ${bridge} can not be loaded"
      elif set_features; then
        exit 0
      fi
      ${tell error "$fault; the bridge is cut off"}
      ${setBridge "down" guard}
      exit 1
    '';

  /**
    A script that verifies a guard: it compares the tables in the kernel with what the file gives in an empty network
    namespace, and the features of the bridge with those that the tables depend on. If they differ, it loads the file, or
    sets the feature, again and says so; if they differ still, or can't be compared, it cuts the bridge off and fails. A
    bridge that it cut off comes up again as soon as all is well.

    # Inputs

    `tables`

    : The families and names of the tables.

    `rules`, `bridge`, `ports`

    : As for `guardLoadScript`.

    `state`

    : A folder for a note that the bridge was cut off, which is lost at reboot.

    # Type

    ```
    guardVerifyScript :: {
      tables :: [ { family :: String, name :: String } ],
      rules :: String, bridge :: String, ports :: [String], state :: String,
    } -> String
    ```

    # Example

    ```nix
    guardVerifyScript {
      tables = [ { family = "inet"; name = "sandbox"; } ];
      rules = "/etc/guard.nft";
      bridge = "sandbox0";
      ports = [ "vb-dev" ];
      state = "/run/sandbox-guard";
    }
    => "…"
    ```
  */
  guardVerifyScript =
    {
      tables,
      rules,
      bridge,
      state,
      ...
    }@guard:
    let
      list = concatStringsSep " && " (
        map (table: "nft --stateless list table ${table.family} ${table.name}") tables
      );
    in
    setFeatures bridge
    + ''
      down=${state}/down
      expected=$(unshare --net sh -c 'nft -f ${rules} && ${list}') || expected=
      loaded() { ${list}; }
      holds() {
        found=$(loaded 2>&1) && [ -n "$expected" ] && [ "$found" = "$expected" ]
      }
      if ! holds; then
        ${tell warning "the guard of ${bridge} is not what it should be; it is loaded again"}
        mkdir -p ${state}
        printf '%s\n' "$expected" > ${state}/expected
        printf '%s\n' "$found" | diff ${state}/expected - >&2 || true
        nft -f ${rules} || true
      fi
      if ! holds; then
        fault="the guard of ${bridge} can not be loaded"
      elif set_features; then
        fault=
      fi
      if [ -n "$fault" ]; then
        ${tell error "$fault; the bridge is cut off"}
        ${setBridge "down" guard}
        : > "$down"
        exit 1
      fi
      if [ -e "$down" ]; then
        ${tell notice "the guard of ${bridge} is in place again; the bridge comes up"}
        ${setBridge "up" guard}
        rm "$down"
      fi
    '';
}
