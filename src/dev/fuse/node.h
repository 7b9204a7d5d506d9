/*
 * The files and folders a guest has in mind: those it looked up and has not
 * forgotten. A node is known by its number, which is never used again, and by
 * device and inode.
 *
 * A node remembers where it was last seen: the folder's node and the name. Its
 * descriptor is opened when it is needed, from there and never through a
 * symbolic link, and kept only if it is the same file still. When there are
 * too many descriptors, those least recently used are closed. So a guest can
 * know a million files on a host that lends a process a thousand descriptors.
 *
 * Errors are errno values; ESTALE: it is no longer where it was seen.
 */
#ifndef LULL_DEV_FUSE_NODE_H
#define LULL_DEV_FUSE_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum {
    NODE_BUCKETS = 1 << 15,
    NODES_MAX = 1 << 20, /* some 200 MiB of ours, more of the guest's */
    NODE_DEVICES_MAX = 255,
};

struct node {
    uint64_t id;
    uint64_t lookups;    /* that the guest has not forgotten */
    unsigned dependants; /* nodes seen in this one, and open handles */
    struct node *parent; /* NULL: the root, or nowhere any more */
    char *name;
    dev_t dev;
    ino_t ino;
    mode_t type; /* S_IFMT of it */
    int fd;      /* -1: not open */
    struct node *next_by_id, *next_by_inode;
    struct node *newer, *older; /* among those with a descriptor to close */
};

struct nodes {
    struct node root; /* never forgotten */
    struct node *by_id[NODE_BUCKETS], *by_inode[NODE_BUCKETS];
    struct node *newest, *oldest;
    uint64_t last_id;
    unsigned count, open, open_max;
    dev_t device[NODE_DEVICES_MAX]; /* met so far; the first the root's */
    unsigned devices;
};

/* `fd` stands for the folder, and becomes the nodes'. False: errno. */
bool nodes_init(struct nodes *nodes, int fd, unsigned open_max);
/* Forget all but the root. */
void nodes_clear(struct nodes *nodes);
void nodes_free(struct nodes *nodes);

/* NULL: the guest knows none of that number. */
struct node *node_get(struct nodes *nodes, uint64_t id);

/* The guest looked `name` up in `dir`, and `status` is what is there: one more
 * reference of the guest's. NULL: errno. */
struct node *node_look_up(struct nodes *nodes, struct node *dir,
                          const char *name, const struct stat *status);
void node_forget(struct nodes *nodes, struct node *node, uint64_t lookups);

/* An open handle keeps its node. */
void node_hold(struct node *node);
void node_release(struct nodes *nodes, struct node *node);

/* Its descriptor, for folders and for fstat; valid until the next call here
 * for another node. -1: errno. */
int node_fd(struct nodes *nodes, struct node *node);
/* Between these, its descriptor stays open whatever else is opened. */
void node_pin(struct nodes *nodes, struct node *node);
void node_unpin(struct nodes *nodes, struct node *node);
/* The folder it is in and its name there; -1: errno. Not for the root. */
int node_place(struct nodes *nodes, struct node *node, const char **name);
/* What it is like now; false: errno. */
bool node_status(struct nodes *nodes, struct node *node, struct stat *status);
bool node_is(const struct node *node, const struct stat *status);

/* The node the guest knows under this name, or NULL. */
struct node *node_known(struct nodes *nodes, struct node *dir,
                        const char *name);
/* It is about to lose this name: from here on it is what its descriptor says.
 * To be called while the name is there, `gone` once it is not. */
void node_keep(struct nodes *nodes, struct node *node);
void node_gone(struct nodes *nodes, struct node *node, const struct node *dir,
               const char *name);
/* It has another name now. False: no memory, and it has none. */
bool node_moved(struct nodes *nodes, struct node *node, struct node *dir,
                const char *name);

/* A number for an inode, different for each below the folder even where other
 * file systems are mounted in it. */
uint64_t nodes_inode(struct nodes *nodes, dev_t dev, uint64_t ino);

#endif
