#!/bin/sh
# Alpine Linux in a VM that costs nothing while idle: fetched once, with a disk
# of its own and ssh on port 2222 of this machine.
#
#   scripts/run-alpine.sh [OPTION of `lull run`...]
#
# HVF_WFI_SLEEP and LULL_IDLE choose the idle policy, as for `lull run`.
# In the environment:
#
#   ALPINE_MIRROR   instead of Alpine's own, in the same layout
#   ALPINE_FLAVOUR  virt or lts (virt)
#   SSH_PORT        another port (2222)
#   SSH_KEY         public key that may log in (the first of ~/.ssh/id_*.pub)
#   LULL            the program (the one built here, or in PATH)
#
# The guest loads its system from the mirror when it starts: it needs a network.

set -eu

mirror=${ALPINE_MIRROR:-https://dl-cdn.alpinelinux.org/alpine}
flavour=${ALPINE_FLAVOUR:-virt}
port=${SSH_PORT:-2222}
root=$(cd "$(dirname "$0")/.." && pwd)

fail() {
    echo "run-alpine: $*" >&2
    exit 1
}

lull=${LULL:-$root/build/src/cli/lull}
[ -x "$lull" ] || lull=$(command -v lull) ||
    fail "no lull here; \`make\` builds it, or LULL names it"

key=${SSH_KEY:-}
for file in ~/.ssh/id_*.pub; do
    [ -n "$key" ] || [ ! -r "$file" ] || key=$(cat "$file")
done
[ -n "$key" ] || fail "no public key to log in with; \`ssh-keygen\` makes one," \
    "or SSH_KEY holds one"
case $key in
*\"*) fail "SSH_KEY: a key has no quotation mark in it" ;;
esac

home=$("$lull" guest fetch alpine --flavour "$flavour" --mirror "$mirror")
version=$(sed -n 's/.*"version": "\([0-9.]*\)".*/\1/p' "$home/guest.json")
branch=v${version%.*}

data=${XDG_DATA_HOME:-$HOME/.local/share}/lull
disk=$data/alpine-$flavour.img
mkdir -p "$data"
if [ ! -e "$disk" ]; then
    dd if=/dev/zero of="$disk" bs=1 count=0 seek=8589934592 2>/dev/null
    echo "run-alpine: $disk: a new disk of 8 GiB that takes what is written" >&2
fi

if [ -n "${LULL_IDLE:-}" ]; then
    idle="$LULL_IDLE (LULL_IDLE)"
elif [ -n "${HVF_WFI_SLEEP:-}" ]; then
    idle="that of HVF_WFI_SLEEP=$HVF_WFI_SLEEP"
else
    idle="park (default)"
fi
echo "run-alpine: Alpine $version, idle policy $idle;" \
    "ssh -p $port root@localhost when it is up" >&2

append="console=ttyAMA0 ip=dhcp alpine_repo=$mirror/$branch/main"
append="$append modloop=$mirror/$branch/releases/aarch64/netboot-$version"
append="$append/modloop-$flavour ssh_key=\"$key\""

exec "$lull" run --name "alpine-$$" --kernel "$home/kernel" \
    --initrd "$home/initrd" --append "$append" --memory 1G --cpus 2 \
    --disk "$disk" --net "user,forward=tcp:127.0.0.1:$port-:22" "$@"
