#!/bin/sh
# Run by the initramfs's busybox: the disk of Debian's programs below /mnt,
# with what a program expects to find, and the raw data as a device's name.
set -e
for block in /sys/block/vd*; do
    case $(cat "$block/serial") in
    disk0) programs=/dev/${block##*/} ;;
    disk2) data=/dev/${block##*/} ;;
    esac
done
modprobe -a crc32c_generic ext4
mount -t ext4 -o ro "$programs" /mnt
for folder in dev proc sys; do
    mount --bind /$folder /mnt/$folder
done
for folder in tmp run dev/shm root; do
    mount -t tmpfs tmpfs /mnt/$folder
done
mount -t devpts devpts /mnt/dev/pts
mount --bind /programs /mnt/programs
[ -z "${data-}" ] || ln -s "$data" /mnt/dev/data
ifconfig lo up
