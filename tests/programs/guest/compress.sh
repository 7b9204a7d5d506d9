#!/bin/sh
# compress.sh PROGRAM [OPTION...]: what was packed and unpacked is unchanged:
# a library, random bytes, zeros, and nothing.
cd /tmp || exit 1
{
    cat /usr/lib/aarch64-linux-gnu/libssl.so.3
    head -c 500003 /dev/data
    head -c 1000000 /dev/zero
} >plain
: >empty
for file in plain empty; do
    "$@" -c <$file >packed && "$1" -dc <packed | cmp - $file || exit 1
done
[ "$(stat -c %s packed)" -lt 100 ] || exit 1
rm -f plain packed
