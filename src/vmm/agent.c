/*
 * A command waits until the port takes it, and only then says what time it is:
 * a guest whose agent starts an hour later is not set an hour back.
 *
 * Before it goes a byte that no text has, at which the agent forgets what it
 * may have heard half of from a machine that was reset, and a request to answer
 * with the same byte (guest-sync-delimited). What comes before that is about
 * the half, the line behind it acknowledges, and the next is the command's.
 *
 * It is all the guest's to write: looked at a line at a time, counted, and of
 * an error the text kept, as far as it is plain.
 */
#include "agent.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lull/clock.h"

enum { LINE_MAX_BYTES = 256, WELCOME_BYTES = 4096, DELIMITER = 0xff };

/* What the line is that is being heard. */
enum hearing { HEAR_OLD, HEAR_SYNC, HEAR_ANSWER };

struct agent {
    struct lull_chardev chardev;
    struct lull_loop *loop;
    uint64_t (*now_ns)(void);
    struct lull_chardev_user user; /* loop */
    bool wanted;                   /* loop: a command is to be made */
    char out[256];                 /* loop: what is left of the last one */
    size_t out_len, out_at;

    pthread_mutex_t lock;
    bool posted; /* the loop was asked to look */
    struct agent_stats stats;
    enum hearing hearing;
    char line[LINE_MAX_BYTES]; /* the beginning of the one being heard */
    size_t line_len;
};

static uint64_t wall_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

static void compose(struct agent *agent)
{
    agent->out_len = (size_t)snprintf(
        agent->out, sizeof(agent->out),
        "\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":1}}\n"
        "{\"execute\":\"guest-set-time\",\"arguments\":{\"time\":%" PRIu64
        "}}\n",
        agent->now_ns());
    agent->out_at = 0;
    agent->wanted = false;
}

/* What the port takes of it now; when it takes more, it says so. Nothing of a
 * command was taken: it is made anew then. */
static void try_to_tell(struct agent *agent)
{
    if (agent->user.receive == NULL)
        return;
    if (agent->out_at == agent->out_len) {
        if (!agent->wanted)
            return;
        compose(agent);
    }
    agent->out_at += agent->user.receive(
        agent->user.opaque, (const uint8_t *)agent->out + agent->out_at,
        agent->out_len - agent->out_at);
    if (agent->out_at == 0) {
        agent->out_len = 0;
        agent->wanted = true;
    } else if (agent->out_at == agent->out_len) {
        pthread_mutex_lock(&agent->lock);
        agent->stats.told++;
        pthread_mutex_unlock(&agent->lock);
    }
}

/* ---- what the port calls ---------------------------------------------------
 */

static void look(void *opaque)
{
    struct agent *agent = opaque;

    pthread_mutex_lock(&agent->lock);
    agent->posted = false;
    pthread_mutex_unlock(&agent->lock);
    try_to_tell(agent);
}

static void port_resume(void *host)
{
    struct agent *agent = host;

    pthread_mutex_lock(&agent->lock);
    if (!agent->posted)
        agent->posted = lull_loop_post(agent->loop, look, agent);
    pthread_mutex_unlock(&agent->lock);
}

/* The error's description, up to its end or what is not plain. */
static void note_refusal(struct agent_stats *stats, const char *line)
{
    static const char key[] = "\"desc\": \"";
    const char *text = strstr(line, key);
    size_t len = 0;

    stats->refused++;
    text = text != NULL ? text + sizeof(key) - 1 : "no reason given";
    while (len < sizeof(stats->refusal) - 1 && text[len] >= ' ' &&
           text[len] <= '~' && text[len] != '"' && text[len] != '\\')
        len++;
    memcpy(stats->refusal, text, len);
    stats->refusal[len] = '\0';
}

static void hear_line(struct agent *agent)
{
    if (agent->hearing == HEAR_ANSWER) {
        agent->stats.answers++;
        if (strstr(agent->line, "\"error\"") != NULL)
            note_refusal(&agent->stats, agent->line);
    }
    agent->hearing = agent->hearing == HEAR_SYNC ? HEAR_ANSWER : HEAR_OLD;
}

static void hear(struct agent *agent, uint8_t byte)
{
    if (byte == DELIMITER) {
        agent->hearing = HEAR_SYNC;
        agent->line_len = 0;
    } else if (byte == '\n') {
        agent->line[agent->line_len] = '\0';
        agent->line_len = 0;
        hear_line(agent);
    } else if (agent->line_len < sizeof(agent->line) - 1) {
        agent->line[agent->line_len++] = (char)byte;
    }
}

static size_t port_write(void *host, const uint8_t *bytes, size_t len)
{
    struct agent *agent = host;

    pthread_mutex_lock(&agent->lock);
    for (size_t i = 0; i < len; i++)
        hear(agent, bytes[i]);
    pthread_mutex_unlock(&agent->lock);
    return len;
}

static size_t port_room(void *host)
{
    return WELCOME_BYTES;
}

static void port_attach(void *host, const struct lull_chardev_user *user)
{
    struct agent *agent = host;

    agent->user = (struct lull_chardev_user){0};
    if (user == NULL)
        return;
    agent->user = *user;
    if (user->peer != NULL)
        user->peer(user->opaque, true);
}

/* ---- the interface ---------------------------------------------------------
 */

struct agent *agent_new(struct lull_loop *loop, uint64_t (*now_ns)(void))
{
    struct agent *agent = calloc(1, sizeof(*agent));

    if (agent == NULL)
        return NULL;
    agent->loop = loop;
    agent->now_ns = now_ns != NULL ? now_ns : wall_ns;
    agent->chardev = (struct lull_chardev){port_write, port_room, port_resume,
                                           port_attach, agent};
    pthread_mutex_init(&agent->lock, NULL);
    return agent;
}

void agent_free(struct agent *agent)
{
    if (agent == NULL)
        return;
    pthread_mutex_destroy(&agent->lock);
    free(agent);
}

const struct lull_chardev *agent_chardev(const struct agent *agent)
{
    return &agent->chardev;
}

void agent_set_time(struct agent *agent)
{
    if (agent == NULL)
        return;
    agent->wanted = true;
    try_to_tell(agent);
}

struct agent_stats agent_stats(struct agent *agent)
{
    struct agent_stats stats;

    pthread_mutex_lock(&agent->lock);
    stats = agent->stats;
    pthread_mutex_unlock(&agent->lock);
    return stats;
}
