/*
 * Listening for a panic: which lines count, and that everything passes.
 */
#include "panic.h"

#include <string.h>

#include "test_main.h"

static struct {
    char out[8192];
    size_t len, takes;
    unsigned panics, deaths, resumed;
    const struct lull_chardev_user *user;
} host;

static size_t host_write(void *opaque, const uint8_t *bytes, size_t len)
{
    if (len > host.takes)
        len = host.takes;
    memcpy(host.out + host.len, bytes, len);
    host.len += len;
    return len;
}

static size_t host_room(void *opaque)
{
    return 77;
}

static void host_resume(void *opaque)
{
    host.resumed++;
}

static void host_attach(void *opaque, const struct lull_chardev_user *user)
{
    host.user = user;
}

static const struct lull_chardev host_chardev = {
    host_write, host_room, host_resume, host_attach, NULL};

static void panicked(void *opaque, bool dead)
{
    if (dead)
        host.deaths++;
    else
        host.panics++;
}

static struct panic_watch *fresh(void)
{
    memset(&host, 0, sizeof(host));
    host.takes = sizeof(host.out);
    return panic_watch_new(&host_chardev, panicked, NULL);
}

static void say(struct panic_watch *watch, const char *text)
{
    const struct lull_chardev *chardev = panic_watch_chardev(watch);

    chardev->write(chardev->host, (const uint8_t *)text, strlen(text));
}

START_TEST(hears_the_kernels_lines)
{
    struct panic_watch *watch = fresh();

    say(watch, "[    1.393351] Kernel panic - not syncing: dead\r\n");
    ck_assert_uint_eq(host.panics, 1);
    say(watch, "Kernel panic - not syncing: no stamp\n");
    ck_assert_uint_eq(host.panics, 2);
    ck_assert_uint_eq(host.deaths, 0);
    say(watch, "[12345.000001] ---[ end Kernel panic - not syncing: x ]---\n");
    ck_assert_uint_eq(host.panics, 2);
    ck_assert_uint_eq(host.deaths, 1);
    panic_watch_free(watch);
}
END_TEST

START_TEST(hears_a_line_that_comes_byte_by_byte)
{
    static const char line[] = "x\n[ 1.0] Kernel panic - not syncing: a\n";
    struct panic_watch *watch = fresh();
    size_t i;

    for (i = 0; line[i] != '\0'; i++) {
        char one[2] = {line[i], '\0'};

        ck_assert_uint_eq(host.panics, 0);
        say(watch, one);
    }
    ck_assert_uint_eq(host.panics, 1);
    panic_watch_free(watch);
}
END_TEST

START_TEST(is_not_fooled_by_talk_about_it)
{
    static const char *const lines[] = {
        "dmesg: Kernel panic - not syncing: quoted\n",
        "  Kernel panic - not syncing\n",
        "[abc] Kernel panic - not syncing\n",
        "[1.0]Kernel panic - not syncing\n",
        "[1.0",
        "\n",
        "[\n",
        "]\n",
        "Kernel panic\n",
    };
    struct panic_watch *watch = fresh();
    char longline[1000];
    size_t i;

    for (i = 0; i < COUNT_OF(lines); i++)
        say(watch, lines[i]);
    memset(longline, 'x', sizeof(longline));
    longline[sizeof(longline) - 1] = '\0';
    say(watch, longline);
    say(watch, "Kernel panic - not syncing\n");
    ck_assert_uint_eq(host.panics, 0);
    say(watch, "Kernel panic - not syncing\n");
    ck_assert_uint_eq(host.panics, 1);
    panic_watch_free(watch);
}
END_TEST

START_TEST(passes_everything_through)
{
    struct panic_watch *watch = fresh();
    const struct lull_chardev *chardev = panic_watch_chardev(watch);
    const struct lull_chardev_user user = {0};

    say(watch, "hello\r\n");
    ck_assert_uint_eq(host.len, 7);
    ck_assert_int_eq(memcmp(host.out, "hello\r\n", 7), 0);
    host.takes = 3;
    ck_assert_uint_eq(
        chardev->write(chardev->host, (const uint8_t *)"12345", 5), 3);
    ck_assert_uint_eq(chardev->room(chardev->host), 77);
    chardev->resume(chardev->host);
    ck_assert_uint_eq(host.resumed, 1);
    chardev->attach(chardev->host, &user);
    ck_assert_ptr_eq(host.user, &user);
    panic_watch_free(watch);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        hears_the_kernels_lines,
        hears_a_line_that_comes_byte_by_byte,
        is_not_fooled_by_talk_about_it,
        passes_everything_through,
    };

    return test_main("panic", tests, COUNT_OF(tests));
}
