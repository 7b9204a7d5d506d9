/*
 * The doctor's rules, with handed-in numbers: each verdict, each limit on both
 * sides, and what command lines and thread names say. The live half, with real
 * guests and processes, is tests/doctor.py.
 */
#include "doctor.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ULL

enum { THREADS = 5 };

#define SET(text, ...) snprintf(text, sizeof(text), __VA_ARGS__)

static struct doctor_observation seen;
static struct doctor_thread threads[THREADS];
static struct doctor_verdict verdict;

/* A QEMU with two vCPUs that idles: main, RCU, vCPUs 0 and 1, a worker. Two
 * seconds. */
static void an_idle_qemu(void)
{
    memset(&seen, 0, sizeof(seen));
    memset(threads, 0, sizeof(threads));
    seen.kind = DOCTOR_QEMU;
    seen.seconds = 2;
    seen.thread = threads;
    seen.thread_count = THREADS;
    seen.environment_seen = true;
    SET(seen.accel, "tcg");
    SET(seen.version, "7.2.22 (Debian)");
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i].id = 100 + i;
        threads[i].life_ns = 50 * MS;
    }
    threads[0].role = DOCTOR_MAIN;
    for (unsigned i = 2; i < 4; i++) {
        threads[i].role = DOCTOR_VCPU;
        threads[i].vcpu = i - 2;
        threads[i].run_ns = 2 * MS;
        threads[i].wakes = 20;
    }
}

static void an_idle_lull(void)
{
    an_idle_qemu();
    seen.kind = DOCTOR_LULL;
    seen.accel[0] = '\0';
    SET(seen.policy, "park,share=2");
    SET(seen.policy_from, "default");
    for (unsigned i = 2; i < 4; i++) {
        threads[i].counted = threads[i].ever_on = true;
        threads[i].wfis = threads[i].timers = 20;
    }
}

static void judged(enum doctor_finding finding)
{
    doctor_judge(&seen, &verdict);
    ck_assert_str_eq(doctor_finding_name(verdict.finding),
                     doctor_finding_name(finding));
    ck_assert_uint_ge(verdict.evidence_lines, 1);
    ck_assert_int_eq(verdict.finding == DOCTOR_HEALTHY,
                     verdict.remedy[0] == '\0');
}

static bool says(const char *text)
{
    for (unsigned i = 0; i < verdict.evidence_lines; i++)
        if (strstr(verdict.evidence[i], text) != NULL)
            return true;
    return strstr(verdict.remedy, text) != NULL;
}

static bool notes(const char *text)
{
    for (unsigned i = 0; i < verdict.notes; i++)
        if (strstr(verdict.note[i], text) != NULL)
            return true;
    return false;
}

/* ---- cool
 * --------------------------------------------------------------------
 */

START_TEST(idle_is_healthy)
{
    an_idle_qemu();
    judged(DOCTOR_HEALTHY);
    an_idle_lull();
    judged(DOCTOR_HEALTHY);
}
END_TEST

START_TEST(hot_begins_at_a_tenth_of_a_core)
{
    an_idle_qemu();
    threads[2].run_ns = 2000 * MS / 10 - 3 * MS;
    judged(DOCTOR_HEALTHY);
    threads[2].run_ns = 2000 * MS / 10;
    judged(DOCTOR_GUEST_BUSY);
}
END_TEST

START_TEST(time_in_queues_is_not_held_against_it)
{
    an_idle_qemu();
    threads[2].run_ns = 8 * MS;
    threads[2].delay_ns = 1900 * MS;
    ck_assert_double_eq_tol(doctor_load_percent(&seen, &threads[2]), 8, 0.01);
    judged(DOCTOR_HEALTHY);
    threads[2].run_ns = 100 * MS;
    judged(DOCTOR_GUEST_BUSY);
    /* Accounts read at slightly different times: never over 100. */
    threads[2].delay_ns = 1950 * MS;
    ck_assert_double_eq_tol(doctor_load_percent(&seen, &threads[2]), 100, 0.01);
}
END_TEST

START_TEST(a_window_of_nothing)
{
    an_idle_qemu();
    seen.seconds = 0;
    for (unsigned i = 0; i < THREADS; i++)
        threads[i].run_ns = 0;
    judged(DOCTOR_HEALTHY);
    seen.thread_count = 0;
    judged(DOCTOR_HEALTHY);
}
END_TEST

START_TEST(never_started)
{
    an_idle_qemu();
    threads[3].life_ns = MS / 2;
    threads[3].run_ns = 0;
    threads[3].wakes = 2;
    judged(DOCTOR_NEVER_STARTED);
    ck_assert_int_eq(verdict.thread, 103);
    ck_assert(says("vCPU 1 "));
    ck_assert(says("1 of its 2"));
    /* It wakes, or has run: then it was. */
    threads[3].wakes = 3;
    judged(DOCTOR_HEALTHY);
    threads[3].wakes = 0;
    threads[3].life_ns = MS;
    judged(DOCTOR_HEALTHY);
    /* Registers know better, in both directions. */
    threads[3].pc_samples = 1;
    threads[3].at_reset = true;
    judged(DOCTOR_NEVER_STARTED);
    threads[3].life_ns = MS / 2;
    threads[3].at_reset = false;
    judged(DOCTOR_HEALTHY);
}
END_TEST

START_TEST(held_at_the_start)
{
    an_idle_qemu();
    seen.held_at_start = true;
    judged(DOCTOR_HEALTHY); /* it was continued meanwhile */
    SET(seen.status, "prelaunch");
    judged(DOCTOR_NEVER_STARTED);
    ck_assert(says("-S"));
}
END_TEST

START_TEST(never_started_by_the_counters)
{
    an_idle_lull();
    threads[3].life_ns = MS / 2;
    threads[3].wakes = 0;
    judged(DOCTOR_HEALTHY); /* young, but on */
    threads[3].off = true;
    judged(DOCTOR_HEALTHY); /* switched off again */
    threads[3].ever_on = false;
    judged(DOCTOR_NEVER_STARTED);
    SET(seen.status, "paused");
    judged(DOCTOR_HEALTHY);
}
END_TEST

/* ---- WFI
 * ---------------------------------------------------------------------
 */

static void spin(unsigned from, unsigned to)
{
    for (unsigned i = from; i <= to; i++)
        threads[i].run_ns = 1900 * MS;
}

START_TEST(the_defect_by_version)
{
    static const char *const with[] = {"11.0", "11.0.0", "11.0.50",
                                       "11.0.1 (package)", "11.0-rc2"};
    static const char *const without[] = {"11.1.0", "10.2.2", "11.01",
                                          "1.0",    "",       "111.0.0"};

    an_idle_qemu();
    spin(2, 3);
    SET(seen.accel, "hvf");
    for (unsigned i = 0; i < sizeof(with) / sizeof(with[0]); i++) {
        SET(seen.version, "%s", with[i]);
        judged(DOCTOR_WFI_RETURNS);
        ck_assert(says("3433"));
        ck_assert(says("version and load alone"));
        ck_assert(says("a86024eb2df5"));
    }
    for (unsigned i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
        SET(seen.version, "%s", without[i]);
        judged(DOCTOR_GUEST_BUSY);
    }
    SET(seen.version, "11.0.0");
    SET(seen.accel, "tcg");
    judged(DOCTOR_GUEST_BUSY);
}
END_TEST

START_TEST(the_guest_overrules_the_version)
{
    an_idle_qemu();
    spin(2, 2);
    SET(seen.accel, "hvf");
    SET(seen.version, "11.0.0");
    threads[2].pc_samples = 20;
    threads[2].pc_at_wfi = 0;
    judged(DOCTOR_GUEST_BUSY);
    /* Version or not: */
    SET(seen.version, "10.2.2");
    threads[2].pc_at_wfi = 2;
    judged(DOCTOR_GUEST_BUSY);
    threads[2].pc_at_wfi = 3;
    judged(DOCTOR_WFI_RETURNS);
    ck_assert(!says("3433"));
    ck_assert(says("3 of 20"));
    SET(seen.version, "11.0.2");
    judged(DOCTOR_WFI_RETURNS);
    ck_assert(says("3433"));
    /* A few looks say nothing. */
    SET(seen.version, "10.2.2");
    threads[2].pc_samples = threads[2].pc_at_wfi = 4;
    judged(DOCTOR_GUEST_BUSY);
    SET(seen.accel, "tcg");
    threads[2].pc_samples = threads[2].pc_at_wfi = 20;
    judged(DOCTOR_WFI_RETURNS);
    ck_assert(says("pending"));
}
END_TEST

/* As 11.0's vCPUs are seen: 10000 wake-ups per second of CPU, from the lock and
 * not from a WFI. */
START_TEST(a_fight_for_the_lock_is_no_storm)
{
    an_idle_qemu();
    spin(2, 2);
    SET(seen.accel, "hvf");
    threads[2].wakes = 20000;
    threads[2].pc_samples = 20;
    threads[2].pc_at_wfi = 8;
    judged(DOCTOR_WFI_RETURNS);
    threads[2].wakes = 31000;
    judged(DOCTOR_TIMER_STORM);
    /* TCG waits at a WFI without it. */
    threads[2].wakes = 20000;
    SET(seen.accel, "tcg");
    judged(DOCTOR_TIMER_STORM);
    SET(seen.accel, "hvf");
    /* One that sleeps most of the time is woken that often. */
    threads[2].run_ns = 700 * MS;
    threads[2].wakes = 4000;
    judged(DOCTOR_TIMER_STORM);
}
END_TEST

START_TEST(the_defect_is_no_excuse_for_others)
{
    an_idle_qemu();
    SET(seen.accel, "hvf");
    SET(seen.version, "11.0.0");
    spin(4, 4);
    judged(DOCTOR_NOT_A_VCPU);
    ck_assert_int_eq(verdict.thread, 104);
}
END_TEST

START_TEST(counted_wfis)
{
    an_idle_lull();
    spin(2, 2);
    /* 4000 per second of CPU; four for each event */
    threads[2].wfis = 4000 * 19 / 10 - 100;
    judged(DOCTOR_GUEST_BUSY);
    threads[2].wfis = 4000 * 19 / 10 + 100;
    judged(DOCTOR_WFI_RETURNS);
    ck_assert(says("park,share=2 (from default)"));
    threads[2].timers = threads[2].wfis / 4 - 30; /* and 20 of vCPU 1 */
    judged(DOCTOR_WFI_RETURNS);
    threads[2].timers = threads[2].wfis / 4 + 10;
    judged(DOCTOR_GUEST_BUSY);
    threads[2].timers = 20;
    threads[2].pending = threads[2].wfis;
    judged(DOCTOR_WFI_RETURNS);
    ck_assert(says("does not take"));
    SET(seen.policy, "spin");
    judged(DOCTOR_WFI_RETURNS);
    ck_assert(says("idle policy spin"));
    seen.faults = true;
    judged(DOCTOR_WFI_RETURNS);
    ck_assert(says("--fault"));
}
END_TEST

/* ---- storms
 * ------------------------------------------------------------------
 */

/* vCPU 0 at half a core, waking up so often per second of all CPU. */
static void storm(uint64_t per_cpu_s)
{
    for (unsigned i = 0; i < THREADS; i++)
        threads[i].run_ns = threads[i].wakes = 0;
    threads[2].run_ns = 1000 * MS;
    threads[2].wakes = per_cpu_s;
}

START_TEST(storms_begin_at_4000_per_second_of_cpu)
{
    an_idle_qemu();
    storm(3999);
    judged(DOCTOR_GUEST_BUSY);
    storm(4000);
    judged(DOCTOR_TIMER_STORM);
    /* An idle vCPU wakes up more often than that per second of its CPU, and
     * is no storm while another thread is hot. */
    storm(0);
    threads[3].run_ns = MS;
    threads[3].wakes = 20;
    judged(DOCTOR_GUEST_BUSY);
}
END_TEST

START_TEST(timeouts_tell_the_cause)
{
    an_idle_qemu();
    storm(50000);
    threads[0].wakes = 50000; /* the main loop serves something */
    threads[0].asleep = threads[2].asleep = 12;
    judged(DOCTOR_KICK_STORM);
    threads[0].near_timeout = 2;
    judged(DOCTOR_KICK_STORM);
    threads[0].near_timeout = 3;
    judged(DOCTOR_TIMER_STORM);
    ck_assert(says("3 of 12 looks"));
    threads[0].near_timeout = 0;
    threads[2].near_timeout = 3;
    judged(DOCTOR_TIMER_STORM);
    /* A few looks say nothing; a vCPU that takes no part is no witness. */
    threads[2].asleep = 4;
    judged(DOCTOR_KICK_STORM);
    threads[2].near_timeout = 0;
    threads[3].asleep = threads[3].near_timeout = 12;
    judged(DOCTOR_KICK_STORM);
}
END_TEST

START_TEST(without_timeouts_the_company_tells)
{
    an_idle_qemu();
    storm(50000);
    judged(DOCTOR_TIMER_STORM); /* nobody else wakes up */
    threads[3].wakes = 25000;
    judged(DOCTOR_KICK_STORM);
    ck_assert(says("equally often"));
    threads[3].wakes = 24999;
    threads[0].wakes = 12499;
    judged(DOCTOR_TIMER_STORM);
    threads[0].wakes = 12500;
    judged(DOCTOR_KICK_STORM); /* the main loop serves something */
    threads[0].wakes = 0;
    threads[0].reads = 12499;
    judged(DOCTOR_TIMER_STORM);
    threads[0].reads = 12500;
    judged(DOCTOR_KICK_STORM);
    threads[0].wakes = 12500;
    threads[0].reads = 10000;
    threads[0].read_bytes = 80000;
    judged(DOCTOR_TIMER_STORM); /* events of 8 bytes */
    threads[3].wakes = 50000;
    judged(DOCTOR_TIMER_STORM); /* the timers of two vCPUs */
    threads[0].read_bytes = 79999;
    judged(DOCTOR_KICK_STORM);
    threads[0].read_bytes = 80000;
    threads[0].writes = 1000;
    judged(DOCTOR_KICK_STORM);
}
END_TEST

START_TEST(counted_storms)
{
    an_idle_lull();
    storm(50000);
    threads[2].wfis = threads[2].timers = 4500;
    judged(DOCTOR_TIMER_STORM);
    threads[2].timers = 3900;
    judged(DOCTOR_GUEST_BUSY);
    threads[2].kicks = 4500;
    judged(DOCTOR_KICK_STORM);
    threads[2].kicks = 100;
    threads[2].strays = 4500;
    judged(DOCTOR_KICK_STORM);
    ck_assert(says("strays"));
    threads[2].strays = 0;
    threads[2].gic_accesses = 27000;
    judged(DOCTOR_KICK_STORM);
    ck_assert(says("sends itself"));
}
END_TEST

/* ---- other threads, and none
 * -------------------------------------------------
 */

START_TEST(hot_but_not_a_vcpu)
{
    an_idle_qemu();
    spin(0, 0);
    judged(DOCTOR_NOT_A_VCPU);
    ck_assert(says("main loop"));
    threads[3].run_ns = 1000 * MS;
    judged(DOCTOR_NOT_A_VCPU);
    spin(2, 3);
    threads[0].run_ns = 1950 * MS; /* the hottest, of three */
    judged(DOCTOR_GUEST_BUSY);
}
END_TEST

START_TEST(no_vcpu_known)
{
    an_idle_qemu();
    threads[2].role = threads[3].role = DOCTOR_OTHER;
    spin(2, 2);
    judged(DOCTOR_NOT_A_VCPU);
}
END_TEST

START_TEST(every_finding_has_a_name_and_a_code)
{
    for (int i = 0; i < DOCTOR_FINDINGS; i++)
        for (int j = 0; j < i; j++) {
            ck_assert_str_ne(doctor_finding_name(i), doctor_finding_name(j));
            ck_assert_int_ne(doctor_finding_code(i), doctor_finding_code(j));
            ck_assert_str_ne(doctor_finding_title(i), doctor_finding_title(j));
        }
    ck_assert_int_eq(doctor_finding_code(DOCTOR_HEALTHY), 0);
}
END_TEST

/* ---- notes
 * -------------------------------------------------------------------
 */

static void variable(const char *process, const char *shell,
                     enum doctor_answer read)
{
    struct doctor_variable *it = &seen.variable[0];

    memset(it, 0, sizeof(*it));
    it->name = "HVF_WFI_SLEEP";
    it->read = read;
    it->in_process = process != NULL;
    it->in_shell = shell != NULL;
    SET(it->process, "%s", process == NULL ? "" : process);
    SET(it->shell, "%s", shell == NULL ? "" : shell);
    doctor_judge(&seen, &verdict);
}

START_TEST(environment)
{
    an_idle_qemu();
    variable(NULL, NULL, DOCTOR_NO);
    ck_assert_uint_eq(verdict.notes, 0);
    variable("50", NULL, DOCTOR_YES);
    ck_assert_uint_eq(verdict.notes, 0);
    variable("50", NULL, DOCTOR_NO);
    ck_assert(notes("read by nobody"));
    variable(NULL, "50", DOCTOR_YES);
    ck_assert(notes("in this shell but not in the process"));
    variable("50", "50", DOCTOR_YES);
    ck_assert_uint_eq(verdict.notes, 0);
    variable("50", "60", DOCTOR_YES);
    ck_assert(notes("is 60 in this shell, but 50 in the process"));
    seen.kind = DOCTOR_LULL;
    SET(seen.policy, "halt");
    SET(seen.policy_from, "--idle");
    variable("50", NULL, DOCTOR_YES);
    ck_assert(notes("not in force"));
    SET(seen.policy_from, "HVF_WFI_SLEEP");
    variable("50", NULL, DOCTOR_YES);
    ck_assert_uint_eq(verdict.notes, 0);
    seen.environment_seen = false;
    variable("50", NULL, DOCTOR_NO);
    ck_assert(notes("may not be read"));
}
END_TEST

START_TEST(binary)
{
    an_idle_qemu();
    SET(seen.program, "/opt/qemu");
    SET(seen.on_path, "/usr/bin/qemu");
    seen.program_intact = seen.program_on_path = DOCTOR_YES;
    judged(DOCTOR_HEALTHY);
    ck_assert_uint_eq(verdict.notes, 0);
    seen.program_on_path = DOCTOR_NO;
    judged(DOCTOR_HEALTHY);
    ck_assert(notes("the shell would start /usr/bin/qemu"));
    seen.program_intact = DOCTOR_NO;
    judged(DOCTOR_HEALTHY);
    ck_assert(notes("deleted or replaced"));
}
END_TEST

/* ---- what is read
 * ------------------------------------------------------------
 */

#define READ_COMMAND(...)                                                      \
    do {                                                                       \
        const char *argv[] = {"qemu", __VA_ARGS__};                            \
        memset(&seen, 0, sizeof(seen));                                        \
        seen.kind = DOCTOR_QEMU;                                               \
        doctor_read_command_line(&seen, argv, sizeof(argv) / sizeof(*argv));   \
    } while (0)

START_TEST(command_lines)
{
    READ_COMMAND("-nographic");
    ck_assert_str_eq(seen.accel, "tcg");
    ck_assert_uint_eq(seen.cpus, 1);
    ck_assert(!seen.held_at_start);
    ck_assert_str_eq(seen.command_line, "qemu -nographic");
    READ_COMMAND("-M", "virt,gic-version=3,accel=hvf", "-smp", "4,sockets=1",
                 "-S");
    ck_assert_str_eq(seen.accel, "hvf");
    ck_assert_str_eq(seen.gic, "GICv3");
    ck_assert_uint_eq(seen.cpus, 4);
    ck_assert(seen.held_at_start);
    READ_COMMAND("--machine", "virt,kernel-irqchip=off", "--accel",
                 "tcg,thread=multi", "-smp", "maxcpus=8,cpus=2");
    ck_assert_str_eq(seen.accel, "tcg");
    ck_assert_str_eq(seen.gic, "kernel-irqchip=off");
    ck_assert_uint_eq(seen.cpus, 2);
    READ_COMMAND("-enable-kvm", "-qmp", "unix:/tmp/q,server=on", "-smp");
    ck_assert_str_eq(seen.accel, "kvm");
    ck_assert_str_eq(seen.qmp_hint, "/tmp/q");
    READ_COMMAND("-qmp", "tcp:localhost:4444", "-smp", "99999999", "-", "--");
    ck_assert_str_eq(seen.qmp_hint, "");
    ck_assert_uint_eq(seen.cpus, 1);
}
END_TEST

static void name(unsigned thread, const char *text)
{
    SET(threads[thread].name, "%s", text);
}

static void unknown_roles(void)
{
    an_idle_qemu();
    for (unsigned i = 1; i < THREADS; i++)
        threads[i].role = DOCTOR_OTHER;
}

START_TEST(roles_by_name)
{
    unknown_roles();
    name(1, "call_rcu");
    name(2, "CPU 1/TCG");
    name(3, "CPU 10/KVM");
    name(4, "CPU x");
    doctor_guess_roles(&seen);
    ck_assert_int_eq(threads[0].role, DOCTOR_MAIN);
    ck_assert_int_eq(threads[1].role, DOCTOR_OTHER);
    ck_assert_int_eq(threads[2].role, DOCTOR_VCPU);
    ck_assert_uint_eq(threads[2].vcpu, 1);
    ck_assert_uint_eq(threads[3].vcpu, 10);
    ck_assert_int_eq(threads[4].role, DOCTOR_OTHER);
}
END_TEST

START_TEST(roles_by_order)
{
    unknown_roles();
    seen.cpus = 2;
    threads[2].in_poll = 3; /* an I/O thread */
    doctor_guess_roles(&seen);
    ck_assert_int_eq(threads[1].role, DOCTOR_OTHER);
    ck_assert_int_eq(threads[2].role, DOCTOR_OTHER);
    ck_assert_uint_eq(threads[3].vcpu, 0);
    ck_assert_uint_eq(threads[4].vcpu, 1);
    ck_assert_int_eq(threads[4].role, DOCTOR_VCPU);
    /* Workers come last. */
    unknown_roles();
    seen.cpus = 2;
    doctor_guess_roles(&seen);
    ck_assert_int_eq(threads[3].role, DOCTOR_VCPU);
    ck_assert_int_eq(threads[4].role, DOCTOR_OTHER);
    /* Only of a QEMU is the order known. */
    unknown_roles();
    seen.kind = DOCTOR_ANY_PROCESS;
    doctor_guess_roles(&seen);
    ck_assert_int_eq(threads[2].role, DOCTOR_OTHER);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("doctor");
    SRunner *runner = srunner_create(suite);
    TCase *all = tcase_create("all");
    int failed;

    tcase_add_test(all, idle_is_healthy);
    tcase_add_test(all, hot_begins_at_a_tenth_of_a_core);
    tcase_add_test(all, time_in_queues_is_not_held_against_it);
    tcase_add_test(all, a_window_of_nothing);
    tcase_add_test(all, never_started);
    tcase_add_test(all, held_at_the_start);
    tcase_add_test(all, never_started_by_the_counters);
    tcase_add_test(all, the_defect_by_version);
    tcase_add_test(all, the_guest_overrules_the_version);
    tcase_add_test(all, a_fight_for_the_lock_is_no_storm);
    tcase_add_test(all, the_defect_is_no_excuse_for_others);
    tcase_add_test(all, counted_wfis);
    tcase_add_test(all, storms_begin_at_4000_per_second_of_cpu);
    tcase_add_test(all, timeouts_tell_the_cause);
    tcase_add_test(all, without_timeouts_the_company_tells);
    tcase_add_test(all, counted_storms);
    tcase_add_test(all, hot_but_not_a_vcpu);
    tcase_add_test(all, no_vcpu_known);
    tcase_add_test(all, every_finding_has_a_name_and_a_code);
    tcase_add_test(all, environment);
    tcase_add_test(all, binary);
    tcase_add_test(all, command_lines);
    tcase_add_test(all, roles_by_name);
    tcase_add_test(all, roles_by_order);
    suite_add_tcase(suite, all);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
