# What a workspace keeps on the host.
let
  inherit (builtins) replaceStrings;

  quote = text: "'${replaceStrings [ "'" ] [ "'\\''" ] text}'";

  # Fails with a sentence.
  refuse = sentence: "echo ${quote sentence} >&2\nexit 1";
in
{
  /**
    The script (for bash, with coreutils and ssh-keygen) that makes what a workspace keeps, where it is not there yet, and
    leaves what is there as it is:

    - `private`, into which only root gets, with the user's `home` and the SSH server's key, `ssh/ssh_host_ed25519_key`;
    - `ssh_host_ed25519_key.pub` and `known_hosts`, which everybody may read.

    It may be interrupted at any place and run again. It fails if the key is not the one that is expected.

    # Inputs

    `name`

    : The name of the workspace.

    `folder`

    : The folder that everything is made in, an absolute path.

    `uid`, `gid`

    : The numbers of the user and the group that own the home.

    `hostKey`

    : The public key that the SSH server must have, or null.

    # Type

    ```
    workspaceStateScript :: {
      name :: String,
      folder :: String,
      uid :: Int,
      gid :: Int,
      hostKey :: String | Null,
    } -> String
    ```

    # Example

    ```nix
    workspaceStateScript {
      name = "dev";
      folder = "/var/lib/workspaces/dev";
      uid = 1000;
      gid = 100;
      hostKey = null;
    }
    => "set -eu\n…"
    ```
  */
  workspaceStateScript =
    {
      name,
      folder,
      uid,
      gid,
      hostKey,
    }:
    let
      option = "workspaces.${name}.hostKey";
      key = "private/ssh/ssh_host_ed25519_key";
      keep =
        if hostKey == null then
          ""
        else
          refuse "The SSH host key of the workspace ${name} is not in ${folder}/${key}. Bring it back, or set ${option} to null to have a new one made.";
      compare =
        if hostKey == null then
          ""
        else
          ''
            expected=$(printf '%s\n' ${quote hostKey} | cut -d ' ' -f 1,2)
            if [ "$public" != "$expected" ]; then
              ${refuse "The SSH host key of the workspace ${name} is not the one that ${option} says; the one that it has is in ${folder}/ssh_host_ed25519_key.pub."}
            fi
          '';
    in
    ''
      set -eu
      umask 022
      mkdir -p ${quote folder}
      cd ${quote folder}
      [ -d private ] || mkdir -m 0700 private
      chmod 0700 private
      if ! [ -d private/home ]; then
        install -d -m 0700 -o ${toString uid} -g ${toString gid} private/home.new
        mv -T private/home.new private/home
      elif [ "$(stat -c %u private/home)" != ${toString uid} ]; then
        # microvm.nix makes the folders that it shares for a user of its own, where they are not there yet.
        chown ${toString uid}:${toString gid} private/home
        chmod 0700 private/home
      fi

      key=${key}
      mkdir -p private/ssh
      chown "$(id -u):$(id -g)" private/ssh
      chmod 0700 private/ssh
      if ! [ -s "$key" ]; then
        ${keep}
        rm -f "$key.new" "$key.new.pub"
        ssh-keygen -q -t ed25519 -N "" -C ${quote name} -f "$key.new"
        sync "$key.new"
        mv "$key.new" "$key"
        rm -f "$key.new.pub"
      fi
      public=$(ssh-keygen -y -f "$key")
      public=$(printf '%s\n' "$public" | cut -d ' ' -f 1,2)
      printf '%s\n' "$public ${name}" > ssh_host_ed25519_key.pub.new
      mv ssh_host_ed25519_key.pub.new ssh_host_ed25519_key.pub
      ${compare}
      printf '%s\n' "${name} $public" > known_hosts.new
      mv known_hosts.new known_hosts
    '';
}
