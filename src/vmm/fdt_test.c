/*
 * The device tree, read back with libfdt as a guest would.
 */
#include <libfdt.h>
#include <string.h>

#include "boot.h"
#include "fdt_build.h"
#include "gic.h"
#include "test_main.h"

static uint8_t tree[BOOT_DTB_BYTES];
static uint64_t mpidr[64];
static const struct lull_ram ram = {NULL, 0x40000000, 1ULL << 33};

static struct fdt_machine machine(unsigned cpus)
{
    unsigned i;

    for (i = 0; i < cpus; i++)
        mpidr[i] = 1ULL << 31 | (i / 16) << 8 | i % 16;
    return (struct fdt_machine){
        .ram = &ram, .cpus = cpus, .mpidr = mpidr, .kaslr_seed = 0x1234};
}

static void build(const struct fdt_machine *m)
{
    struct why why;

    ck_assert_msg(fdt_build(m, tree, sizeof(tree), &why), "%s", why.text);
    ck_assert_int_eq(fdt_check_full(tree, sizeof(tree)), 0);
}

static int node(const char *path)
{
    int at = fdt_path_offset(tree, path);

    ck_assert_msg(at >= 0, "%s: %s", path, fdt_strerror(at));
    return at;
}

static uint64_t cell(const char *path, const char *name, unsigned index)
{
    int len;
    const fdt32_t *value = fdt_getprop(tree, node(path), name, &len);

    ck_assert_msg(value != NULL && len >= (int)((index + 1) * 4), "%s %s", path,
                  name);
    return fdt32_to_cpu(value[index]);
}

static uint64_t cell64(const char *path, const char *name, unsigned index)
{
    return cell(path, name, index * 2) << 32 | cell(path, name, index * 2 + 1);
}

static const char *string(const char *path, const char *name)
{
    return fdt_getprop(tree, node(path), name, NULL);
}

START_TEST(machine_as_virt)
{
    struct fdt_machine m = machine(4);

    build(&m);
    ck_assert_str_eq(string("/psci", "method"), "hvc");
    ck_assert_int_eq(
        fdt_node_check_compatible(tree, node("/psci"), "arm,psci-1.0"), 0);
    ck_assert_uint_eq(cell64("/memory@40000000", "reg", 0), 0x40000000);
    ck_assert_uint_eq(cell64("/memory@40000000", "reg", 1), 1ULL << 33);
    ck_assert_uint_eq(cell64("/intc@8000000", "reg", 0), 0x8000000);
    ck_assert_uint_eq(cell64("/intc@8000000", "reg", 1), 0x10000);
    ck_assert_uint_eq(cell64("/intc@8000000", "reg", 2), 0x80a0000);
    ck_assert_uint_eq(cell64("/intc@8000000", "reg", 3), 4 * 0x20000);
    ck_assert_uint_eq(cell("/", "interrupt-parent", 0),
                      cell("/intc@8000000", "phandle", 0));
    ck_assert_uint_eq(cell("/pl011@9000000", "interrupts", 1), FDT_UART_SPI);
    ck_assert_uint_eq(cell("/pl031@9010000", "interrupts", 1), FDT_RTC_SPI);
    ck_assert_uint_eq(cell("/pl061@9030000", "interrupts", 1), FDT_GPIO_SPI);
    ck_assert_uint_eq(cell("/gpio-keys/poweroff", "gpios", 0),
                      cell("/pl061@9030000", "phandle", 0));
    ck_assert_uint_eq(cell("/gpio-keys/poweroff", "gpios", 1), FDT_POWER_KEY);
    ck_assert_uint_eq(cell("/pl011@9000000", "clocks", 0),
                      cell("/apb-pclk", "phandle", 0));
    /* PPI 27 is number 11 of its kind, third in the list, active high */
    ck_assert_uint_eq(cell("/timer", "interrupts", 6), 1);
    ck_assert_uint_eq(cell("/timer", "interrupts", 7), 11);
    ck_assert_uint_eq(cell("/timer", "interrupts", 8), 4);
    ck_assert_int_lt(fdt_path_offset(tree, "/cpus/idle-states"), 0);
}
END_TEST

START_TEST(every_cpu_has_its_affinity)
{
    struct fdt_machine m = machine(20);

    build(&m);
    ck_assert_uint_eq(cell("/cpus/cpu@0", "reg", 0), 0);
    ck_assert_uint_eq(cell("/cpus/cpu@f", "reg", 0), 15);
    ck_assert_uint_eq(cell("/cpus/cpu@100", "reg", 0), 0x100);
    ck_assert_uint_eq(cell("/cpus/cpu@103", "reg", 0), 0x103);
    ck_assert_str_eq(string("/cpus/cpu@103", "enable-method"), "psci");
    ck_assert_int_lt(fdt_path_offset(tree, "/cpus/cpu@104"), 0);
    ck_assert_int_lt(fdt_path_offset(tree, "/cpus/cpu@10"), 0);
}
END_TEST

START_TEST(chosen_says_what_there_is)
{
    struct fdt_machine m = machine(1);
    int len;

    m.bootargs = "console=ttyAMA0 quiet";
    m.initrd = 0x48000000;
    m.initrd_end = 0x48000123;
    memset(m.rng_seed, 7, sizeof(m.rng_seed));
    build(&m);
    ck_assert_str_eq(string("/chosen", "bootargs"), "console=ttyAMA0 quiet");
    ck_assert_uint_eq(cell64("/chosen", "linux,initrd-start", 0), 0x48000000);
    ck_assert_uint_eq(cell64("/chosen", "linux,initrd-end", 0), 0x48000123);
    ck_assert_uint_eq(cell64("/chosen", "kaslr-seed", 0), 0x1234);
    ck_assert_ptr_nonnull(fdt_getprop(tree, node("/chosen"), "rng-seed", &len));
    ck_assert_int_eq(len, 64);
    /* and that the path of the console is a node */
    node(string("/chosen", "stdout-path"));
}
END_TEST

START_TEST(chosen_is_silent_about_the_rest)
{
    struct fdt_machine m = machine(1);

    build(&m);
    ck_assert_ptr_null(string("/chosen", "bootargs"));
    ck_assert_ptr_null(string("/chosen", "linux,initrd-start"));
}
END_TEST

START_TEST(virtio_windows_only_where_devices_are)
{
    static const struct fdt_virtio windows[] = {{0xa000000, 0x200, 16},
                                                {0xa000600, 0x200, 19}};
    struct fdt_machine m = machine(1);

    m.virtio = windows;
    m.virtio_count = 2;
    build(&m);
    ck_assert_uint_eq(cell64("/virtio_mmio@a000600", "reg", 0), 0xa000600);
    ck_assert_uint_eq(cell("/virtio_mmio@a000600", "interrupts", 1), 19);
    ck_assert_int_lt(fdt_path_offset(tree, "/virtio_mmio@a000200"), 0);
}
END_TEST

START_TEST(too_long_a_command_line_is_said)
{
    static char line[BOOT_DTB_BYTES];
    struct fdt_machine m = machine(64);
    struct why why;

    memset(line, 'x', sizeof(line) - 1);
    m.bootargs = line;
    ck_assert(!fdt_build(&m, tree, sizeof(tree), &why));
    ck_assert_ptr_nonnull(strstr(why.text, "--append"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        machine_as_virt,
        every_cpu_has_its_affinity,
        chosen_says_what_there_is,
        chosen_is_silent_about_the_rest,
        virtio_windows_only_where_devices_are,
        too_long_a_command_line_is_said,
    };

    return test_main("fdt", tests, COUNT_OF(tests));
}
