/*
 * The user network of a build without libslirp: there is none.
 */
#include <stdio.h>

#include "lull/user_net.h"

struct lull_user_net *lull_user_net_new(struct lull_loop *loop,
                                        const char *spec, char *error,
                                        size_t error_bytes)
{
    snprintf(error, error_bytes,
             "--net %s: this lull was built without libslirp", spec);
    return NULL;
}

void lull_user_net_free(struct lull_user_net *net)
{
}

const struct lull_net *lull_user_net_net(const struct lull_user_net *net)
{
    return NULL;
}
