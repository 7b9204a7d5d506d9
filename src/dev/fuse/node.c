#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "proto.h"

enum { DEPTH_MAX = 1024 }; /* folders to open on the way to a node */

/* ---- tables --------------------------------------------------------------
 */

static struct node **id_bucket(struct nodes *nodes, uint64_t id)
{
    return &nodes->by_id[id % NODE_BUCKETS];
}

static struct node **inode_bucket(struct nodes *nodes, dev_t dev, ino_t ino)
{
    uint64_t mixed =
        ((uint64_t)ino ^ (uint64_t)dev << 32) * 0x9e3779b97f4a7c15U;

    return &nodes->by_inode[mixed >> 49];
}

struct node *node_get(struct nodes *nodes, uint64_t id)
{
    struct node *node = *id_bucket(nodes, id);

    if (id == FUSE_ROOT_ID)
        return &nodes->root;
    while (node != NULL && node->id != id)
        node = node->next_by_id;
    return node;
}

bool node_is(const struct node *node, const struct stat *status)
{
    return node->dev == status->st_dev && node->ino == status->st_ino &&
           node->type == (status->st_mode & S_IFMT);
}

static struct node *find(struct nodes *nodes, const struct stat *status)
{
    struct node *node = *inode_bucket(nodes, status->st_dev, status->st_ino);

    if (node_is(&nodes->root, status))
        return &nodes->root;
    while (node != NULL && !node_is(node, status))
        node = node->next_by_inode;
    return node;
}

static void unlink_node(struct nodes *nodes, struct node *node)
{
    struct node **at = id_bucket(nodes, node->id);

    while (*at != node)
        at = &(*at)->next_by_id;
    *at = node->next_by_id;
    at = inode_bucket(nodes, node->dev, node->ino);
    while (*at != node)
        at = &(*at)->next_by_inode;
    *at = node->next_by_inode;
}

/* ---- descriptors ---------------------------------------------------------
 */

static bool in_list(const struct nodes *nodes, const struct node *node)
{
    return node->newer != NULL || nodes->newest == node;
}

static void list_remove(struct nodes *nodes, struct node *node)
{
    if (!in_list(nodes, node))
        return;
    *(node->newer != NULL ? &node->newer->older : &nodes->newest) = node->older;
    *(node->older != NULL ? &node->older->newer : &nodes->oldest) = node->newer;
    node->newer = node->older = NULL;
}

static void list_add(struct nodes *nodes, struct node *node)
{
    node->older = nodes->newest;
    node->newer = NULL;
    *(nodes->newest != NULL ? &nodes->newest->newer : &nodes->oldest) = node;
    nodes->newest = node;
}

static void close_node(struct nodes *nodes, struct node *node)
{
    list_remove(nodes, node);
    if (node->fd >= 0) {
        close(node->fd);
        nodes->open--;
    }
    node->fd = -1;
}

/* False: nothing more can be closed. */
static bool close_oldest(struct nodes *nodes)
{
    if (nodes->oldest == NULL)
        return false;
    close_node(nodes, nodes->oldest);
    return true;
}

/* From where it was seen; its parent is open. */
static bool open_node(struct nodes *nodes, struct node *node)
{
    struct stat status;
    int fd;

    while (nodes->open >= nodes->open_max && nodes->oldest != node->parent &&
           close_oldest(nodes))
        ;
    do
        fd = fuse_host_handle(node->parent->fd, node->name);
    while (fd < 0 && (errno == EMFILE || errno == ENFILE) &&
           nodes->oldest != node->parent && close_oldest(nodes));
    if (fd < 0) {
        errno = errno == ENOENT || errno == ELOOP ? ESTALE : errno;
        return false;
    }
    if (fstat(fd, &status) != 0 || !node_is(node, &status)) {
        close(fd);
        errno = ESTALE;
        return false;
    }
    node->fd = fd;
    nodes->open++;
    list_add(nodes, node);
    return true;
}

static void touch(struct nodes *nodes, struct node *node)
{
    if (in_list(nodes, node)) {
        list_remove(nodes, node);
        list_add(nodes, node);
    }
}

/* Folders that the host moves about can leave parents in a circle: that is a
 * path too long, and stale. */
int node_fd(struct nodes *nodes, struct node *node)
{
    struct node *way[DEPTH_MAX];
    unsigned depth = 0;

    while (node->fd < 0) {
        if (node->parent == NULL || depth == DEPTH_MAX) {
            errno = ESTALE;
            return -1;
        }
        way[depth++] = node;
        node = node->parent;
    }
    touch(nodes, node);
    while (depth > 0) {
        node = way[--depth];
        if (!open_node(nodes, node))
            return -1;
    }
    return node->fd;
}

int node_place(struct nodes *nodes, struct node *node, const char **name)
{
    if (node->parent == NULL) {
        errno = ESTALE;
        return -1;
    }
    *name = node->name;
    return node_fd(nodes, node->parent);
}

bool node_status(struct nodes *nodes, struct node *node, struct stat *status)
{
    const char *name;
    int dir;

    if (node->fd >= 0)
        return fstat(node->fd, status) == 0;
    dir = node_place(nodes, node, &name);
    if (dir < 0)
        return false;
    if (fstatat(dir, name, status, AT_SYMLINK_NOFOLLOW) == 0 &&
        node_is(node, status))
        return true;
    errno = ESTALE;
    return false;
}

/* ---- life ----------------------------------------------------------------
 */

static bool alive(const struct node *node)
{
    return node->lookups != 0 || node->dependants != 0;
}

/* Free it if nothing needs it, and its parents with it. */
static void settle(struct nodes *nodes, struct node *node)
{
    while (node != NULL && node != &nodes->root && !alive(node)) {
        struct node *parent = node->parent;

        close_node(nodes, node);
        unlink_node(nodes, node);
        free(node->name);
        free(node);
        nodes->count--;
        if (parent != NULL)
            parent->dependants--;
        node = parent;
    }
}

void node_hold(struct node *node)
{
    node->dependants++;
}

void node_release(struct nodes *nodes, struct node *node)
{
    node->dependants--;
    settle(nodes, node);
}

/* In a circle of parents a node may hang on its own: the caller sees to it that
 * it lives as long as it is looked at. */
static void lose_place(struct nodes *nodes, struct node *node)
{
    struct node *parent = node->parent;

    free(node->name);
    node->name = NULL;
    node->parent = NULL;
    list_remove(nodes, node); /* its descriptor is all there is */
    if (parent != NULL)
        node_release(nodes, parent);
}

/* The guest knows the node under this name, in this folder. */
static bool has_place(const struct node *node, const struct node *dir,
                      const char *name)
{
    return node->parent == dir && node->name != NULL &&
           strcmp(node->name, name) == 0;
}

/* The node is settled by the caller. */
static bool set_place(struct nodes *nodes, struct node *node, struct node *dir,
                      const char *name)
{
    char *copy;

    if (node == &nodes->root || has_place(node, dir, name))
        return true;
    copy = strdup(name);
    node_hold(node);
    node_hold(dir); /* before it might lose the last that held it */
    lose_place(nodes, node);
    if (copy != NULL) {
        node->parent = dir;
        node->name = copy;
        if (node->fd >= 0)
            list_add(nodes, node);
    } else {
        node_release(nodes, dir);
    }
    node->dependants--;
    return copy != NULL;
}

static struct node *node_new(struct nodes *nodes, const struct stat *status)
{
    struct node *node = NULL;

    if (nodes->count < NODES_MAX)
        node = calloc(1, sizeof(*node));
    if (node == NULL) {
        errno = nodes->count < NODES_MAX ? ENOMEM : ENFILE;
        return NULL;
    }
    node->id = ++nodes->last_id;
    node->dev = status->st_dev;
    node->ino = status->st_ino;
    node->type = status->st_mode & S_IFMT;
    node->fd = -1;
    node->next_by_id = *id_bucket(nodes, node->id);
    *id_bucket(nodes, node->id) = node;
    node->next_by_inode = *inode_bucket(nodes, node->dev, node->ino);
    *inode_bucket(nodes, node->dev, node->ino) = node;
    nodes->count++;
    return node;
}

struct node *node_look_up(struct nodes *nodes, struct node *dir,
                          const char *name, const struct stat *status)
{
    struct node *node = find(nodes, status);

    if (node == NULL)
        node = node_new(nodes, status);
    if (node == NULL)
        return NULL;
    node->lookups++;
    if (set_place(nodes, node, dir, name))
        return node;
    node_forget(nodes, node, 1);
    errno = ENOMEM;
    return NULL;
}

void node_forget(struct nodes *nodes, struct node *node, uint64_t lookups)
{
    node->lookups -= lookups < node->lookups ? lookups : node->lookups;
    settle(nodes, node);
}

struct node *node_known(struct nodes *nodes, struct node *dir, const char *name)
{
    int fd = node_fd(nodes, dir);
    struct stat status;
    struct node *node;

    if (fd < 0 || fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return NULL;
    node = find(nodes, &status);
    return node == &nodes->root ? NULL : node;
}

void node_pin(struct nodes *nodes, struct node *node)
{
    list_remove(nodes, node);
}

void node_unpin(struct nodes *nodes, struct node *node)
{
    if (node->fd >= 0 && node->parent != NULL && !in_list(nodes, node))
        list_add(nodes, node);
}

void node_keep(struct nodes *nodes, struct node *node)
{
    node_fd(nodes, node); /* where that fails, it will be stale */
}

void node_gone(struct nodes *nodes, struct node *node, const struct node *dir,
               const char *name)
{
    if (!has_place(node, dir, name))
        return;
    node_hold(node);
    lose_place(nodes, node);
    node_release(nodes, node);
}

bool node_moved(struct nodes *nodes, struct node *node, struct node *dir,
                const char *name)
{
    bool ok = set_place(nodes, node, dir, name);

    settle(nodes, node);
    return ok;
}

/* ---- all of them ---------------------------------------------------------
 */

bool nodes_init(struct nodes *nodes, int fd, unsigned open_max)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return false;
    nodes->root = (struct node){.id = FUSE_ROOT_ID,
                                .fd = fd,
                                .dev = status.st_dev,
                                .ino = status.st_ino,
                                .type = S_IFDIR};
    nodes->last_id = FUSE_ROOT_ID;
    nodes->open_max = open_max;
    nodes->device[0] = status.st_dev;
    nodes->devices = 1;
    return true;
}

/* Each without regard to the others: all of them go. */
void nodes_clear(struct nodes *nodes)
{
    nodes->root.dependants = 0;
    nodes->root.lookups = 0;
    if (nodes->count == 0) /* as after most resets */
        return;
    for (unsigned i = 0; i < NODE_BUCKETS; i++) {
        struct node *node = nodes->by_id[i];

        nodes->by_id[i] = nodes->by_inode[i] = NULL;
        while (node != NULL) {
            struct node *next = node->next_by_id;

            if (node->fd >= 0)
                close(node->fd);
            free(node->name);
            free(node);
            node = next;
        }
    }
    nodes->newest = nodes->oldest = NULL;
    nodes->count = nodes->open = 0;
}

void nodes_free(struct nodes *nodes)
{
    nodes_clear(nodes);
    close(nodes->root.fd);
}

/* The low bits are the file system's own; the device's index goes where few
 * file systems have any. */
uint64_t nodes_inode(struct nodes *nodes, dev_t dev, uint64_t ino)
{
    uint64_t i = 0;

    while (i < nodes->devices && nodes->device[i] != dev)
        i++;
    if (i == nodes->devices && i < NODE_DEVICES_MAX)
        nodes->device[nodes->devices++] = dev;
    return ino ^ i << 56;
}
