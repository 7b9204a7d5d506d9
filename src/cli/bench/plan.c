#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "lull/vm.h"

const char plan_all_policies[] =
    "park,halt,haltpoll,pselect,spin,nodeadline,sleep,rate,ladder,us=50,"
    "ladder,us=100,ladder,us=200,score";

static bool is_name(const char *word, size_t bytes)
{
    const char *const *names = idle_policy_names();

    while (*names != NULL &&
           (strlen(*names) != bytes || strncmp(*names, word, bytes) != 0))
        names++;
    return *names != NULL;
}

static bool same_policy(const char *a, const char *b)
{
    struct idle_policy policy;
    char text[2][64], err[LULL_ERROR_BYTES];
    const char *const which[] = {a, b};

    for (int i = 0; i < 2; i++) {
        if (!idle_policy_parse(which[i], &policy, err, sizeof(err)))
            return false;
        idle_policy_format(&policy, text[i], sizeof(text[i]));
    }
    return strcmp(text[0], text[1]) == 0;
}

static bool add_policy(struct plan *plan, const char *text, char *err,
                       size_t err_bytes)
{
    struct idle_policy policy;

    if (!idle_policy_parse(text, &policy, err, err_bytes))
        return false;
    for (size_t i = 0; i < plan->policies; i++) {
        if (!same_policy(plan->policy[i], text))
            continue;
        snprintf(err, err_bytes, "%s is there twice", text);
        return false;
    }
    snprintf(plan->policy[plan->policies++], sizeof(plan->policy[0]), "%s",
             text);
    return true;
}

/* How much of the text is its first policy: a word, and those after it that
 * are no policy's name. */
static size_t policy_bytes(const char *text)
{
    size_t bytes = strcspn(text, ",");

    while (text[bytes] == ',') {
        size_t word_bytes = strcspn(text + bytes + 1, ",");

        if (is_name(text + bytes + 1, word_bytes))
            break;
        bytes += 1 + word_bytes;
    }
    return bytes;
}

bool plan_parse_policies(const char *text, struct plan *plan, char *err,
                         size_t err_bytes)
{
    char one[sizeof(plan->policy[0])];

    plan->policies = 0;
    for (;;) {
        size_t bytes = policy_bytes(text);

        if (bytes >= sizeof(one) || plan->policies == PLAN_POLICIES_MAX) {
            snprintf(err, err_bytes,
                     "give at most %d policies, of at most %zu characters",
                     PLAN_POLICIES_MAX, sizeof(one) - 1);
            return false;
        }
        memcpy(one, text, bytes);
        one[bytes] = '\0';
        if (!add_policy(plan, one, err, err_bytes))
            return false;
        if (text[bytes] == '\0')
            return true;
        text += bytes + 1;
    }
}

bool plan_parse_cpus(const char *text, struct plan *plan, char *err,
                     size_t err_bytes)
{
    char word[8];

    plan->cpu_counts = 0;
    for (;;) {
        size_t len = strcspn(text, ",");
        uint64_t cpus;

        snprintf(word, sizeof(word), "%.*s", len > 7 ? 7 : (int)len, text);
        if (!cli_number(word, 1, LULL_CPUS_MAX, &cpus) ||
            plan->cpu_counts == PLAN_CPUS_MAX) {
            snprintf(err, err_bytes, "give one to %d numbers from 1 to %d",
                     PLAN_CPUS_MAX, LULL_CPUS_MAX);
            return false;
        }
        plan->cpus[plan->cpu_counts++] = (unsigned)cpus;
        if (text[len] == '\0')
            return true;
        text += len + 1;
    }
}

bool plan_columns(const struct plan *plan, struct report *report)
{
    size_t count = plan->policies * plan->cpu_counts;

    report->column = calloc(count, sizeof(*report->column));
    if (report->column == NULL)
        return false;
    for (size_t c = 0; c < plan->cpu_counts; c++) {
        for (size_t p = 0; p < plan->policies; p++) {
            struct column *column = &report->column[report->columns++];

            snprintf(column->policy, sizeof(column->policy), "%s",
                     plan->policy[p]);
            column->cpus = plan->cpus[c];
        }
    }
    report->planned = count * plan->repeat;
    report->repeat = plan->repeat;
    report->seconds = plan->seconds;
    report->net = plan->net;
    return true;
}

size_t plan_column(const struct report *report, size_t n, unsigned *round)
{
    *round = (unsigned)(n / report->columns);
    return (n + *round) % report->columns;
}

/* By the definitions of the policies: when they begin to sleep, and (score)
 * when they sleep as long as they are going to. */
static const struct {
    const char *name;
    double grace_s, settled_s;
} graces[] = {
    {"sleep", 15, 17},
    {"rate", 10, 17},
    {"ladder", 15, 18},
    {"score", 5, 37},
};

static bool grace_of(const char *policy, double *grace_s, double *settled_s)
{
    size_t len = strcspn(policy, ",");

    for (size_t i = 0; i < sizeof(graces) / sizeof(graces[0]); i++) {
        if (strlen(graces[i].name) != len ||
            strncmp(graces[i].name, policy, len) != 0)
            continue;
        *grace_s = graces[i].grace_s;
        *settled_s = graces[i].settled_s;
        return true;
    }
    return false;
}

double plan_settled_s(const char *policy)
{
    double grace_s, settled_s;

    return grace_of(policy, &grace_s, &settled_s) ? settled_s : 0;
}

double plan_quiet_s(const char *policy, double seconds)
{
    /* `score` counts from when the guest is idle. */
    if (strcmp(policy, "score") == 0)
        return 35;
    return seconds < 8 ? seconds : 8;
}

double plan_grace_s(const char *policy)
{
    double grace_s, settled_s;

    return grace_of(policy, &grace_s, &settled_s) ? grace_s : 0;
}

double plan_run_s(const char *policy, double seconds)
{
    double settled_s = plan_settled_s(policy),
           up_s = 2 + plan_quiet_s(policy, seconds);

    return (settled_s > up_s ? settled_s : up_s) + 1.5 * seconds;
}
