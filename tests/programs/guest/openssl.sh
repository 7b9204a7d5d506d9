#!/bin/sh
# OpenSSL with the instructions and without: the same answers from both, TLS
# between the two, signatures, and `openssl speed` of what is accelerated.
#
#   openssl.sh digests     digests.sh on the data disk's first bytes, each way
#   openssl.sh tls|sign|speed
cd /tmp || exit 1

# Plain code; NEON; that and AES but not PMULL; and all of it with SHA-1 and
# SHA-256: each bit of OPENSSL_armcap is a branch of its own in the library.
capabilities="0 0x1 0x5 0x3d"

digests() {
    head -c 200003 /dev/data >data
    sh /programs/digests.sh data >digests || return 1
    for capability in $capabilities; do
        if ! OPENSSL_armcap=$capability sh /programs/digests.sh data >other ||
            ! cmp digests other; then
            echo "OPENSSL_armcap=$capability gives something else"
            return 1
        fi
    done
    cat digests
}

# One side plain, the other accelerated: the keys and the data on the way must
# be understood by both.
tls_once() {
    rm -f answer
    OPENSSL_armcap=$3 openssl s_server -quiet -accept 4433 -cert cert.pem \
        -key key.pem "$1" "$2" -WWW >/dev/null 2>&1 &
    server=$!
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        printf 'GET /page HTTP/1.0\r\n\r\n' |
            OPENSSL_armcap=$4 openssl s_client -quiet -ign_eof \
                -connect 127.0.0.1:4433 "$1" "$2" >answer 2>/dev/null
        [ -s answer ] && break
        sleep 1
    done
    kill $server
    wait $server 2>/dev/null
    tail -c 300000 answer | cmp - page
}

tls() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout key.pem -out cert.pem -subj /CN=lull 2>/dev/null || return 1
    head -c 300000 /dev/data >page
    for suite in TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 \
        TLS_CHACHA20_POLY1305_SHA256; do
        if ! tls_once -ciphersuites $suite 0 0x3d ||
            ! tls_once -ciphersuites $suite 0x3d 0; then
            echo "$suite: not what was sent"
            return 1
        fi
    done
}

# sign_once SIGNER VERIFIER, with these capabilities
sign_once() {
    OPENSSL_armcap=$1 openssl pkeyutl -sign -rawin -inkey k -in message \
        -out s &&
        OPENSSL_armcap=$2 openssl pkeyutl -verify -rawin -inkey k \
            -in message -sigfile s
}

sign() {
    head -c 100000 /dev/data >message
    for kind in "RSA -pkeyopt rsa_keygen_bits:2048" \
        "EC -pkeyopt ec_paramgen_curve:P-256" \
        "EC -pkeyopt ec_paramgen_curve:P-521" ED25519 ED448; do
        # shellcheck disable=SC2086 # an algorithm and its options
        if ! openssl genpkey -algorithm $kind -out k 2>/dev/null ||
            ! sign_once 0 0x3d || ! sign_once 0x3d 0; then
            echo "$kind: a signature is not recognised"
            return 1
        fi
    done
    # 2^521 - 1 is a prime, and two more than that is not.
    openssl prime "$(printf '%s\n' 'print(2**521-1)' | python3 -)" |
        grep -q 'is prime' || return 1
    openssl prime "$(printf '%s\n' 'print(2**521+1)' | python3 -)" |
        grep -q 'is not prime'
}

speed() {
    for name in aes-128-cbc aes-256-ctr aes-128-gcm aes-256-gcm sha1 sha256; do
        openssl speed -seconds 1 -bytes 8192 -evp $name 2>/dev/null |
            tail -n 1 || return 1
    done
}

"$1"
