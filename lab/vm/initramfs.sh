#!/bin/busybox sh
# The first program of the emulated machine: loads what the disk needs, then hands over to the image.
for module in /modules/*.ko; do
    [ ! -f "$module" ] || /bin/busybox insmod "$module"
done
/bin/busybox mkdir -p /dev /new
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t ext4 -o ro /dev/vda /new
exec /bin/busybox switch_root /new /bin/sh /lab-guest
