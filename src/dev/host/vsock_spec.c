/*
 * What --vsock says: the guest's address, and which port is which socket.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lull/vsock.h"

struct parser {
    char *error;
    size_t error_bytes;
};

/* `format` takes the item. */
static bool refuse(const struct parser *p, const char *format, const char *item)
{
    snprintf(p->error, p->error_bytes, format, item);
    return false;
}

static bool number(const char *text, const char *end, uint32_t *value)
{
    char *stop;
    unsigned long long n;

    if (text == end || *text < '0' || *text > '9')
        return false;
    n = strtoull(text, &stop, 10);
    *value = (uint32_t)n;
    return stop == end && n < UINT32_MAX; /* which means any port, any guest */
}

/* "PORT:PATH" */
static bool add_rule(const struct parser *p, const char *item,
                     const char *value, struct lull_vsock_rule *rules,
                     unsigned *count)
{
    const char *colon = strchr(value, ':');
    struct lull_vsock_rule rule = {0};

    if (colon == NULL || colon[1] == '\0' || !number(value, colon, &rule.port))
        return refuse(p, "--vsock: %s: give PORT:PATH", item);
    if (strlen(colon + 1) >= sizeof(rule.path))
        return refuse(p, "--vsock: %s: too long for a socket's path", item);
    snprintf(rule.path, sizeof(rule.path), "%s", colon + 1);
    for (unsigned i = 0; i < *count; i++)
        if (rules[i].port == rule.port)
            return refuse(p, "--vsock: %s: that port has a socket already",
                          item);
    if (*count == LULL_VSOCK_RULES_MAX)
        return refuse(p, "--vsock: %s: there can be 16 of a kind", item);
    rules[(*count)++] = rule;
    return true;
}

/* Room for the longest name of a port below it. */
static bool set_dir(const struct parser *p, const char *item, const char *value,
                    struct lull_vsock_spec *spec)
{
    if (value[0] == '\0')
        return refuse(p, "--vsock: %s: give a directory", item);
    if (strlen(value) + sizeof("/4294967295") > sizeof(spec->dir))
        return refuse(p, "--vsock: %s: too long for a socket's path", item);
    snprintf(spec->dir, sizeof(spec->dir), "%s", value);
    return true;
}

static const char *after(const char *item, const char *key)
{
    size_t len = strlen(key);

    return strncmp(item, key, len) == 0 ? item + len : NULL;
}

static bool take(const struct parser *p, const char *item,
                 struct lull_vsock_spec *spec)
{
    const char *value;

    if ((value = after(item, "to-host=")) != NULL)
        return add_rule(p, item, value, spec->to_host, &spec->to_host_count);
    if ((value = after(item, "to-guest=")) != NULL)
        return add_rule(p, item, value, spec->to_guest, &spec->to_guest_count);
    if ((value = after(item, "dir=")) != NULL)
        return set_dir(p, item, value, spec);
    return refuse(p,
                  "--vsock: '%s': not to-host=PORT:PATH, to-guest=PORT:PATH "
                  "or dir=DIR",
                  item);
}

bool lull_vsock_parse(const char *text, struct lull_vsock_spec *spec,
                      char *error, size_t error_bytes)
{
    struct parser p = {error, error_bytes};
    char *copy = strdup(text), *rest = copy, *item;
    bool ok;

    memset(spec, 0, sizeof(*spec));
    if (copy == NULL)
        return refuse(&p, "--vsock %s: no memory", text);
    item = strsep(&rest, ",");
    ok = number(item, item + strlen(item), &spec->cid) &&
         spec->cid >= LULL_VSOCK_CID_MIN;
    if (!ok)
        refuse(&p, "--vsock %s: begin with the guest's address, 3 or more",
               item);
    while (ok && (item = strsep(&rest, ",")) != NULL)
        ok = take(&p, item, spec);
    free(copy);
    return ok;
}
