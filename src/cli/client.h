/*
 * A client of a VM's control socket: connect, ask, get the answer.
 */
#ifndef LULL_CLI_CLIENT_H
#define LULL_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct client;

/* Connect to the VM `name` and shake hands. NULL and one line in err. */
struct client *client_open(const char *name, char *err, size_t err_bytes);
/* The same with the path of any QMP socket, such as QEMU's. */
struct client *client_open_path(const char *path, char *err, size_t err_bytes);
/* As client_open, and no answer is waited for longer than `seconds`; then err
 * ends with "does not answer", and the client is good for closing only. */
struct client *client_open_for(const char *name, double seconds, char *err,
                               size_t err_bytes);
void client_close(struct client *client);

/*
 * Run a command without arguments: what stood under "return", which the
 * caller releases, or NULL and one line in err. Events in between are passed
 * over.
 */
json_t *client_ask(struct client *client, const char *command, char *err,
                   size_t err_bytes);

/* The same with arguments, which it releases; NULL for none. */
json_t *client_ask_with(struct client *client, const char *command,
                        json_t *arguments, char *err, size_t err_bytes);

/* A descriptor to go with the next command; it stays the caller's. */
void client_give_fd(struct client *client, int fd);

/* The descriptor that came with an answer, the caller's from now on; -1: none
 * did. */
int client_take_fd(struct client *client);

/* A setting in force in the VM `name`, as `lull stat` shows it: "net",
 * "console". False: no such VM, no such setting, or it is too long; err says
 * so. */
bool client_setting(const char *name, const char *setting, char *value,
                    size_t value_bytes, char *err, size_t err_bytes);

/* Wait until the VM closes the connection; false after `seconds`. */
bool client_wait_closed(struct client *client, double seconds);

/*
 * Names of running VMs, sorted, in a NULL-terminated array freed as one with
 * client_free_names. Sockets that nobody answers are left out.
 */
char **client_names(void);
/* The same without asking: sockets of VMs that ended badly are among them. */
char **client_sockets(void);
void client_free_names(char **names);

#endif
