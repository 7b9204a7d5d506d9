/*
 * The numbers behind "settled"; see settle.h.
 *
 * An idle Debian guest uses 0.2 % of a core and makes one code page in a
 * minute; of the 1500 pages of its boot it goes on to run 150. A login runs 500
 * more, for which it is not worth dropping all again.
 */
#include "settle.h"

enum {
    QUIET_CPU_PERCENT = 5,
    QUIET_SHARE = 16, /* at most one page in so many is new */
    GROWN_TIMES = 4,
    GROWN_PAGES = 256,
};

static bool was_quiet(const struct a64_settle *settle,
                      const struct a64_settle_seen *seen)
{
    uint64_t wall_ns = seen->now_ns - settle->since_ns;
    uint64_t cpu_ns = seen->cpu_ns - settle->cpu_ns;

    return cpu_ns <= wall_ns / 100 * QUIET_CPU_PERCENT &&
           seen->made - settle->made <= seen->pages / QUIET_SHARE;
}

bool a64_settle_due(struct a64_settle *settle,
                    const struct a64_settle_seen *seen)
{
    bool first = settle->since_ns == 0, quiet;

    if (!first && seen->now_ns - settle->since_ns < A64_SETTLE_WINDOW_NS)
        return false;
    quiet = !first && was_quiet(settle, seen);
    settle->since_ns = seen->now_ns;
    settle->cpu_ns = seen->cpu_ns;
    settle->made = seen->made;
    if (!quiet)
        return false;
    if (settle->dropped) {
        settle->dropped = false;
        settle->kept = seen->pages;
    }
    if (seen->pages < GROWN_TIMES * settle->kept + GROWN_PAGES)
        return false;
    settle->dropped = true;
    return true;
}
