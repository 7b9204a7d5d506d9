/*
 * The device tree that tells the guest what machine it is on.
 */
#ifndef LULL_VMM_FDT_BUILD_H
#define LULL_VMM_FDT_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "lull/ram.h"
#include "why.h"

#define FDT_UART_GPA 0x09000000ULL
#define FDT_RTC_GPA 0x09010000ULL
#define FDT_GPIO_GPA 0x09030000ULL
enum { FDT_UART_SPI = 1, FDT_RTC_SPI = 2, FDT_GPIO_SPI = 7 };
/* The line of the GPIO controller with the power key. */
enum { FDT_POWER_KEY = 3 };

/* A virtio-mmio window with a device in it. */
struct fdt_virtio {
    uint64_t gpa, size_bytes;
    unsigned spi;
};

struct fdt_machine {
    const struct lull_ram *ram;
    unsigned cpus;
    const uint64_t *mpidr;
    const char *bootargs;        /* or NULL */
    uint64_t initrd, initrd_end; /* equal: none */
    const struct fdt_virtio *virtio;
    unsigned virtio_count;
    uint64_t kaslr_seed;
    uint8_t rng_seed[64];
};

/* Write the tree into out, at most out_bytes. */
bool fdt_build(const struct fdt_machine *machine, void *out, int out_bytes,
               struct why *why);

#endif
