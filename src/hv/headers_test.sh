#!/bin/sh
# Compiles every public header alone, and all of them with the checks of
# headers_test.c, as the languages and compilers that callers use: what is
# found of gcc, g++, clang and clang++.
#
# usage: headers_test.sh headers_test.c INCLUDE_DIR [INCLUDE_DIR]
set -u
checks=$1
include=$2
include_system=${3:-$2}
failed=0
compilers=0

try() { # compiler, language, standard, file, its name
    "$1" -x "$2" -std="$3" -I "$include" -I "$include_system" \
        -Wall -Wextra -Wpedantic -Werror -fsyntax-only "$4" || {
        echo "FAILED: $1 -std=$3 $4 ${5:-}"
        failed=1
        return 1
    }
}

alone() { # compiler, language, standard
    for header in $(for folder in "$include" "$include_system"; do
        (cd "$folder" && find . -name '*.h')
    done | sed 's,^\./,,' | sort -u); do
        printf '#include <%s>\nextern int unit_is_not_empty;\n' "$header" |
            try "$1" "$2" "$3" - "$header" || return 1
    done
}

first_of() { # commands; the one that is there, if any
    for command; do
        command -v "$command" && return
    done
}

for cc in $(first_of gcc) $(first_of clang clang-14); do
    compilers=$((compilers + 1))
    alone "$cc" c c11 || failed=1
    try "$cc" c c11 "$checks"
    try "$cc" c gnu11 "$checks"
done
for cxx in $(first_of g++) $(first_of clang++ clang++-14); do
    alone "$cxx" c++ c++17 || failed=1
    try "$cxx" c++ c++17 "$checks"
done
[ "$compilers" -gt 0 ] || exit 77 # skipped: nothing to try with
exit "$failed"
