/*
 * The agent's client against a port that takes what it is told to.
 */
#include <string.h>

#include "agent.h"
#include "test_main.h"

static struct agent *agent;
static uint64_t now;
static char heard[512];
static size_t heard_len, takes;
static bool there;

static uint64_t read_now(void)
{
    return now;
}

static size_t receive(void *opaque, const uint8_t *bytes, size_t len)
{
    size_t taken = len < takes ? len : takes;

    memcpy(heard + heard_len, bytes, taken);
    heard_len += taken;
    heard[heard_len] = '\0';
    takes -= taken;
    return taken;
}

static void peer(void *opaque, bool is_there)
{
    there = is_there;
}

/* The loop of these tests: at once. */
bool lull_loop_post(struct lull_loop *loop, void (*work)(void *opaque),
                    void *opaque)
{
    static void (*next)(void *opaque);
    static void *with;

    if (work == NULL) {
        work = next;
        next = NULL;
        if (work != NULL)
            work(with);
        return true;
    }
    next = work;
    with = opaque;
    return true;
}

static void run_loop(void)
{
    lull_loop_post(NULL, NULL, NULL);
}

static void resume(size_t bytes)
{
    const struct lull_chardev *port = agent_chardev(agent);

    takes = bytes;
    port->resume(port->host);
    run_loop();
}

static void setup(void)
{
    static const struct lull_chardev_user user = {.receive = receive,
                                                  .peer = peer};

    agent = agent_new(NULL, read_now);
    ck_assert_ptr_nonnull(agent);
    heard_len = 0;
    heard[0] = '\0';
    takes = sizeof(heard);
    there = false;
    now = 1000;
    agent_chardev(agent)->attach(agent_chardev(agent)->host, &user);
}

static void teardown(void)
{
    agent_free(agent);
}

#define COMMAND(time)                                                          \
    "\xff{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":1}}\n"    \
    "{\"execute\":\"guest-set-time\",\"arguments\":{\"time\":" time "}}\n"

START_TEST(an_agent_that_listens_is_told)
{
    ck_assert(there);
    agent_set_time(agent);
    ck_assert_str_eq(heard, COMMAND("1000"));
    ck_assert_uint_eq(agent_stats(agent).told, 1);
    resume(100);
    ck_assert_str_eq(heard, COMMAND("1000"));
}
END_TEST

/* Not with the time at which it would have been told. */
START_TEST(an_agent_that_comes_later_is_told_the_time_of_then)
{
    takes = 0;
    agent_set_time(agent);
    now = 2000;
    agent_set_time(agent);
    now = 3000;
    resume(sizeof(heard));
    ck_assert_str_eq(heard, COMMAND("3000"));
    ck_assert_uint_eq(agent_stats(agent).told, 1);
}
END_TEST

START_TEST(a_command_that_goes_in_pieces)
{
    takes = 7;
    agent_set_time(agent);
    now = 2000;
    agent_set_time(agent); /* another one, behind the first */
    resume(5);
    resume(sizeof(heard));
    ck_assert_str_eq(heard, COMMAND("1000"));
    resume(sizeof(heard));
    ck_assert_str_eq(heard, COMMAND("1000") COMMAND("2000"));
}
END_TEST

static void answer(const char *text)
{
    const struct lull_chardev *port = agent_chardev(agent);

    for (size_t i = 0; i < strlen(text); i++)
        port->write(port->host, (const uint8_t *)text + i, 1);
}

/* As QEMU's agent says it: what the delimiter broke off, an acknowledgement,
 * what became of the command. */
#define SYNC                                                                   \
    "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Invalid JSON\"}}\n" \
    "\xff{\"return\": 1}\n"

START_TEST(answers_are_counted)
{
    answer("{\"error\": {}}\n");
    answer(SYNC "{\"return\": {}}\n{\"error\": {}}\n");
    ck_assert_uint_eq(agent_stats(agent).answers, 1);
    ck_assert_uint_eq(agent_stats(agent).refused, 0);
    answer("\xff{\"ret");
    answer(SYNC "{\"return\": {}}\n");
    ck_assert_uint_eq(agent_stats(agent).answers, 2);
    ck_assert_uint_eq(agent_stats(agent).refused, 0);
    ck_assert_str_eq(agent_stats(agent).refusal, "");
}
END_TEST

START_TEST(a_refusal_says_why)
{
    answer(SYNC "{\"error\": {\"class\": \"GenericError\", \"desc\": "
                "\"this feature or command is not currently supported\"}}\n");
    ck_assert_uint_eq(agent_stats(agent).answers, 1);
    ck_assert_uint_eq(agent_stats(agent).refused, 1);
    ck_assert_str_eq(agent_stats(agent).refusal,
                     "this feature or command is not currently supported");
    answer(SYNC "{\"error\": 7}\n");
    ck_assert_str_eq(agent_stats(agent).refusal, "no reason given");
    answer(SYNC "{\"error\": {\"desc\": \"red \x1b[31m\"}}\n");
    ck_assert_str_eq(agent_stats(agent).refusal, "red ");
}
END_TEST

START_TEST(a_line_without_an_end)
{
    answer("\xff{\"return\": 1}\n{\"error\": {\"desc\": \"");
    for (unsigned i = 0; i < 1000; i++)
        answer("aaaaaaa");
    answer("\n");
    ck_assert_uint_eq(agent_stats(agent).refused, 1);
    ck_assert_uint_eq(strlen(agent_stats(agent).refusal),
                      AGENT_REFUSAL_BYTES - 1);
}
END_TEST

START_TEST(no_agent_is_nothing)
{
    agent_set_time(NULL);
    agent_chardev(agent)->attach(agent_chardev(agent)->host, NULL);
    agent_set_time(agent);
    ck_assert_uint_eq(heard_len, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        an_agent_that_listens_is_told,
        an_agent_that_comes_later_is_told_the_time_of_then,
        a_command_that_goes_in_pieces,
        answers_are_counted,
        a_refusal_says_why,
        a_line_without_an_end,
        no_agent_is_nothing,
    };

    return test_main_with("agent", tests, COUNT_OF(tests), setup, teardown);
}
