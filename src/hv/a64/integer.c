/*
 * Integer instructions that are functions: CRC32 and CRC32C [C6.2.76]. The
 * checksum runs over the operand's bytes, least significant first, with the
 * polynomials bit-reversed as the architecture does.
 */
#include "code.h"

static const uint32_t *crc_table(bool castagnoli)
{
    static uint32_t table[2][256];
    static _Atomic bool ready;

    /* Filling it twice writes the same values; readers wait for `ready`. */
    if (!atomic_load_explicit(&ready, memory_order_acquire)) {
        for (unsigned c = 0; c < 2; c++) {
            uint32_t poly = c ? 0x82f63b78 : 0xedb88320;

            for (uint32_t i = 0; i < 256; i++) {
                uint32_t r = i;

                for (unsigned k = 0; k < 8; k++)
                    r = r >> 1 ^ (r & 1 ? poly : 0);
                __atomic_store_n(&table[c][i], r, __ATOMIC_RELAXED);
            }
        }
        atomic_store_explicit(&ready, true, memory_order_release);
    }
    return table[castagnoli];
}

static void crc32(struct a64_cpu *cpu, uint32_t insn)
{
    const uint32_t *table = crc_table(bit(insn, 12));
    unsigned rd = insn & 31, bytes = 1u << bits(insn, 11, 10);
    uint32_t acc = (uint32_t)cpu->x[insn >> 5 & 31];
    uint64_t value = cpu->x[insn >> 16 & 31];

    for (unsigned i = 0; i < bytes; i++, value >>= 8)
        acc = acc >> 8 ^ table[(acc ^ value) & 0xff];
    cpu->x[rd == 31 ? A64_TRASH : rd] = acc;
}

a64_fn *a64_integer_decode(uint32_t insn)
{
    /* CRC32X and CRC32CX take an X register, the others a W: sf says so */
    if (bits(insn, 15, 13) == 2 && bit(insn, 31) == (bits(insn, 11, 10) == 3))
        return crc32;
    return NULL;
}
