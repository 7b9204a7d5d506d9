/*
 * Placement.
 *
 *     RAM + 0          device tree, up to 512 KiB
 *     RAM + 512 KiB    raw images; old kernels (text_offset 512 KiB)
 *     RAM + 2 MiB      arm64 Image + text_offset: the boot protocol wants a
 *                      2 MiB boundary, and the one below holds the tree
 *     ... top          initrd, ends at the last 64 KiB boundary of RAM
 *
 * ELF files say where they go; the device tree moves when they sit on its
 * place. The initrd is at the top because kernels of before 3.17 do not say
 * how much memory they need behind themselves. The protocol wants initrd and
 * kernel within 32 GiB of each other, so "top" is at most there.
 */
#include "boot.h"

#include <stdlib.h>
#include <string.h>

#include "image.h"
#include "lull/bits.h"
#include "lull/bytes.h"
#include "lull/checked.h"

#define MIB2 0x200000ULL
#define INITRD_WINDOW (31ULL << 30)

struct span {
    uint64_t start, end;
};

static bool no_room(const char *path, struct why *why)
{
    return because(why,
                   "--kernel %s: does not fit into the guest's memory; give "
                   "a larger --memory",
                   path);
}

/* ---- the three kinds of kernel --------------------------------------------
 */

static bool load_linux(const struct boot_files *files,
                       const struct image *image, const struct lull_ram *ram,
                       struct boot_layout *layout, struct span *used,
                       struct why *why)
{
    uint64_t offset = image->text_offset;

    if (image->granule_kib != 0 && !(image->granule_kib & files->granules_kib))
        return because(why,
                       "--kernel %s: built for %u KiB pages, which this CPU "
                       "does not have; give one for 4 KiB pages",
                       files->kernel, image->granule_kib);
    if (offset < BOOT_DTB_BYTES && !add_ok(offset, MIB2, &offset))
        return no_room(files->kernel, why);
    if (!range_within(offset, image->memory_bytes, 0, ram->size_bytes))
        return no_room(files->kernel, why);
    used->start = ram->gpa + offset;
    used->end = used->start + image->memory_bytes;
    layout->entry = used->start;
    layout->dtb = ram->gpa;
    lull_ram_write(ram, used->start, image->bytes, image->len);
    return true;
}

static bool load_raw(const struct boot_files *files, const struct image *image,
                     const struct lull_ram *ram, struct boot_layout *layout,
                     struct span *used, struct why *why)
{
    used->start = ram->gpa + BOOT_DTB_BYTES;
    used->end = used->start + image->len;
    layout->entry = used->start;
    layout->dtb = ram->gpa;
    if (!lull_ram_write(ram, used->start, image->bytes, image->len))
        return no_room(files->kernel, why);
    return true;
}

/* A program header, as far as loading needs it. */
struct segment {
    uint64_t offset, vaddr, paddr, file_bytes, memory_bytes;
};

static bool elf_segment(const struct boot_files *files,
                        const struct image *image, const struct lull_ram *ram,
                        const struct segment *s, struct why *why)
{
    uint8_t *to = lull_ram_at(ram, s->paddr, s->memory_bytes);

    if (s->file_bytes > s->memory_bytes ||
        !range_within(s->offset, s->file_bytes, 0, image->len))
        return because(why,
                       "--kernel %s: the ELF file is truncated or "
                       "damaged",
                       files->kernel);
    if (to == NULL)
        return because(why,
                       "--kernel %s: an ELF segment of %#llx bytes belongs at "
                       "%#llx; memory is %#llx to %#llx",
                       files->kernel, (unsigned long long)s->memory_bytes,
                       (unsigned long long)s->paddr,
                       (unsigned long long)ram->gpa,
                       (unsigned long long)(ram->gpa + ram->size_bytes - 1));
    memcpy(to, image->bytes + s->offset, s->file_bytes);
    memset(to + s->file_bytes, 0, s->memory_bytes - s->file_bytes);
    return true;
}

/* Where the device tree can be: as low as the kernel leaves room. */
static uint64_t dtb_beside(const struct lull_ram *ram, const struct span *used)
{
    if (used->start - ram->gpa >= BOOT_DTB_BYTES)
        return ram->gpa;
    return align_up(used->end, MIB2);
}

static bool load_elf(const struct boot_files *files, const struct image *image,
                     const struct lull_ram *ram, struct boot_layout *layout,
                     struct span *used, struct why *why)
{
    uint64_t entry = get_le64(image->bytes + 24);
    uint64_t table = get_le64(image->bytes + 32);
    unsigned size = get_le16(image->bytes + 54);
    unsigned count = get_le16(image->bytes + 56), i;
    bool have_entry = false;

    *used = (struct span){UINT64_MAX, 0};
    if (size < 56 ||
        !range_within(table, (uint64_t)size * count, 0, image->len))
        return because(why,
                       "--kernel %s: the ELF file is truncated or "
                       "damaged",
                       files->kernel);
    for (i = 0; i < count; i++) {
        const uint8_t *p = image->bytes + table + (uint64_t)i * size;
        struct segment s = {get_le64(p + 8), get_le64(p + 16), get_le64(p + 24),
                            get_le64(p + 32), get_le64(p + 40)};

        if (get_le32(p) != 1 || s.memory_bytes == 0)
            continue;
        if (!elf_segment(files, image, ram, &s, why))
            return false;
        /* The entry is a virtual address; we start with the MMU off. */
        if (!have_entry && entry - s.vaddr < s.memory_bytes) {
            layout->entry = entry - s.vaddr + s.paddr;
            have_entry = true;
        }
        if (s.paddr < used->start)
            used->start = s.paddr;
        if (s.paddr + s.memory_bytes > used->end)
            used->end = s.paddr + s.memory_bytes;
    }
    if (!have_entry)
        return because(why,
                       "--kernel %s: no segment of the ELF file holds its "
                       "entry point",
                       files->kernel);
    layout->dtb = dtb_beside(ram, used);
    if (lull_ram_at(ram, layout->dtb, BOOT_DTB_BYTES) == NULL)
        return no_room(files->kernel, why);
    return true;
}

static bool load_kernel(const struct boot_files *files,
                        const struct lull_ram *ram, struct boot_layout *layout,
                        struct span *used, struct why *why)
{
    struct image image;
    bool ok = false;

    if (!image_read("--kernel", files->kernel, ram->size_bytes, &image, why))
        return false;
    switch (image.kind) {
    case IMAGE_LINUX:
        ok = load_linux(files, &image, ram, layout, used, why);
        break;
    case IMAGE_ELF:
        ok = load_elf(files, &image, ram, layout, used, why);
        break;
    case IMAGE_RAW:
        ok = load_raw(files, &image, ram, layout, used, why);
        break;
    }
    image_free(&image);
    return ok;
}

/* ---- the initrd ------------------------------------------------------------
 */

static bool load_initrd(const struct boot_files *files,
                        const struct lull_ram *ram, struct boot_layout *layout,
                        const struct span *kernel, struct why *why)
{
    uint64_t top = ram->size_bytes;
    uint64_t lowest = kernel->end, start;
    uint8_t *bytes;
    size_t len;

    layout->initrd = layout->initrd_end = 0;
    if (files->initrd == NULL)
        return true;
    if (top > INITRD_WINDOW)
        top = INITRD_WINDOW;
    bytes = file_read("--initrd", files->initrd, top, &len, why);
    if (bytes == NULL)
        return false;
    if (layout->dtb + BOOT_DTB_BYTES > lowest)
        lowest = layout->dtb + BOOT_DTB_BYTES;
    start = align_down(ram->gpa + top - len, 0x10000);
    if (len > top || start < lowest) {
        free(bytes);
        return because(why,
                       "--initrd %s: %zu bytes do not fit into the guest's "
                       "memory beside the kernel; give a larger --memory",
                       files->initrd, len);
    }
    lull_ram_write(ram, start, bytes, len);
    free(bytes);
    layout->initrd = start;
    layout->initrd_end = start + len;
    return true;
}

bool boot_load(const struct boot_files *files, const struct lull_ram *ram,
               struct boot_layout *layout, struct why *why)
{
    struct span kernel = {0, 0};

    return load_kernel(files, ram, layout, &kernel, why) &&
           load_initrd(files, ram, layout, &kernel, why);
}
