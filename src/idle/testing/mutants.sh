#!/bin/sh
# Does the stress test find what it is there for? Break the protocol in nine
# known ways, one at a time, and expect the test to fail; unbroken it must
# pass. Each mutant is a small edit of a copy of the sources.
#
# usage: src/idle/testing/mutants.sh [mutant...]     (default: all)
# IDLE_STRESS_MS: how long each case may look (default 1500); CC: the compiler.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: "${IDLE_STRESS_MS:=1500}"
: "${CC:=cc}"
export IDLE_STRESS_MS CK_FORK=no

# edit FILE SCRIPT: sed it in the copy, and be sure that something changed.
edit() {
    sed -i.orig "$2" "$work/src/$1"
    if cmp -s "$work/src/$1" "$work/src/$1.orig"; then
        echo "mutants: $1 has changed, the edit does not apply: $2" >&2
        exit 2
    fi
}

# replace FUNCTION BODY: give a function of word.h another body.
replace() {
    edit word.h "/$1(idle_word/,/^}/{/^{/,/^}/c\\
{\\
$2\\
}
}"
}

mutate() {
    hook='IDLE_HOOK(IDLE_HOOK_MUTANT);'
    order=memory_order_acq_rel
    edit word.h 's/#include <stdint.h>/&\n#include "hook.h"/'
    case $1 in
    none) ;;
    # The sleep does not compare with what was looked at.
    M1) edit idle.c '/park_wait(&iv->park/s/seen/word_look(\&iv->word)/' ;;
    # The bit is set by a load and a store.
    M2) replace word_set "uint32_t old = atomic_load(word); $hook \
        atomic_store(word, old | bits); return old;" ;;
    # The bits are taken by a load and a store.
    M3)
        replace word_take "uint32_t old = atomic_load(word); $hook \
        atomic_store(word, old \& ~mask); return old \& mask;"
        replace word_leave "uint32_t old = atomic_load(word); $hook \
        atomic_store(word, 0); return old;" ;;
    # The kicker looks first and publishes then.
    M4) replace word_set "uint32_t old = atomic_load(word); $hook \
        atomic_fetch_or_explicit(word, bits, $order); return old;" ;;
    # The vCPU looks first and says then that it parks.
    M5)
        edit idle.c "s/first = word_park(&iv->word);/first = WORD_PARKED | \
word_look(\&iv->word); $hook word_park(\&iv->word);/"
        edit idle.c 's/while (now < until \&\& iv->rung.at == rung) {/for (int again = 0; now < until; again = 1) {/'
        edit idle.c 's/if (seen & mask)/if (again \&\& (seen \& mask))/' ;;
    # Any reason that is set swallows the next one.
    M6) edit idle.c 's/if (old & reason) {/if (old \& IDLE_ANY) {/' ;;
    # The kick publishes nothing: only visible to ThreadSanitizer on x86.
    M7) edit word.h '/fetch_or.*bits/s/memory_order_acq_rel/memory_order_acquire/' ;;
    # The condition variable is waited for without another look at the word.
    M8) edit park_condvar.c 's/if (word_look(word) != expect) {/if (expect == 0) {/' ;;
    # The alarm forgets the event that came before the wait.
    M9) edit park_linux.c 's/if (word_look(word) != expect)/\
        for (uint64_t n; read(event, \&n, sizeof(n)) > 0;) {}\
        if (expect == 0)/' ;;
    *) echo "mutants: no mutant \"$1\"" >&2; exit 2 ;;
    esac
}

# run MUTANT FLAGS: 0 when the stress test passes.
run() {
    rm -rf "$work/src"
    cp -R "$here" "$work/src"
    mutate "$1"
    (
        cd "$work/src"
        # shellcheck disable=SC2086,SC2046
        $CC -std=gnu11 -D_GNU_SOURCE -DIDLE_TEST -O2 -g $2 -w -Iinclude -I. \
            stress_test.c idle.c trace.c governor.c policy*.c rung.c \
            park_condvar.c park_linux.c \
            $(pkg-config --cflags --libs check) -lpthread -o stress
    ) || { echo "mutants: $1 does not compile" >&2; exit 2; }
    "$work/src/stress" >"$work/log" 2>&1
}

survivors=0
for mutant in ${*:-none M1 M2 M3 M4 M5 M6 M7 M8 M9}; do
    case $mutant in M7) flags=-fsanitize=thread ;; *) flags= ;; esac
    started=$(date +%s)
    if run "$mutant" "$flags"; then verdict=passes; else verdict=fails; fi
    seconds=$(($(date +%s) - started))
    [ "$mutant" = none ] && wanted=passes || wanted=fails
    cause=$(grep -m 1 -E ':F:|data race' "$work/log" |
        sed 's/.*nothing_is_lost:/case /' || true)
    printf '%-5s %s in %s s  %s\n' "$mutant" "$verdict" "$seconds" "$cause"
    if [ "$verdict" != "$wanted" ]; then
        survivors=$((survivors + 1))
        cat "$work/log"
    fi
done
exit "$((survivors > 0))"
