# A lab: an Incus daemon with a bridge, in namespaces of its own. Started by unshare as the first process of a PID
# namespace, so that everything in it dies with this script; the script ends when its standard input does.
#
# Arguments: the lab's folder, incusd, the prefix of the names of instances.
# Input: one shell command a line, evaluated here. Output: a line with the command's exit code.
set -u
lab=$1 incusd=$2 prefix=$3
export INCUS_DIR=$lab/incus HOME=$lab

# Still the host's /proc, so this is the process number outside.
read -r outside _ </proc/self/stat

set -e
mount --make-rprivate /
mount -t proc proc /proc
# Incus looks bridges up in /sys/class/net, which is that of the network namespace that mounts it.
mkdir "$lab/cgroup"
mount --rbind /sys/fs/cgroup "$lab/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$lab/cgroup" /sys/fs/cgroup
umount -l "$lab/cgroup"
rmdir "$lab/cgroup"
mkdir "$INCUS_DIR"
ip link set lo up
ip link add br0 type bridge
ip addr add 10.9.0.1/24 dev br0
ip link set br0 up
set +e

daemon=
start_daemon() {
  "$incusd" --logfile "$lab/incusd.log" </dev/null >>"$lab/incusd.out" 2>&1 &
  daemon=$!
  incus admin waitready --timeout 120 >/dev/null 2>&1
}
signal_daemon() {
  kill "-$1" "$daemon"
  wait "$daemon" 2>/dev/null
  return 0
}

# What is left of a lab is removed here, so that it also is if the tests were killed.
finish() {
  # Bash tells of each process that is killed.
  exec 2>/dev/null
  kill -KILL -1
  wait
  find /sys/fs/cgroup -depth -type d \( -path "*/lxc.payload.$prefix-*" -o -path "*/lxc.monitor.$prefix-*" \) \
    -exec rmdir {} \;
  # Where LXC moves what still runs in the groups that it removes. It makes it anew when it needs it.
  find /sys/fs/cgroup -depth -type d -name lxc.pivot -exec rmdir {} \;
  awk -v lab="$lab/" 'index($2, lab) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount -l
  rm -rf --one-file-system "$lab"
}

echo "$outside"
while read -r command; do
  eval "$command" </dev/null >>"$lab/commands.out" 2>&1
  echo "$?"
done
finish
