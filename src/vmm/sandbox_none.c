/*
 * Hosts without Landlock and seccomp. macOS has a sandbox of its own, for
 * which a program is signed; Lull does not ask for it.
 */
#include "sandbox.h"

bool sandbox_enter(const struct sandbox_config *config, const char **in_force,
                   struct why *why)
{
    *in_force = "none";
    return true;
}
