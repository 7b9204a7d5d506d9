/*
 * A policy as text: "park", "park,share=2.5,poll", "ladder,us=50". Parsing,
 * printing, and one line that helps when the text is wrong.
 */
#include "governor.h"

#include <stdio.h>
#include <string.h>

enum {
    DEFAULT_SHARE_PERMILLE = 20,
    DEFAULT_SLEEP_US = 100,
    /* Nothing wakes such a sleep, so it bounds how late a stop is. */
    MAX_SLEEP_US = 1000000,
    TEXT_MAX = 64,
};

/* One key: read its value (NULL when it stands alone), print what is set. */
struct key {
    const char *name;
    const char *wants;
    bool (*read)(const char *value, struct idle_policy *policy);
    int (*print)(const struct idle_policy *policy, char *out, size_t bytes);
};

/* A percentage with at most one decimal, "0" to "100", in thousandths. */
static bool read_share(const char *value, struct idle_policy *policy)
{
    uint32_t permille = 0;
    size_t digits = value ? strspn(value, "0123456789") : 0;

    if (digits < 1 || digits > 3)
        return false;
    for (size_t i = 0; i < digits; i++)
        permille = permille * 10 + (uint32_t)(value[i] - '0');
    permille *= 10;
    value += digits;
    if (value[0] == '.' && value[1] >= '0' && value[1] <= '9') {
        permille += (uint32_t)(value[1] - '0');
        value += 2;
    }
    if (*value != '\0' || permille > 1000)
        return false;
    policy->share_permille = permille;
    return true;
}

static int print_share(const struct idle_policy *policy, char *out,
                       size_t bytes)
{
    uint32_t share = policy->share_permille;

    if (share % 10 == 0)
        return snprintf(out, bytes, ",share=%u", share / 10);
    return snprintf(out, bytes, ",share=%u.%u", share / 10, share % 10);
}

static bool read_poll(const char *value, struct idle_policy *policy)
{
    policy->poll = value == NULL || strcmp(value, "on") == 0;
    return policy->poll || strcmp(value, "off") == 0;
}

static int print_poll(const struct idle_policy *policy, char *out, size_t bytes)
{
    return snprintf(out, bytes, "%s", policy->poll ? ",poll" : "");
}

static bool read_us(const char *value, struct idle_policy *policy)
{
    uint32_t us = 0;

    if (!value || !*value)
        return false;
    for (; *value; value++) {
        if (*value < '0' || *value > '9')
            return false;
        us = us * 10 + (uint32_t)(*value - '0');
        if (us > MAX_SLEEP_US)
            return false;
    }
    policy->sleep_us = us;
    return us > 0;
}

static int print_us(const struct idle_policy *policy, char *out, size_t bytes)
{
    return snprintf(out, bytes, ",us=%u", policy->sleep_us);
}

static const struct key all_keys[] = {
    {"share", "a percentage from 0 to 100", read_share, print_share},
    {"poll", "on or off", read_poll, print_poll},
    {"us", "a number of microseconds from 1 to 1000000", read_us, print_us},
};

static const struct key *find_key(const struct gov_policy *ops,
                                  const char *name)
{
    for (const char *const *k = ops->keys; k && *k; k++) {
        if (strcmp(*k, name) != 0)
            continue;
        for (size_t i = 0; i < sizeof(all_keys) / sizeof(all_keys[0]); i++) {
            if (strcmp(all_keys[i].name, name) == 0)
                return &all_keys[i];
        }
    }
    return NULL;
}

/* "a, b, c" */
static void list(char *out, size_t bytes, const char *const *names)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; names && names[i] && used < bytes; i++)
        used += (size_t)snprintf(out + used, bytes - used, "%s%s",
                                 i ? ", " : "", names[i]);
}

static bool unknown_policy(const char *name, char *err, size_t bytes)
{
    char valid[128];

    list(valid, sizeof(valid), idle_policy_names());
    snprintf(err, bytes, "unknown idle policy \"%.40s\": valid are %s", name,
             valid);
    return false;
}

static bool unknown_key(const struct gov_policy *ops, const char *name,
                        char *err, size_t bytes)
{
    char valid[128];

    list(valid, sizeof(valid), ops->keys);
    if (!ops->keys)
        snprintf(err, bytes, "idle policy \"%s\" has no keys, not \"%.40s\"",
                 ops->name, name);
    else
        snprintf(err, bytes,
                 "idle policy \"%s\" has no key \"%.40s\": valid are %s",
                 ops->name, name, valid);
    return false;
}

static bool read_key(const struct gov_policy *ops, char *text,
                     struct idle_policy *policy, char *err, size_t bytes)
{
    char *value = strchr(text, '=');
    const struct key *key;

    if (value)
        *value++ = '\0';
    key = find_key(ops, text);
    if (!key)
        return unknown_key(ops, text, err, bytes);
    if (key->read(value, policy))
        return true;
    snprintf(err, bytes,
             "idle policy \"%s\": \"%.40s\" is no value for %s: %s is wanted",
             ops->name, value ? value : "", key->name, key->wants);
    return false;
}

/* The next part of a list separated by commas, cut off in place. */
static char *next_part(char **rest)
{
    char *part = *rest;
    char *comma = part ? strchr(part, ',') : NULL;

    if (comma)
        *comma = '\0';
    *rest = comma ? comma + 1 : NULL;
    return part;
}

bool idle_policy_parse(const char *text, struct idle_policy *policy, char *err,
                       size_t err_bytes)
{
    struct idle_policy parsed = {.share_permille = DEFAULT_SHARE_PERMILLE,
                                 .sleep_us = DEFAULT_SLEEP_US};
    const struct gov_policy *ops;
    char copy[TEXT_MAX];
    char *rest = copy, *part;

    if (strlen(text) >= sizeof(copy))
        return unknown_policy(text, err, err_bytes);
    memcpy(copy, text, strlen(text) + 1);

    part = next_part(&rest);
    ops = gov_policy_find(part);
    if (!ops)
        return unknown_policy(part, err, err_bytes);
    snprintf(parsed.name, sizeof(parsed.name), "%s", ops->name);

    while ((part = next_part(&rest)) != NULL) {
        if (!read_key(ops, part, &parsed, err, err_bytes))
            return false;
    }
    *policy = parsed;
    return true;
}

const char *const *idle_policy_names(void)
{
    /* The table of governor.c again; governor_test holds them together. */
    static const char *const names[] = {
        "park",  "halt", "haltpoll", "pselect", "spin", "nodeadline",
        "sleep", "rate", "ladder",   "score",   NULL};

    return names;
}

void idle_policy_format(const struct idle_policy *policy, char *out,
                        size_t out_bytes)
{
    const struct gov_policy *ops = gov_policy_find(policy->name);
    int used = snprintf(out, out_bytes, "%s", policy->name);

    for (const char *const *k = ops ? ops->keys : NULL; k && *k; k++) {
        if (used < 0 || (size_t)used >= out_bytes)
            return;
        used += find_key(ops, *k)->print(policy, out + used,
                                         out_bytes - (size_t)used);
    }
}

bool idle_policy_announce(const struct idle_policy *policy, bool sleeping,
                          char *out, size_t out_bytes)
{
    const struct gov_policy *ops = gov_policy_find(policy->name);

    if (!ops || !ops->announce)
        return false;
    ops->announce(policy, sleeping, out, out_bytes);
    return true;
}
