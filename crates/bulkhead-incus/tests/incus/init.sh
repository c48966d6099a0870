#!/bin/busybox sh
# The first process of a workspace in the lab. Its address comes from its MAC address, so that all share one image; files
# in its home make it misbehave.
stop() {
  echo stopped >>/home/dev/log
  exit 0
}
[ -e /home/dev/ignores-shutdown ] && trap '' PWR || trap stop PWR
/bin/busybox ip link set lo up
if [ -e /home/dev/fails ]; then
  echo 'no root file system found'
  /bin/busybox sleep 1
  exit 1
fi
echo started >>/home/dev/log
if [ ! -e /home/dev/has-no-address ]; then
  [ -e /home/dev/is-slow ] && /bin/busybox sleep 3
  last=$(/bin/busybox cut -d: -f6 /sys/class/net/eth0/address)
  /bin/busybox ip link set eth0 up
  /bin/busybox ip addr add "10.9.0.$((0x$last))/24" dev eth0
fi
if [ -e /home/dev/serves ]; then
  /bin/busybox sleep 1
  /bin/busybox httpd -p 8080 -h /tmp
fi
while :; do
  /bin/busybox sleep 1000 &
  wait $!
done
