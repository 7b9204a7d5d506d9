#!/bin/sh
# The guest's compilers build a program, which checks itself; however it was
# built, it must say the same.
cd /tmp || exit 1
rm -f first
for compiler in "gcc -O0" "gcc -O3 -march=armv8-a+nolse" \
    "gcc -O2 -march=armv8.1-a" tcc; do
    if ! $compiler /programs/compiled.c -o compiled -lm ||
        ! ./compiled >said; then
        echo "$compiler: failed"
        exit 1
    fi
    [ -e first ] || cp said first
    if ! cmp first said; then
        echo "$compiler: says something else"
        exit 1
    fi
done
rm -f compiled said
