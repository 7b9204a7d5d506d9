#!/bin/sh
# Digests, ciphers and MACs of a file, one line each, for the caller to compare
# with its own. OPENSSL_armcap in the
# environment chooses between plain code and the instructions for it.
#
#   digests.sh DATA
data=$1
key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
iv=f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff
for name in md5 sha1 sha256 sha512 sha3-256; do
    echo "$name $(openssl dgst -r -"$name" "$data" | cut -d' ' -f1)"
done
for bits in 128 192 256; do
    short=$(echo $key | cut -c1-$((bits / 4)))
    for mode in ecb cbc ctr; do
        set -- -aes-$bits-$mode -K "$short"
        [ $mode = ecb ] || set -- "$@" -iv $iv
        openssl enc "$@" -in "$data" -out /tmp/sealed || exit 1
        openssl enc -d "$@" -in /tmp/sealed | cmp - "$data" || exit 1
        echo "aes-$bits-$mode $(sha256sum </tmp/sealed)"
    done
    echo "gmac-$bits $(openssl mac -cipher aes-$bits-gcm \
        -macopt hexkey:"$short" -macopt hexiv:000102030405060708090a0b \
        -in "$data" GMAC)"
    echo "cmac-$bits $(openssl mac -cipher aes-$bits-cbc \
        -macopt hexkey:"$short" -in "$data" CMAC)"
done
openssl enc -chacha20 -K $key -iv $iv -in "$data" -out /tmp/sealed || exit 1
echo "chacha20 $(sha256sum </tmp/sealed)"
echo "poly1305 $(openssl mac -macopt hexkey:$key -in "$data" POLY1305)"
rm -f /tmp/sealed
