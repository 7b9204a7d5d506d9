/*
 * The view of `lull top`: bars, columns at every width, order. VMs are handed
 * in; the live half is tests/top.py.
 */
#include "top.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VMS = 3 };

static struct top_vm vm[VMS];
static struct top_vm *order[VMS];
static struct top_vms vms;
static struct top_view view;

static json_t *reading(double now_s, double cpu_s, int switches, int late)
{
    json_int_t now_ns = (json_int_t)(now_s * 1e9);
    json_int_t cpu_ns = (json_int_t)(cpu_s * 1e9);

    return json_pack("{s:s,s:I,s:I,s:{s:I,s:i},s:[{s:s,s:I,s:{s:[i,i,i]}}]}",
                     "status", "running", "now_ns", now_ns, "uptime_ns", now_ns,
                     "process", "cpu_ns", cpu_ns, "voluntary_switches",
                     switches, "cpus", "power", "on", "cpu_ns", cpu_ns, "idle",
                     "timer_late", late == 0, late == 1, late == 2);
}

static void add(unsigned i, const char *name, double cpu_s, int switches,
                int late)
{
    snprintf(vm[i].name, sizeof(vm[i].name), "%s", name);
    vm[i].r.before = reading(1, 0, 0, -1);
    vm[i].r.after = reading(2, cpu_s, switches, late);
    readings_time(&vm[i].r);
    order[i] = &vm[i];
}

static void three_vms(void)
{
    memset(vm, 0, sizeof(vm));
    add(0, "b", 0.2, 10, 2);
    add(1, "c", 0.9, 5, 0);
    add(2, "a", 0.2, 20, 1);
    vms = (struct top_vms){order, VMS, TOP_BY_CPU};
}

static void drop(void)
{
    for (unsigned i = 0; i < VMS; i++)
        readings_drop(&vm[i].r);
    top_view_free(&view);
}

START_TEST(sorted)
{
    static const char *const want[] = {
        [TOP_BY_CPU] = "cab",
        [TOP_BY_NAME] = "abc",
        [TOP_BY_WAKES] = "abc",
        [TOP_BY_LATENESS] = "bac",
    };

    three_vms();
    for (int sort = TOP_BY_CPU; sort <= TOP_BY_LATENESS; sort++) {
        vms.sort = (enum top_sort)sort;
        top_sort(&vms);
        for (unsigned i = 0; i < VMS; i++)
            ck_assert_int_eq(vms.vm[i]->name[0], want[sort][i]);
    }
    drop();
}
END_TEST

START_TEST(every_width)
{
    three_vms();
    strcpy(vm[2].name,
           "a-name-that-is-as-long-as-any-name-of-a-vm-may-be-or-so");
    for (unsigned width = 0; width < 600; width++) {
        size_t most = width < TOP_WIDTH_MIN ? TOP_WIDTH_MIN : width;

        top_build(&view, &vms, width, true);
        ck_assert_uint_eq(view.count, 3 + 2 * VMS);
        for (size_t i = 0; i < view.count; i++)
            ck_assert_uint_le(strlen(view.line[i].text), most);
        /* The figures are never what is cut off. */
        ck_assert_ptr_nonnull(strstr(view.line[2].text, "LATE us"));
    }
    top_build(&view, &vms, 80, false);
    ck_assert_uint_eq(view.count, 3 + VMS);
    drop();
}
END_TEST

START_TEST(nothing_to_show)
{
    vms = (struct top_vms){0};
    top_build(&view, &vms, 80, true);
    ck_assert_str_eq(view.line[view.count - 1].text, "No VM is running.");
    three_vms();
    snprintf(vm[0].trouble, sizeof(vm[0].trouble), "%s", "does not answer");
    readings_drop(&vm[0].r);
    vm[0].r.seconds = 0;
    top_build(&view, &vms, 80, true);
    ck_assert_ptr_nonnull(strstr(view.line[3].text, "does not answer"));
    drop();
}
END_TEST

START_TEST(bars)
{
    double percent[READING_STATES] = {0};
    char bar[16];

    top_bar(percent, 10, bar);
    ck_assert_str_eq(bar, "          ");
    percent[READING_RUN] = 50;
    percent[READING_PARK] = 50;
    top_bar(percent, 10, bar);
    ck_assert_str_eq(bar, "#####_____");
    percent[READING_RUN] = 1; /* little, but there */
    percent[READING_PARK] = 0;
    percent[READING_PARK_DEADLINE] = 99;
    top_bar(percent, 10, bar);
    ck_assert_str_eq(bar, "#.........");
    percent[READING_RUN] = 0.9;
    top_bar(percent, 10, bar);
    ck_assert_str_eq(bar, "..........");
    percent[READING_PARK_DEADLINE] = 0;
    percent[READING_RUN] = 60;
    percent[READING_SPIN] = 20;
    percent[READING_SLICED] = 20;
    top_bar(percent, 5, bar);
    ck_assert_str_eq(bar, "###sz");
    top_bar(percent, 0, bar);
    ck_assert_str_eq(bar, "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("top");
    SRunner *runner = srunner_create(suite);
    TCase *all = tcase_create("all");
    int failed;

    tcase_add_test(all, sorted);
    tcase_add_test(all, every_width);
    tcase_add_test(all, nothing_to_show);
    tcase_add_test(all, bars);
    suite_add_tcase(suite, all);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
