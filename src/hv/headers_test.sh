#!/bin/sh
# Compiles every public header alone, and all of them with the checks of
# headers_test.c, as the languages and compilers that callers use: what is
# found of gcc, g++, clang and clang++.
#
# usage: headers_test.sh INCLUDE_DIR headers_test.c
set -u
include=$1
checks=$2
failed=0
compilers=0

try() { # compiler, language, standard, what to include
    printf '#include <%s>\nextern int unit_is_not_empty;\n' "$4" |
        "$1" -x "$2" -std="$3" -I "$include" -Wall -Wextra -Wpedantic -Werror \
            -fsyntax-only - || {
        echo "FAILED: $4 with $1 -std=$3"
        failed=1
    }
}

try_all() { # compiler, language, standard
    for header in $(cd "$include" && find . -name '*.h' | sed 's,^\./,,'); do
        try "$1" "$2" "$3" "$header"
    done
    "$1" -x "$2" -std="$3" -I "$include" -Wall -Wextra -Wpedantic -Werror \
        -fsyntax-only "$checks" || failed=1
}

for cc in gcc clang clang-14; do
    command -v "$cc" >/dev/null || continue
    compilers=$((compilers + 1))
    try_all "$cc" c c11
    try_all "$cc" c gnu11
done
for cxx in g++ clang++ clang++-14; do
    command -v "$cxx" >/dev/null || continue
    try_all "$cxx" c++ c++17
done
[ "$compilers" -gt 0 ] || exit 77 # skipped: nothing to try with
exit "$failed"
