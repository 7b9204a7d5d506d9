/*
 * The command from outside: bad options, tiny guests, signals, and the other
 * commands against a VM that waits. argv[1] is the program to test.
 *
 * The guests are a few instructions each, raw images, so that this needs no
 * assembler and takes no time.
 */
#include <check.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS_MAX = 24, OUTPUT_MAX = 1 << 18 };

static const char *program;
static char folder[64], guest_path[96];
static char output[OUTPUT_MAX], errors[OUTPUT_MAX];

/* ---- guests
 * ----------------------------------------------------------------------- */

/* movz w0, #0x8400, lsl #16; movk w0, #function; hvc #0 */
#define PSCI(function) 0x52b08000, 0x72800000 | (function) << 5, 0xd4000002
#define POWER_OFF PSCI(8)
#define RESET PSCI(9)
/* movz x2, #0x900, lsl #16 */
#define UART_IN_X2 0xd2a12002
/* mov w1, #c; str w1, [x2] */
#define PUT(c) 0x52800001 | (c) << 5, 0xb9000041

static const uint32_t powers_off[] = {POWER_OFF};
static const uint32_t resets[] = {RESET};
static const uint32_t waits[] = {0xd503207f, 0x17ffffff}; /* wfi; b .-4 */
static const uint32_t speaks[] = {UART_IN_X2, PUT('O'), PUT('K'), PUT('\n'),
                                  POWER_OFF};
static const uint32_t runs_away[] = {0xd61f0060}; /* br x3, which is 0 */
static const uint32_t loads_a_pair[] = {UART_IN_X2, 0xa9400440};
/* str w1, [x3]: an abort to a vector table that is nowhere */
static const uint32_t writes_to_nowhere[] = {0xb9000061};
static const uint32_t undefined_smc[] = {0xd4000003, POWER_OFF};

static void put_guest(const uint32_t *words, size_t bytes)
{
    FILE *file = fopen(guest_path, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(words, 1, bytes, file), bytes);
    fclose(file);
}

#define GUEST(words) put_guest(words, sizeof(words))

/* ---- running
 * ------------------------------------------------------------------------ */

static void path_of(char *out, size_t bytes, const char *name)
{
    snprintf(out, bytes, "%s/%s", folder, name);
}

/* Start it with its streams in files, standard input from `input`. */
static pid_t start(const char *const *args, const char *input)
{
    char out[96], err[96];
    pid_t child;

    path_of(out, sizeof(out), "out");
    path_of(err, sizeof(err), "err");
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        char *argv[ARGS_MAX + 2] = {(char *)(uintptr_t)program};
        size_t i;

        for (i = 0; args[i] != NULL && i < ARGS_MAX; i++)
            argv[i + 1] = (char *)(uintptr_t)args[i];
        dup2(open(input, O_RDONLY), 0);
        dup2(open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
        dup2(open(err, O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
        execv(program, argv);
        _exit(127);
    }
    return child;
}

static void slurp(const char *name, char *text)
{
    char path[96];
    size_t len = 0;
    FILE *file;

    path_of(path, sizeof(path), name);
    file = fopen(path, "rb");
    if (file != NULL) {
        len = fread(text, 1, OUTPUT_MAX - 1, file);
        fclose(file);
    }
    text[len] = '\0';
}

/* Its exit code; 1000 + the signal that killed it. */
static int finish(pid_t child)
{
    int status;

    ck_assert_int_eq(waitpid(child, &status, 0), child);
    slurp("out", output);
    slurp("err", errors);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int lull(const char *const *args)
{
    return finish(start(args, "/dev/null"));
}

#define LULL(...) lull((const char *const[]){__VA_ARGS__, NULL})
#define RUN(...)                                                               \
    LULL("run", "--name", "t", "--kernel", guest_path, "--memory", "32M",      \
         __VA_ARGS__)

/* ---- errors
 * ----------------------------------------------------------------------------
 */

static size_t lines(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

static void one_line_with(const char *words)
{
    ck_assert_msg(lines(errors) == 1, "not one line: %s", errors);
    ck_assert_msg(strstr(errors, words) != NULL, "no \"%s\" in: %s", words,
                  errors);
    ck_assert_str_eq(output, "");
}

START_TEST(bad_options_of_run)
{
    static const struct {
        const char *option, *value, *words;
    } bad[] = {
        {"--cpus", "0", "--cpus 0"},
        {"--cpus", "65", "1 to 64"},
        {"--cpus", "-1", "--cpus -1"},
        {"--cpus", "4x", "--cpus 4x"},
        {"--cpus", "99999999999999999999", "1 to 64"},
        {"--cpus", "", "--cpus"},
        {"--memory", "0", "at least 32M"},
        {"--memory", "31M", "at least 32M"},
        {"--memory", "1.5G", "--memory 1.5G"},
        {"--memory", "1GB", "--memory 1GB"},
        {"--memory", "-1G", "--memory -1G"},
        {"--memory", "33000K", "whole MiB"},
        {"--memory", "18446744073709551615T", "--memory"},
        {"--memory", "1000000T", "this host has"},
        {"--idle", "nap", "valid are park"},
        {"--idle", "park,share=x", "share"},
        {"--gic", "v2", "vmm or framework"},
        {"--gic", "framework", "--gic vmm"},
        {"--console", "tty", "unix:PATH"},
        {"--console", "file:/nonexistent/x", "/nonexistent/x"},
        {"--name", "a/b", "--name a/b"},
        {"--name", "", "--name"},
        {"--name", "..", "--name"},
        {"--initrd", "/nonexistent/i", "/nonexistent/i"},
        {"--frobnicate", "1", "--frobnicate"},
        {"stray", "word", "stray"},
    };
    size_t i;

    GUEST(powers_off);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int status =
            LULL("run", "--kernel", guest_path, bad[i].option, bad[i].value);

        ck_assert_msg(status == 1, "%s %s: exit code %d, %s", bad[i].option,
                      bad[i].value, status, errors);
        one_line_with(bad[i].words);
    }
}
END_TEST

START_TEST(bad_use)
{
    ck_assert_int_eq(LULL("frobnicate"), 1);
    one_line_with("frobnicate");
    ck_assert_int_eq(LULL("run"), 1);
    one_line_with("--kernel");
    ck_assert_int_eq(LULL("run", "--kernel"), 1);
    one_line_with("needs a value");
    ck_assert_int_eq(LULL("run", "--kernel", "/nonexistent/k"), 1);
    one_line_with("/nonexistent/k");
    ck_assert_int_eq(LULL("run", "--no-reboot=yes"), 1);
    one_line_with("--no-reboot");
    ck_assert_int_eq(LULL("stat"), 1);
    one_line_with("no VM is running");
    ck_assert_int_eq(LULL("stat", "nobody"), 1);
    one_line_with("nobody");
    ck_assert_int_eq(LULL("stat", "a", "b"), 1);
    one_line_with("one name");
    ck_assert_int_eq(LULL("stat", "--interval", "soon"), 1);
    one_line_with("--interval soon");
    ck_assert_int_eq(LULL("stop"), 1);
    one_line_with("name of one VM");
    ck_assert_int_eq(LULL("stop", "nobody"), 1);
    one_line_with("nobody");
    ck_assert_int_eq(LULL("pause", "../../etc"), 1);
    one_line_with("no VM named");
    ck_assert_int_eq(LULL("list", "x"), 1);
    one_line_with("x");
}
END_TEST

START_TEST(help_for_every_command)
{
    static const char *const commands[] = {"run",   "list",   "stat",
                                           "pause", "resume", "stop"};
    size_t i;

    for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        char first[64];

        snprintf(first, sizeof(first), "Usage: lull %s", commands[i]);
        ck_assert_int_eq(LULL(commands[i], "--help"), 0);
        ck_assert_msg(strncmp(output, first, strlen(first)) == 0, "%s", output);
        ck_assert_str_eq(errors, "");
        ck_assert_int_eq(LULL("help", commands[i]), 0);
        ck_assert_msg(strncmp(output, first, strlen(first)) == 0, "%s", output);
    }
    ck_assert_int_eq(LULL("--help"), 0);
    ck_assert_int_eq(LULL("--version"), 0);
    ck_assert_ptr_nonnull(strstr(output, "lull "));
}
END_TEST

/* ---- guests and how they end
 * -------------------------------------------------------------- */

START_TEST(a_guest_that_powers_off)
{
    GUEST(powers_off);
    ck_assert_int_eq(RUN("--console", "none"), 0);
    ck_assert_str_eq(errors, "");
    ck_assert_int_eq(RUN("--cpus", "16"), 0);
    GUEST(undefined_smc); /* SMC works, too; then the power goes */
    ck_assert_int_eq(RUN("--console", "none"), 0);
}
END_TEST

START_TEST(a_guest_that_speaks)
{
    char log[96], spec[112];

    GUEST(speaks);
    ck_assert_int_eq(RUN("--console", "stdio"), 0);
    ck_assert_str_eq(output, "OK\n");
    ck_assert_str_eq(errors, "");
    path_of(log, sizeof(log), "log");
    snprintf(spec, sizeof(spec), "file:%s", log);
    ck_assert_int_eq(RUN("--console", spec), 0);
    slurp("log", output);
    ck_assert_str_eq(output, "OK\n");
    unlink(log);
}
END_TEST

START_TEST(a_guest_that_resets)
{
    GUEST(resets);
    ck_assert_int_eq(RUN("--no-reboot"), 3);
    one_line_with("--no-reboot");
}
END_TEST

START_TEST(guests_that_crash)
{
    GUEST(runs_away);
    ck_assert_int_eq(RUN("--console", "none"), 3);
    one_line_with("crashed");
    GUEST(loads_a_pair);
    ck_assert_int_eq(RUN("--console", "none"), 3);
    one_line_with("0x9000000");
    GUEST(writes_to_nowhere);
    ck_assert_int_eq(RUN("--console", "none"), 3);
    one_line_with("crashed");
}
END_TEST

/* ---- a VM that waits
 * ------------------------------------------------------------------------ */

static pid_t waiter;

/* Run the waiting guest as VM `name`; back when its socket answers. */
static void start_waiter(const char *const *args)
{
    GUEST(waits);
    waiter = start(args, "/dev/null");
    for (;;) {
        pid_t child =
            start((const char *const[]){"stat", "w", "--interval", "0", NULL},
                  "/dev/null");

        if (finish(child) == 0)
            break;
        ck_assert_int_eq(waitpid(waiter, NULL, WNOHANG), 0);
        usleep(10000);
    }
}

static void start_plain_waiter(void)
{
    start_waiter((const char *const[]){"run", "--name", "w", "--kernel",
                                       guest_path, "--memory", "32M", "--cpus",
                                       "2", "--console", "none", NULL});
}

START_TEST(signals_end_it_cleanly)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    char socket[96];
    size_t i;

    path_of(socket, sizeof(socket), "lull/w.sock");
    for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        start_plain_waiter();
        ck_assert_int_eq(access(socket, F_OK), 0);
        kill(waiter, signals[i]);
        ck_assert_int_eq(finish(waiter), 128 + signals[i]);
        ck_assert_int_ne(access(socket, F_OK), 0);
    }
}
END_TEST

START_TEST(a_killed_vm_leaves_nothing_in_the_way)
{
    start_plain_waiter();
    kill(waiter, SIGKILL);
    finish(waiter);
    ck_assert_int_eq(LULL("list"), 0);
    ck_assert_str_eq(output, "No VM is running.\n");
    ck_assert_int_eq(LULL("stat", "w"), 1);
    one_line_with("no VM named w");
    start_plain_waiter();
    kill(waiter, SIGTERM);
    ck_assert_int_eq(finish(waiter), 128 + SIGTERM);
}
END_TEST

static json_t *json_output(void)
{
    json_t *json = json_loads(output, 0, NULL);

    ck_assert_msg(json != NULL, "no JSON: %s", output);
    return json;
}

static const char *setting(const json_t *stats, const char *name,
                           const char *key)
{
    return json_string_value(json_object_get(
        json_object_get(json_object_get(stats, "settings"), name), key));
}

START_TEST(list_and_stat_tell_about_it)
{
    json_t *json;

    start_plain_waiter();
    ck_assert_int_eq(LULL("list"), 0);
    ck_assert_ptr_nonnull(strstr(output, "running"));
    ck_assert_int_eq(LULL("list", "--json"), 0);
    json = json_output();
    ck_assert_uint_eq(json_array_size(json), 1);
    ck_assert_int_eq(
        json_integer_value(json_object_get(json_array_get(json, 0), "pid")),
        waiter);
    json_decref(json);
    ck_assert_int_eq(LULL("stat", "--interval", "0.05"), 0);
    ck_assert_ptr_nonnull(strstr(output, "park"));
    ck_assert_int_eq(LULL("stat", "w", "--json", "--interval", "0.05"), 0);
    json = json_output();
    ck_assert_str_eq(json_string_value(json_object_get(json, "name")), "w");
    ck_assert_str_eq(setting(json, "idle", "source"), "default");
    ck_assert_str_eq(setting(json, "cpus", "source"), "--cpus");
    ck_assert_str_eq(setting(json, "cpus", "value"), "2");
    ck_assert(json_is_real(
        json_object_get(json_object_get(json, "interval"), "cpu_percent")));
    ck_assert_uint_eq(json_array_size(json_object_get(json, "cpus")), 2);
    json_decref(json);
    ck_assert_int_eq(LULL("stop", "w"), 0);
    ck_assert_int_eq(finish(waiter), 0);
}
END_TEST

START_TEST(two_of_one_name_are_one_too_many)
{
    start_plain_waiter();
    ck_assert_int_eq(LULL("run", "--name", "w", "--kernel", guest_path), 1);
    one_line_with("--name w");
    ck_assert_int_eq(LULL("stop", "w"), 0);
    ck_assert_int_eq(finish(waiter), 0);
}
END_TEST

static void status_is(const char *expected)
{
    json_t *json;

    ck_assert_int_eq(LULL("stat", "w", "--json", "--interval", "0"), 0);
    json = json_output();
    ck_assert_str_eq(json_string_value(json_object_get(json, "status")),
                     expected);
    json_decref(json);
}

START_TEST(pause_and_resume)
{
    int i;

    start_plain_waiter();
    for (i = 0; i < 3; i++) {
        ck_assert_int_eq(LULL("pause", "w"), 0);
        ck_assert_int_eq(LULL("pause", "w"), 0);
        status_is("paused");
        ck_assert_int_eq(LULL("resume", "w"), 0);
        ck_assert_int_eq(LULL("resume", "w"), 0);
        status_is("running");
    }
    ck_assert_int_eq(LULL("pause", "w"), 0);
    ck_assert_int_eq(LULL("stop", "w"), 0); /* a paused one, too */
    ck_assert_int_eq(finish(waiter), 0);
}
END_TEST

static void policy_and_source_are(const char *policy, const char *source)
{
    json_t *json;

    ck_assert_int_eq(LULL("stat", "w", "--json", "--interval", "0"), 0);
    json = json_output();
    ck_assert_str_eq(json_string_value(json_object_get(json, "policy")),
                     policy);
    ck_assert_str_eq(setting(json, "idle", "source"), source);
    json_decref(json);
    ck_assert_int_eq(LULL("stop", "w"), 0);
    finish(waiter);
}

START_TEST(the_idle_option_wins_over_the_environment)
{
    setenv("LULL_IDLE", "halt", 1);
    start_plain_waiter();
    policy_and_source_are("halt", "LULL_IDLE");
    start_waiter((const char *const[]){"run", "--name", "w", "--kernel",
                                       guest_path, "--console", "none",
                                       "--idle", "spin", NULL});
    policy_and_source_are("spin", "--idle");
    setenv("LULL_IDLE", "nap", 1);
    ck_assert_int_eq(RUN("--console", "none"), 1);
    one_line_with("LULL_IDLE");
    start_waiter((const char *const[]){"run", "--name", "w", "--kernel",
                                       guest_path, "--console", "none",
                                       "--idle", "park", NULL});
    ck_assert_int_eq(LULL("stop", "w"), 0);
    ck_assert_int_eq(finish(waiter), 0);
}
END_TEST

/* ---- around each test
 * ------------------------------------------------------------------------- */

static void setup(void)
{
    snprintf(folder, sizeof(folder), "/tmp/cli_test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    path_of(guest_path, sizeof(guest_path), "guest");
    setenv("XDG_RUNTIME_DIR", folder, 1);
    unsetenv("LULL_IDLE");
}

static void teardown(void)
{
    static const char *const names[] = {"guest", "out", "err"};
    char path[96];
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        path_of(path, sizeof(path), names[i]);
        unlink(path);
    }
    path_of(path, sizeof(path), "lull");
    rmdir(path);
    rmdir(folder);
}

int main(int argc, char **argv)
{
    const TTest *const tests[] = {
        bad_options_of_run,
        bad_use,
        help_for_every_command,
        a_guest_that_powers_off,
        a_guest_that_speaks,
        a_guest_that_resets,
        guests_that_crash,
        signals_end_it_cleanly,
        a_killed_vm_leaves_nothing_in_the_way,
        list_and_stat_tell_about_it,
        two_of_one_name_are_one_too_many,
        pause_and_resume,
        the_idle_option_wins_over_the_environment,
    };
    Suite *suite = suite_create("cli");
    TCase *tcase = tcase_create("cli");
    SRunner *runner = srunner_create(suite);
    size_t i;
    int failed;

    if (argc < 2) {
        fprintf(stderr, "usage: cli_test PROGRAM\n");
        return EXIT_FAILURE;
    }
    program = argv[1];
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
