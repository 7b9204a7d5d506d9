/*
 * Reference-counted objects: the configurations.
 */
#include "api.h"

#include <stdlib.h>

void *api_object_new(enum api_kind kind, size_t size)
{
    struct api_object *object = calloc(1, size);

    if (!object)
        return NULL;
    object->kind = kind;
    atomic_init(&object->references, 1);
    return object;
}

void *os_retain(void *object)
{
    struct api_object *o = object;

    /* relaxed: who retains has a reference already */
    if (o)
        atomic_fetch_add_explicit(&o->references, 1, memory_order_relaxed);
    return object;
}

void os_release(void *object)
{
    struct api_object *o = object;

    /* acq_rel: the last holder's free comes after every holder's use */
    if (o &&
        atomic_fetch_sub_explicit(&o->references, 1, memory_order_acq_rel) == 1)
        free(o);
}
