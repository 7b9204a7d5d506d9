/* Built without ncurses: there is the table alone. */
#include "top.h"

#include <stdio.h>

bool top_screen(struct top_vms *vms, double interval, char *err,
                size_t err_bytes)
{
    snprintf(err, err_bytes,
             "this lull was built without ncurses; use --once or --batch");
    return false;
}
