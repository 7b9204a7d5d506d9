/*
 * Any snapshot file against the reader and every device's `state`: refused, or
 * loaded into a machine that then goes on without a crash.
 *
 * A fuzzer cannot guess checksums, so an input is a list of sections, and the
 * file is made of them: a type, a number (4 bytes), a length (2 bytes), the
 * contents. With the first byte odd, the rest is the file itself.
 *
 * SNAPSHOT_SEED=FILE in the environment writes an input that is a whole machine
 * whose devices have drivers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz_input.h"
#include "lull/bytes.h"
#include "machine.h"
#include "slots.h"
#include "snapshot.h"

enum { CPUS = 2, RAM_BYTES = 1 << 18, DISK_BYTES = 1 << 16 };

static struct lull_vm vm;
static const char *disks[1];
static const char *const ports[] = {"one=none", "two=agent"};
static uint64_t mpidr[CPUS] = {0x80000000, 0x80000001};
static int file;
static char path[64];

static void need(bool good)
{
    if (!good)
        abort();
}

/* ---- the machine -----------------------------------------------------------
 */

static struct lull_irq line(void *opaque, unsigned spi)
{
    return (struct lull_irq){
        .set = gic_irq_line, .opaque = vm.gic, .line = GIC_SPI_BASE + spi};
}

static void give(void *opaque, void *at, uint64_t bytes)
{
    memset(at, 0, bytes);
}

static void kick(void *opaque, unsigned cpu)
{
}

static void make_disk(char *disk_path)
{
    int fd = mkstemp(disk_path);

    need(fd >= 0 && ftruncate(fd, DISK_BYTES) == 0);
    close(fd);
    disks[0] = disk_path;
}

static void make_devices(struct why *why)
{
    struct gic_config gic = {.cpus = CPUS, .mpidr = mpidr, .kick = kick};
    struct lull_console_config console = {.loop = vm.loop};

    vm.gic = gic_new(&gic);
    vm.rtc = lull_pl031_new(&(struct lull_pl031_config){.loop = vm.loop});
    vm.gpio = lull_pl061_new(&(struct lull_pl061_config){.loop = vm.loop});
    vm.console =
        lull_console_new(&console, "none", why->text, sizeof(why->text));
    need(vm.gic && vm.rtc && vm.gpio && vm.console);
    vm.uart = lull_pl011_new(0x09000000, line(NULL, 1),
                             lull_console_chardev(vm.console));
    vm.slots = slots_new(&vm.config,
                         &(struct slots_host){.ram = &vm.ram,
                                              .loop = vm.loop,
                                              .memory = {give, NULL},
                                              .line = line},
                         why);
    need(vm.uart && vm.slots && slots_start(vm.slots, why));
}

static void make_machine(void)
{
    static char disk_path[] = "/tmp/lull-fuzz-XXXXXX";
    struct idle_config idle = {.policy = {.name = "park"},
                               .force_exit = vcpu_force_exit};
    struct why why;

    make_disk(disk_path);
    vm.config = (struct lull_vm_config){
        .name = "fuzz",
        .console = "none",
        .virtio_console = "none",
        .ports = ports,
        .port_count = 2,
        .disks = disks,
        .disk_count = 1,
        .disks_given = true,
        .cpus = CPUS,
        .memory_bytes = RAM_BYTES,
    };
    vm.ram = (struct lull_ram){mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                               MACHINE_RAM_GPA, RAM_BYTES};
    need(vm.ram.host != MAP_FAILED && hv_vm_create(NULL) == HV_SUCCESS);
    vm.news_fd[0] = vm.news_fd[1] = -1;
    vm.loop = lull_loop_new();
    ticks_init(&vm.ticks);
    make_devices(&why);
    unlink(disk_path);
    for (unsigned i = 0; i < CPUS; i++) {
        vm.vcpu[i].vm = &vm;
        vm.vcpu[i].index = i;
        vm.vcpu[i].mpidr = mpidr[i];
        atomic_store(&vm.vcpu[i].power, PSCI_OFF);
        idle.opaque = &vm.vcpu[i];
        vm.vcpu[i].idle = idle_vcpu_new(&idle);
    }
    file = memfd_create("snapshot", MFD_CLOEXEC);
    need(file >= 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
}

/* ---- after a load ----------------------------------------------------------
 */

static void poke(const struct lull_mmio *m, unsigned offset, uint32_t value)
{
    m->write(m->dev, offset, 4, value);
}

/* Look at everything, and let the drivers that were there notify. */
static void use_devices(void)
{
    const char *name;
    uint64_t value;

    for (unsigned i = 0; i < LULL_VIRTIO_SLOTS; i++) {
        struct lull_virtio *device = slots_device(vm.slots, i, &name);
        const struct lull_mmio *m;

        if (device == NULL)
            continue;
        m = lull_virtio_mmio(device);
        for (unsigned j = 0; j < m->size_bytes; j += 4)
            m->read(m->dev, j, 4);
        for (unsigned j = 0; j < 4; j++)
            poke(m, 0x050, j);
    }
    for (unsigned i = 0; i < 0x100; i += 4) {
        lull_pl011_mmio(vm.uart)->read(vm.uart, i, 4);
        lull_pl031_mmio(vm.rtc)->read(vm.rtc, i, 4);
        lull_pl061_mmio(vm.gpio)->read(vm.gpio, 0x3fc + i, 4);
    }
    for (unsigned i = 0; i < CPUS; i++) {
        gic_sysreg_read(vm.gic, i, 0xc640, &value);
        gic_sysreg_read(vm.gic, i, 0xc660, &value);
        gic_sysreg_write(vm.gic, i, 0xc661, value);
    }
}

static void take_vcpu(struct vcpu *vcpu, bool loaded)
{
    if (vcpu->load_from == NULL)
        return;
    if (loaded)
        vcpu_load(vcpu, vcpu->load_from);
    if (vcpu->hv_exists) {
        vcpu->hv_exists = false;
        hv_vcpu_destroy(vcpu->hv);
    }
    free(vcpu->load_from->bytes);
    free(vcpu->load_from);
    vcpu->load_from = NULL;
}

/* False: it was refused. */
static bool load(void)
{
    char err[LULL_ERROR_BYTES];
    const char *const *arguments;
    struct why why = {""};
    bool loaded;

    vm.config.restore = lull_snapshot_open(path, err, sizeof(err));
    if (vm.config.restore == NULL) {
        need(err[0] != '\0');
        return false;
    }
    for (size_t n = lull_snapshot_arguments(vm.config.restore, &arguments);
         n > 0; n--)
        need(strlen(arguments[n - 1]) < RAM_BYTES);
    loaded = snapshot_load(&vm, &why);
    need(loaded || why.text[0] != '\0');
    for (unsigned i = 0; i < CPUS; i++)
        take_vcpu(&vm.vcpu[i], loaded);
    slots_thaw(vm.slots);
    if (loaded)
        use_devices();
    slots_reset(vm.slots);
    lull_pl011_reset(vm.uart);
    lull_pl031_reset(vm.rtc);
    lull_pl061_reset(vm.gpio);
    gic_reset(vm.gic);
    memset(vm.ram.host, 0, RAM_BYTES);
    lull_snapshot_free(vm.config.restore);
    return loaded;
}

/* ---- a whole one -----------------------------------------------------------
 */

static void put_section(FILE *seed, enum snapshot_type type, unsigned number,
                        const void *bytes, size_t len)
{
    uint8_t head[7] = {type};

    need(len <= UINT16_MAX);
    put_le32(head + 1, number);
    put_le16(head + 5, (uint16_t)len);
    fwrite(head, sizeof(head), 1, seed);
    fwrite(bytes, len, 1, seed);
}

static void put_state(FILE *seed, enum snapshot_type type, unsigned number,
                      struct lull_state *state)
{
    put_section(seed, type, number, state->bytes, state->len);
    free(state->bytes);
    *state = (struct lull_state){0};
}

/* As a driver does: every feature, and queues of 8 one behind the other. */
static void drive(struct lull_virtio *device)
{
    const struct lull_mmio *m = lull_virtio_mmio(device);

    poke(m, 0x070, 3);
    for (unsigned i = 0; i < 2; i++) {
        poke(m, 0x014, i);
        poke(m, 0x024, i);
        poke(m, 0x020, (uint32_t)m->read(m->dev, 0x010, 4));
    }
    poke(m, 0x070, 11);
    for (unsigned i = 0; i < 4; i++) {
        poke(m, 0x030, i);
        poke(m, 0x038, 8);
        for (unsigned j = 0; j < 3; j++)
            poke(m, 0x080 + 0x10 * j,
                 (uint32_t)MACHINE_RAM_GPA + 0x1000 * i + 0x400 * j);
        poke(m, 0x044, 1);
    }
    poke(m, 0x070, 15);
}

static void put_vcpus(FILE *seed)
{
    struct lull_state state = {0};

    for (unsigned i = 0; i < CPUS; i++) {
        if (i == 0) {
            need(vcpu_make(&vm.vcpu[i]));
            vcpu_set_reg(&vm.vcpu[i], HV_REG_CPSR, 0x3c5);
            atomic_store(&vm.vcpu[i].power, PSCI_ON);
        }
        vcpu_save(&vm.vcpu[i], &state);
        put_state(seed, SNAPSHOT_VCPU, i, &state);
    }
    atomic_store(&vm.vcpu[0].power, PSCI_OFF);
    vm.vcpu[0].hv_exists = false;
    hv_vcpu_destroy(vm.vcpu[0].hv);
}

static void put_slots(FILE *seed)
{
    struct lull_state state = {0};
    const char *name;

    for (unsigned i = 0; i < LULL_VIRTIO_SLOTS; i++) {
        struct lull_virtio *device = slots_device(vm.slots, i, &name);

        if (device == NULL)
            continue;
        drive(device);
        lull_virtio_state(device, &state);
        put_state(seed, SNAPSHOT_VIRTIO, i, &state);
    }
}

static void write_seed(FILE *seed)
{
    static const char config[] = "{\"arguments\":[\"cpus=2\",\"no-reboot\"]}";
    struct snapshot_machine machine;
    struct lull_state state = {0};
    uint8_t page[SNAPSHOT_PAGE_BYTES] = {1, 2, 3};

    fputc(0, seed);
    put_section(seed, SNAPSHOT_CONFIG, 0, config, sizeof(config) - 1);
    snapshot_machine_of(&vm, &machine);
    snapshot_machine_state(&machine, &state);
    put_state(seed, SNAPSHOT_MACHINE, 0, &state);
    put_vcpus(seed);
    for (size_t i = 0; i < snapshot_device_count; i++) {
        snapshot_devices[i].state(&vm, &state);
        put_state(seed, snapshot_devices[i].type, 0, &state);
    }
    put_slots(seed);
    put_section(seed, SNAPSHOT_RAM, 9, page, sizeof(page));
    slots_reset(vm.slots);
}

/* ---- an input --------------------------------------------------------------
 */

static void write_sections(struct fuzz_input *in)
{
    static struct snapshot_writer writer;
    struct why why;

    need(snapshot_write_begin(&writer, file, &why));
    while (in->left != 0) {
        enum snapshot_type type = (enum snapshot_type)fuzz_take(in, 1);
        uint32_t number = (uint32_t)fuzz_take(in, 4);
        size_t len = (size_t)fuzz_take(in, 2);

        if (len > in->left)
            len = in->left;
        need(snapshot_write(&writer, type, number, in->bytes, len, &why));
        in->bytes += len;
        in->left -= len;
    }
    need(snapshot_write_end(&writer, &why));
}

static bool one_input(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};

    need(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0);
    if (fuzz_take(&in, 1) & 1)
        need(write(file, in.bytes, in.left) == (ssize_t)in.left);
    else
        write_sections(&in);
    return load();
}

/* What the machine saves, it loads; and it can be kept in the corpus. */
static void begin(void)
{
    const char *keep = getenv("SNAPSHOT_SEED");
    char *bytes = NULL;
    size_t len = 0;
    FILE *seed = open_memstream(&bytes, &len);

    need(seed != NULL);
    write_seed(seed);
    fclose(seed);
    need(one_input((const uint8_t *)bytes, len));
    if (keep != NULL) {
        seed = fopen(keep, "wb");
        need(seed != NULL && fwrite(bytes, len, 1, seed) == 1);
        fclose(seed);
    }
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (file == 0) {
        make_machine();
        begin();
    }
    one_input(data, size);
    return 0;
}
