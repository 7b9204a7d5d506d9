/*
 * The device tree, in the shape of QEMU's `virt` machine, so that what boots
 * there finds the same things at the same places.
 *
 * Errors of libfdt are sticky here: the writer remembers the first one and
 * the rest of the tree is written into the void, so that the tree reads as a
 * tree. There are no idle-states: the only state is WFI, and it is ours to
 * make cheap.
 */
#include "fdt_build.h"

#include <libfdt.h>
#include <string.h>

#include "gic.h"

enum { PHANDLE_GIC = 1, PHANDLE_CLOCK = 2, PHANDLE_GPIO = 3 };
enum { KEY_POWER = 116, GPIO_ACTIVE_HIGH = 0 }; /* as the bindings number */
enum { GIC_SPI = 0, GIC_PPI = 1, IRQ_LEVEL_HIGH = 4 };

struct tree {
    void *fdt;
    int error;
};

static void note(struct tree *t, int error)
{
    if (t->error == 0)
        t->error = error;
}

static void begin(struct tree *t, const char *name)
{
    note(t, fdt_begin_node(t->fdt, name));
}

static void begin_at(struct tree *t, const char *name, uint64_t address)
{
    char full[64];

    snprintf(full, sizeof(full), "%s@%llx", name, (unsigned long long)address);
    begin(t, full);
}

static void end(struct tree *t)
{
    note(t, fdt_end_node(t->fdt));
}

static void bytes(struct tree *t, const char *name, const void *value,
                  size_t len)
{
    note(t, fdt_property(t->fdt, name, value, (int)len));
}

static void string(struct tree *t, const char *name, const char *value)
{
    bytes(t, name, value, strlen(value) + 1);
}

static void flag(struct tree *t, const char *name)
{
    bytes(t, name, NULL, 0);
}

static void cell(struct tree *t, const char *name, uint32_t value)
{
    note(t, fdt_property_u32(t->fdt, name, value));
}

static void cell64(struct tree *t, const char *name, uint64_t value)
{
    note(t, fdt_property_u64(t->fdt, name, value));
}

static void cells(struct tree *t, const char *name, const uint32_t *values,
                  unsigned count)
{
    fdt32_t out[32];
    unsigned i;

    for (i = 0; i < count; i++)
        out[i] = cpu_to_fdt32(values[i]);
    bytes(t, name, out, count * sizeof(out[0]));
}

/* Pairs of address and size. */
static void regions(struct tree *t, const uint64_t *values, unsigned count)
{
    fdt64_t out[8];
    unsigned i;

    for (i = 0; i < count; i++)
        out[i] = cpu_to_fdt64(values[i]);
    bytes(t, "reg", out, count * sizeof(out[0]));
}

static void region(struct tree *t, uint64_t gpa, uint64_t size_bytes)
{
    regions(t, (uint64_t[]){gpa, size_bytes}, 2);
}

static void spi(struct tree *t, unsigned number)
{
    cells(t, "interrupts", (uint32_t[]){GIC_SPI, number, IRQ_LEVEL_HIGH}, 3);
}

static void chosen(struct tree *t, const struct fdt_machine *m)
{
    begin(t, "chosen");
    if (m->bootargs != NULL)
        string(t, "bootargs", m->bootargs);
    if (m->initrd != m->initrd_end) {
        cell64(t, "linux,initrd-start", m->initrd);
        cell64(t, "linux,initrd-end", m->initrd_end);
    }
    string(t, "stdout-path", "/pl011@9000000");
    cell64(t, "kaslr-seed", m->kaslr_seed);
    bytes(t, "rng-seed", m->rng_seed, sizeof(m->rng_seed));
    end(t);
}

static void aliases(struct tree *t)
{
    begin(t, "aliases");
    string(t, "serial0", "/pl011@9000000");
    end(t);
}

static void memory(struct tree *t, const struct fdt_machine *m)
{
    begin_at(t, "memory", m->ram->gpa);
    string(t, "device_type", "memory");
    region(t, m->ram->gpa, m->ram->size_bytes);
    end(t);
}

static void cpus(struct tree *t, const struct fdt_machine *m)
{
    unsigned i;

    begin(t, "cpus");
    cell(t, "#address-cells", 1);
    cell(t, "#size-cells", 0);
    for (i = 0; i < m->cpus; i++) {
        /* One address cell holds Aff2..Aff0, and Aff3 is always 0 here. */
        uint32_t affinity = (uint32_t)m->mpidr[i] & 0xffffff;

        begin_at(t, "cpu", affinity);
        string(t, "device_type", "cpu");
        string(t, "compatible", "arm,armv8");
        cell(t, "reg", affinity);
        string(t, "enable-method", "psci");
        end(t);
    }
    end(t);
}

static void psci(struct tree *t)
{
    static const char compatible[] = "arm,psci-1.0\0arm,psci-0.2";

    begin(t, "psci");
    bytes(t, "compatible", compatible, sizeof(compatible));
    string(t, "method", "hvc");
    end(t);
}

/* Secure physical, non-secure physical, virtual, hypervisor: as the binding
 * orders them. The virtual one is the one that works. */
static void timer(struct tree *t)
{
    static const uint32_t ppis[] = {
        GIC_PPI, 13, IRQ_LEVEL_HIGH, GIC_PPI, 14, IRQ_LEVEL_HIGH,
        GIC_PPI, 11, IRQ_LEVEL_HIGH, GIC_PPI, 10, IRQ_LEVEL_HIGH,
    };

    begin(t, "timer");
    string(t, "compatible", "arm,armv8-timer");
    cells(t, "interrupts", ppis, 12);
    flag(t, "always-on");
    end(t);
}

static void interrupt_controller(struct tree *t, const struct fdt_machine *m)
{
    begin_at(t, "intc", GIC_DISTRIBUTOR_GPA);
    string(t, "compatible", "arm,gic-v3");
    flag(t, "interrupt-controller");
    cell(t, "#interrupt-cells", 3);
    cell(t, "#address-cells", 2);
    cell(t, "#size-cells", 2);
    flag(t, "ranges");
    cell(t, "#redistributor-regions", 1);
    regions(t,
            (uint64_t[]){GIC_DISTRIBUTOR_GPA, GIC_DISTRIBUTOR_BYTES,
                         GIC_REDISTRIBUTOR_GPA,
                         GIC_REDISTRIBUTOR_BYTES * m->cpus},
            4);
    cell(t, "phandle", PHANDLE_GIC);
    end(t);
}

/* The bus clock that the three PrimeCells name as theirs. */
static void clock_24mhz(struct tree *t)
{
    begin(t, "apb-pclk");
    string(t, "compatible", "fixed-clock");
    cell(t, "#clock-cells", 0);
    cell(t, "clock-frequency", 24000000);
    string(t, "clock-output-names", "clk24mhz");
    cell(t, "phandle", PHANDLE_CLOCK);
    end(t);
}

static void uart(struct tree *t)
{
    static const char compatible[] = "arm,pl011\0arm,primecell";
    static const char clocks[] = "uartclk\0apb_pclk";

    begin_at(t, "pl011", FDT_UART_GPA);
    bytes(t, "compatible", compatible, sizeof(compatible));
    region(t, FDT_UART_GPA, 0x1000);
    spi(t, FDT_UART_SPI);
    cells(t, "clocks", (uint32_t[]){PHANDLE_CLOCK, PHANDLE_CLOCK}, 2);
    bytes(t, "clock-names", clocks, sizeof(clocks));
    end(t);
}

static void rtc(struct tree *t)
{
    static const char compatible[] = "arm,pl031\0arm,primecell";

    begin_at(t, "pl031", FDT_RTC_GPA);
    bytes(t, "compatible", compatible, sizeof(compatible));
    region(t, FDT_RTC_GPA, 0x1000);
    spi(t, FDT_RTC_SPI);
    cell(t, "clocks", PHANDLE_CLOCK);
    string(t, "clock-names", "apb_pclk");
    end(t);
}

static void gpio(struct tree *t)
{
    static const char compatible[] = "arm,pl061\0arm,primecell";

    begin_at(t, "pl061", FDT_GPIO_GPA);
    bytes(t, "compatible", compatible, sizeof(compatible));
    region(t, FDT_GPIO_GPA, 0x1000);
    spi(t, FDT_GPIO_SPI);
    flag(t, "gpio-controller");
    cell(t, "#gpio-cells", 2);
    cell(t, "clocks", PHANDLE_CLOCK);
    string(t, "clock-names", "apb_pclk");
    cell(t, "phandle", PHANDLE_GPIO);
    end(t);
}

static void power_key(struct tree *t)
{
    begin(t, "gpio-keys");
    string(t, "compatible", "gpio-keys");
    begin(t, "poweroff");
    string(t, "label", "GPIO Key Poweroff");
    cell(t, "linux,code", KEY_POWER);
    cells(t, "gpios",
          (uint32_t[]){PHANDLE_GPIO, FDT_POWER_KEY, GPIO_ACTIVE_HIGH}, 3);
    end(t);
    end(t);
}

static void virtio(struct tree *t, const struct fdt_virtio *window)
{
    begin_at(t, "virtio_mmio", window->gpa);
    string(t, "compatible", "virtio,mmio");
    region(t, window->gpa, window->size_bytes);
    spi(t, window->spi);
    flag(t, "dma-coherent");
    end(t);
}

static void root(struct tree *t, const struct fdt_machine *m)
{
    unsigned i;

    begin(t, "");
    string(t, "compatible", "linux,dummy-virt");
    string(t, "model", "lull,virt");
    cell(t, "#address-cells", 2);
    cell(t, "#size-cells", 2);
    cell(t, "interrupt-parent", PHANDLE_GIC);
    chosen(t, m);
    aliases(t);
    memory(t, m);
    cpus(t, m);
    psci(t);
    timer(t);
    interrupt_controller(t, m);
    clock_24mhz(t);
    uart(t);
    rtc(t);
    gpio(t);
    power_key(t);
    for (i = 0; i < m->virtio_count; i++)
        virtio(t, &m->virtio[i]);
    end(t);
}

bool fdt_build(const struct fdt_machine *machine, void *out, int out_bytes,
               struct why *why)
{
    struct tree t = {.fdt = out};

    note(&t, fdt_create(out, out_bytes));
    note(&t, fdt_finish_reservemap(out));
    root(&t, machine);
    note(&t, fdt_finish(out));
    if (t.error == -FDT_ERR_NOSPACE)
        return because(why, "--append: the kernel command line is too long");
    if (t.error != 0)
        return because(why, "the device tree cannot be built: %s",
                       fdt_strerror(t.error));
    return true;
}
