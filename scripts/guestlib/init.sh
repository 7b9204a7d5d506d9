#!/bin/sh
# The first program of the reference guest. It says when userspace is reached,
# then does what the kernel's command line asks:
#
#   lull.cmd=poweroff | idle | shell   (lull.poweroff and lull.idle for short)
#   lull.run=PROGRAM,ARG,...           run it, print its exit code, power off
#   lull.share=TAG:PATH                mount a folder of the host's there
#   lull.ssh                           bring up the network and an ssh server
#
# Every command here costs a fork in the guest, so there are few before the
# marker: boot time is measured up to it.

export PATH=/bin:/bench:/sbin HOME=/root TERM="${TERM:-vt100}"

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1

if [ -d /lib/modules ]; then
    # On 6.1 virtio's bus is a module in the cloud kernel; what sits on the
    # bus is known only once it is there.
    [ -d /sys/bus/platform/drivers/virtio-mmio ] || modprobe virtio_mmio
    set -- /sys/bus/virtio/devices/*/modalias
    # shellcheck disable=SC2046 # one word a device
    [ -e "$1" ] && modprobe -a -b $(cat "$@")
fi

cmd=shell run="" ssh="" shares=""
read -r cmdline </proc/cmdline
for word in $cmdline; do
    case $word in
    lull.cmd=*) cmd=${word#lull.cmd=} ;;
    lull.poweroff) cmd=poweroff ;;
    lull.idle) cmd=idle ;;
    lull.run=*) run=${word#lull.run=} cmd=run ;;
    lull.share=*:/*) shares="$shares ${word#lull.share=}" ;;
    lull.ssh) ssh=yes ;;
    esac
done

read -r uptime _ </proc/uptime
echo "LULL-GUEST-READY nproc=$(nproc) uptime=$uptime"

if [ "$cmd" != poweroff ]; then
    hostname lull
    mkdir -p /dev/pts /dev/shm
fi

# By virtio-fs, or by 9P where that is what there is, as with QEMU.
for share in $shares; do
    mkdir -p "${share#*:}"
    mount -t virtiofs "${share%%:*}" "${share#*:}" 2>/dev/null ||
        { modprobe -a virtio_pci 9pnet_virtio 9p &&
            mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 \
                "${share%%:*}" "${share#*:}"; } ||
        echo "init: lull.share=$share: not mounted"
done

if [ -n "$ssh" ]; then
    mount -t devpts devpts /dev/pts
    ifconfig lo up
    ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
    route add default gw 10.0.2.2
    # -B: root has no password, and the network is the host's own.
    dropbear -R -B && echo "LULL-GUEST-SSH"
fi

case $cmd in
poweroff) ;;
idle) exec sleep 2147483647 ;;
run)
    IFS=,
    # shellcheck disable=SC2086 # the commas split it
    set -- $run
    unset IFS
    "$@"
    echo "LULL-RUN-END rc=$?"
    ;;
shell)
    setsid cttyhack sh
    ;;
*) echo "init: lull.cmd=$cmd is unknown: powering off" ;;
esac

poweroff -f
