/*
 * Loads and stores that are functions: exclusives, LSE atomics, LDAPR, the
 * structure forms of Advanced SIMD, sign-extending unprivileged loads; and the
 * syndrome that describes a load or store to a VMM.
 *
 * Atomics run as host atomics on guest memory. An exclusive pair is a load
 * that remembers address and value, and a compare-and-swap with that value:
 * an ABA change between the two goes unseen, as in every emulator of LL/SC,
 * and no guest that compares values can tell.
 */
#include "code.h"

#include <string.h>

static uint64_t *reg(struct a64_cpu *cpu, unsigned r)
{
    return &cpu->x[r == 31 ? A64_TRASH : r];
}

static unsigned base_of(uint32_t insn)
{
    unsigned n = insn >> 5 & 31;

    return n == 31 ? A64_SP : n;
}

/* Host address for an aligned atomic access; the TLB's fast path in front. */
static inline enum a64_next host_for(struct a64_cpu *cpu, uint32_t insn,
                                     unsigned size, bool write, void **host)
{
    unsigned n = base_of(insn);
    uint64_t va = cpu->x[n];
    const struct a64_tlb_entry *e = &cpu->tlb[(va >> 12) & (A64_TLB_SIZE - 1)];
    uint64_t tag = (va & ~0xfffULL) | cpu->ctx[va >> 63];

    if (LULL_LIKELY(tag == (write ? e->wtag : e->rtag) && !(va & (size - 1)))) {
        *host = (void *)(uintptr_t)(va + e->addend);
        return A64_NEXT;
    }
    return a64_host(cpu, va, size, write ? A64_WRITE : A64_READ,
                    A64_MEM_ALIGNED | (n == A64_SP ? A64_MEM_SP : 0u), host);
}

/* ---- 16 bytes at once ---- */

typedef unsigned __int128 u128;

/* Returns what was there; stored `new` if that was `expected`. */
static u128 cas128(u128 *p, u128 expected, u128 new)
{
#ifdef __GCC_HAVE_SYNC_COMPARE_AND_SWAP_16
    return __sync_val_compare_and_swap(p, expected, new);
#else
    __atomic_compare_exchange_n(p, &expected, new, false, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
    return expected;
#endif
}

/* ---- exclusives [C3.2.6] ---- */

static uint64_t load_sized(const void *p, unsigned size)
{
    switch (size) {
    case 1:
        return __atomic_load_n((const uint8_t *)p, __ATOMIC_SEQ_CST);
    case 2:
        return __atomic_load_n((const uint16_t *)p, __ATOMIC_SEQ_CST);
    case 4:
        return __atomic_load_n((const uint32_t *)p, __ATOMIC_SEQ_CST);
    default:
        return __atomic_load_n((const uint64_t *)p, __ATOMIC_SEQ_CST);
    }
}

#define CAS_SIZED(bits)                                                        \
    {                                                                          \
        uint##bits##_t old = (uint##bits##_t) * expected;                      \
        bool done = __atomic_compare_exchange_n(                               \
            (uint##bits##_t *)p, &old, (uint##bits##_t)value, false,           \
            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                               \
        *expected = old;                                                       \
        return done;                                                           \
    }

/* True when swapped; *expected becomes what was there, zero-extended. */
static bool cas_sized(void *p, unsigned size, uint64_t *expected,
                      uint64_t value)
{
    switch (size) {
    case 1:
        CAS_SIZED(8)
    case 2:
        CAS_SIZED(16)
    case 4:
        CAS_SIZED(32)
    default:
        CAS_SIZED(64)
    }
}

static enum a64_next load_exclusive(struct a64_cpu *cpu, uint32_t insn)
{
    unsigned size = 1u << bits(insn, 31, 30);
    enum a64_next next;
    void *host;

    next = host_for(cpu, insn, size, false, &host);
    if (next != A64_NEXT)
        return next;
    cpu->excl_host = host;
    cpu->excl_size = size;
    cpu->excl_value[0] = load_sized(host, size);
    *reg(cpu, insn & 31) = cpu->excl_value[0];
    return A64_NEXT;
}

static enum a64_next load_exclusive_pair(struct a64_cpu *cpu, uint32_t insn)
{
    bool x = bit(insn, 30);
    enum a64_next next;
    uint64_t v0, v1;
    void *host;

    next = host_for(cpu, insn, x ? 16 : 8, false, &host);
    if (next != A64_NEXT)
        return next;
    /* Two loads: a store between them makes the store-exclusive fail. */
    v0 = load_sized(host, 8);
    v1 = x ? load_sized((char *)host + 8, 8) : 0;
    cpu->excl_host = host;
    cpu->excl_size = x ? 16 : 8;
    cpu->excl_value[0] = v0;
    cpu->excl_value[1] = v1;
    *reg(cpu, insn & 31) = x ? v0 : (uint32_t)v0;
    *reg(cpu, insn >> 10 & 31) = x ? v1 : v0 >> 32;
    return A64_NEXT;
}

static enum a64_next store_exclusive(struct a64_cpu *cpu, uint32_t insn)
{
    unsigned size = 1u << bits(insn, 31, 30);
    uint64_t expected = cpu->excl_value[0];
    uint64_t *status = reg(cpu, insn >> 16 & 31);
    enum a64_next next;
    bool done = false;
    void *host;

    next = host_for(cpu, insn, size, true, &host);
    if (next != A64_NEXT)
        return next;
    if (cpu->excl_host == host && cpu->excl_size == size)
        done = cas_sized(host, size, &expected, cpu->x[insn & 31]);
    cpu->excl_host = NULL;
    *status = !done;
    return A64_NEXT;
}

static enum a64_next store_exclusive_pair(struct a64_cpu *cpu, uint32_t insn)
{
    bool x = bit(insn, 30), done = false;
    uint64_t v0 = cpu->x[insn & 31], v1 = cpu->x[insn >> 10 & 31];
    unsigned size = x ? 16 : 8;
    enum a64_next next;
    void *host;

    next = host_for(cpu, insn, size, true, &host);
    if (next != A64_NEXT)
        return next;
    if (cpu->excl_host == host && cpu->excl_size == size) {
        uint64_t expected = cpu->excl_value[0];
        u128 pair = (u128)cpu->excl_value[1] << 64 | expected;

        if (x)
            done = cas128(host, pair, (u128)v1 << 64 | v0) == pair;
        else
            done = cas_sized(host, 8, &expected, v1 << 32 | (uint32_t)v0);
    }
    cpu->excl_host = NULL;
    *reg(cpu, insn >> 16 & 31) = !done;
    return A64_NEXT;
}

/* ---- LSE atomics [C3.2.12] ---- */

static enum a64_next cas(struct a64_cpu *cpu, uint32_t insn)
{
    unsigned size = 1u << bits(insn, 31, 30);
    uint64_t *rs = reg(cpu, insn >> 16 & 31);
    uint64_t expected = cpu->x[insn >> 16 & 31];
    enum a64_next next;
    void *host;

    next = host_for(cpu, insn, size, true, &host);
    if (next != A64_NEXT)
        return next;
    cas_sized(host, size, &expected, cpu->x[insn & 31]);
    *rs = expected;
    return A64_NEXT;
}

static enum a64_next casp(struct a64_cpu *cpu, uint32_t insn)
{
    unsigned s = insn >> 16 & 31, t = insn & 31;
    bool x = bit(insn, 30);
    enum a64_next next;
    void *host;

    next = host_for(cpu, insn, x ? 16 : 8, true, &host);
    if (next != A64_NEXT)
        return next;
    if (x) {
        u128 old = cas128(host, (u128)cpu->x[s + 1] << 64 | cpu->x[s],
                          (u128)cpu->x[t + 1] << 64 | cpu->x[t]);

        *reg(cpu, s) = (uint64_t)old;
        *reg(cpu, s + 1) = (uint64_t)(old >> 64);
    } else {
        uint64_t old = cpu->x[s + 1] << 32 | (uint32_t)cpu->x[s];

        cas_sized(host, 8, &old, cpu->x[t + 1] << 32 | (uint32_t)cpu->x[t]);
        *reg(cpu, s) = (uint32_t)old;
        *reg(cpu, s + 1) = old >> 32;
    }
    return A64_NEXT;
}

/* Minimum and maximum have no host instruction: a compare-and-swap loop that
 * ends as soon as the value need not change or the swap succeeds. */
#define MINMAX(bits)                                                           \
    for (;;) {                                                                 \
        bool less = sign ? (int##bits##_t)operand < (int##bits##_t)old         \
                         : (uint##bits##_t)operand < (uint##bits##_t)old;      \
        uint64_t new = less == want_min ? operand : old;                       \
        if (cas_sized(p, bits / 8, &old, new))                                 \
            return old;                                                        \
    }

static uint64_t minmax(void *p, unsigned size, unsigned opc, uint64_t operand)
{
    bool sign = opc < 6, want_min = opc & 1;
    uint64_t old = load_sized(p, size);

    switch (size) {
    case 1:
        MINMAX(8)
    case 2:
        MINMAX(16)
    case 4:
        MINMAX(32)
    default:
        MINMAX(64)
    }
}

#define FETCH(bits)                                                            \
    {                                                                          \
        uint##bits##_t *q = p;                                                 \
        uint##bits##_t v = (uint##bits##_t)operand;                            \
        switch (opc) {                                                         \
        case 0:                                                                \
            return __atomic_fetch_add(q, v, __ATOMIC_SEQ_CST);                 \
        case 1:                                                                \
            return __atomic_fetch_and(q, (uint##bits##_t) ~v,                  \
                                      __ATOMIC_SEQ_CST);                       \
        case 2:                                                                \
            return __atomic_fetch_xor(q, v, __ATOMIC_SEQ_CST);                 \
        case 3:                                                                \
            return __atomic_fetch_or(q, v, __ATOMIC_SEQ_CST);                  \
        default:                                                               \
            return __atomic_exchange_n(q, v, __ATOMIC_SEQ_CST);                \
        }                                                                      \
    }

/* opc: ADD, CLR, EOR, SET, and 8 for SWP. */
static uint64_t fetch_op(void *p, unsigned size, unsigned opc, uint64_t operand)
{
    switch (size) {
    case 1:
        FETCH(8)
    case 2:
        FETCH(16)
    case 4:
        FETCH(32)
    default:
        FETCH(64)
    }
}

static enum a64_next atomic_op(struct a64_cpu *cpu, uint32_t insn)
{
    unsigned size = 1u << bits(insn, 31, 30);
    unsigned opc = (unsigned)bits(insn, 15, 12);
    uint64_t operand = cpu->x[insn >> 16 & 31], old;
    enum a64_next next;
    void *host;

    next = host_for(cpu, insn, size, true, &host);
    if (next != A64_NEXT)
        return next;
    old = opc >= 4 && opc <= 7 ? minmax(host, size, opc, operand)
                               : fetch_op(host, size, opc, operand);
    *reg(cpu, insn & 31) = old;
    return A64_NEXT;
}

static enum a64_next ldapr(struct a64_cpu *cpu, uint32_t insn)
{
    unsigned n = base_of(insn), size = 1u << bits(insn, 31, 30);
    enum a64_next next;
    uint64_t value = 0;

    next = a64_load(cpu, cpu->x[n], size, &value,
                    A64_MEM_ALIGNED | (n == A64_SP ? A64_MEM_SP : 0u));
    if (next != A64_NEXT)
        return next;
    atomic_thread_fence(memory_order_acquire);
    *reg(cpu, insn & 31) = value;
    return A64_NEXT;
}

/* ---- LDTRSB, LDTRSH, LDTRSW ---- */

static enum a64_next ldtrs(struct a64_cpu *cpu, uint32_t insn)
{
    unsigned n = base_of(insn), size = 1u << bits(insn, 31, 30);
    uint64_t va = cpu->x[n] + (uint64_t)sext(bits(insn, 20, 12), 9);
    uint64_t value = 0;
    enum a64_next next;

    next = a64_load(cpu, va, size, &value,
                    A64_MEM_UNPRIV | (n == A64_SP ? A64_MEM_SP : 0u));
    if (next != A64_NEXT)
        return next;
    value = (uint64_t)sext(value, size * 8);
    *reg(cpu, insn & 31) = bit(insn, 22) ? (uint32_t)value : value;
    return A64_NEXT;
}

/* ---- structures [C3.2.10] ---- */

static void post_index(struct a64_cpu *cpu, uint32_t insn, unsigned bytes)
{
    unsigned m = insn >> 16 & 31;

    if (!bit(insn, 23))
        return;
    cpu->x[base_of(insn)] += m == 31 ? bytes : cpu->x[m];
    if (base_of(insn) == A64_SP)
        a64_tlb_regime(cpu); /* it may be misaligned now */
}

static unsigned sp_flag(uint32_t insn)
{
    return base_of(insn) == A64_SP ? A64_MEM_SP : 0;
}

/* LD1..LD4, ST1..ST4 of whole registers. Memory is one run of elements;
 * element e of structure s belongs to register t + r * 1 + s. */
static enum a64_next structures(struct a64_cpu *cpu, uint32_t insn)
{
    unsigned opcode = (unsigned)bits(insn, 15, 12);
    unsigned selem = opcode == 0 ? 4 : opcode == 4 ? 3 : opcode == 8 ? 2 : 1;
    unsigned rpt = opcode == 2 ? 4 : opcode == 6 ? 3 : opcode == 10 ? 2 : 1;
    unsigned esize = 1u << bits(insn, 11, 10);
    unsigned datasize = bit(insn, 30) ? 16 : 8;
    unsigned total = rpt * selem * datasize, t = insn & 31, at = 0;
    bool load = bit(insn, 22);
    uint64_t va = cpu->x[base_of(insn)];
    uint8_t buf[64] = {0};
    enum a64_next next;

    if (load) {
        next = a64_load(cpu, va, total, buf, sp_flag(insn));
        if (next != A64_NEXT)
            return next;
        for (unsigned i = 0; i < rpt * selem; i++)
            cpu->v[(t + i) & 31] = (union a64_vreg){.d = {0}};
    }
    for (unsigned r = 0; r < rpt; r++)
        for (unsigned e = 0; e < datasize / esize; e++)
            for (unsigned s = 0; s < selem; s++, at += esize) {
                uint8_t *v = &cpu->v[(t + r + s) & 31].b[e * esize];

                if (load)
                    memcpy(v, &buf[at], esize);
                else
                    memcpy(&buf[at], v, esize);
            }
    if (!load) {
        next = a64_store(cpu, va, total, buf, sp_flag(insn));
        if (next != A64_NEXT)
            return next;
    }
    post_index(cpu, insn, total);
    return A64_NEXT;
}

/* One lane of each register, or one element to every lane (LD1R). */
struct lane {
    unsigned esize, index, selem;
    bool replicate;
};

/* False: unallocated. */
static bool lane_decode(uint32_t insn, struct lane *lane)
{
    unsigned scale = (unsigned)bits(insn, 15, 14);
    unsigned size = (unsigned)bits(insn, 11, 10);
    unsigned all = bit(insn, 30) << 3 | bit(insn, 12) << 2 | size;

    lane->selem = (bit(insn, 13) << 1 | bit(insn, 21)) + 1;
    lane->replicate = scale == 3;
    lane->esize = 1u << scale;
    switch (scale) {
    case 0:
        lane->index = all;
        return true;
    case 1:
        lane->index = all >> 1;
        return !(size & 1);
    case 2:
        lane->index = size & 1 ? all >> 3 : all >> 2;
        if (size & 1)
            lane->esize = 8;
        return !(size & 2) && !((size & 1) && bit(insn, 12));
    default:
        lane->esize = 1u << size;
        lane->index = 0;
        return bit(insn, 22) && !bit(insn, 12);
    }
}

static enum a64_next single_structure(struct a64_cpu *cpu, uint32_t insn)
{
    uint64_t va = cpu->x[base_of(insn)];
    unsigned t = insn & 31, bytes, total;
    bool load = bit(insn, 22);
    uint8_t buf[32] = {0};
    enum a64_next next;
    struct lane lane;

    lane_decode(insn, &lane);
    bytes = lane.esize;
    total = bytes * lane.selem;
    if (load) {
        next = a64_load(cpu, va, total, buf, sp_flag(insn));
        if (next != A64_NEXT)
            return next;
    }
    for (unsigned s = 0; s < lane.selem; s++) {
        union a64_vreg *v = &cpu->v[(t + s) & 31];
        uint8_t *at = &v->b[lane.index * bytes], *mem = &buf[s * bytes];

        if (!load) {
            memcpy(mem, at, bytes);
        } else if (!lane.replicate) {
            memcpy(at, mem, bytes);
        } else {
            *v = (union a64_vreg){.d = {0}};
            for (unsigned i = 0; i < (bit(insn, 30) ? 16u : 8u); i += bytes)
                memcpy(&v->b[i], mem, bytes);
        }
    }
    if (!load) {
        next = a64_store(cpu, va, total, buf, sp_flag(insn));
        if (next != A64_NEXT)
            return next;
    }
    post_index(cpu, insn, total);
    return A64_NEXT;
}

/* ---- decoding [C4.1.94] ---- */

static a64_trap_fn *decode_exclusive(uint32_t insn)
{
    bool load = bit(insn, 22), pair = bit(insn, 21);

    if (!bit(insn, 23) && !pair)
        return load ? load_exclusive : store_exclusive;
    if (!bit(insn, 23) && bit(insn, 31))
        return load ? load_exclusive_pair : store_exclusive_pair;
    if (bits(insn, 14, 10) != 31)
        return NULL;
    if (bit(insn, 23))
        return cas;
    return insn & 1 || insn & 1 << 16 ? NULL : casp; /* even registers only */
}

static a64_trap_fn *decode_atomic(uint32_t insn)
{
    unsigned opc = (unsigned)bits(insn, 15, 12);

    if (opc <= 8)
        return atomic_op;
    if (opc == 12 && bits(insn, 23, 22) == 2 && bits(insn, 20, 16) == 31)
        return ldapr;
    return NULL;
}

static a64_trap_fn *decode_structures(uint32_t insn)
{
    bool post = bit(insn, 23);
    struct lane lane;

    if (bit(insn, 31))
        return NULL;
    if (bit(insn, 24)) {
        if (!post && bits(insn, 20, 16) != 0)
            return NULL;
        return lane_decode(insn, &lane) ? single_structure : NULL;
    }
    if (bit(insn, 21) || (!post && bits(insn, 20, 16) != 0))
        return NULL;
    switch (bits(insn, 15, 12)) {
    case 0:
    case 4:
    case 8:
        /* 1D arrangements exist for LD1 and ST1 only */
        return bits(insn, 11, 10) == 3 && !bit(insn, 30) ? NULL : structures;
    case 2:
    case 6:
    case 7:
    case 10:
        return structures;
    default:
        return NULL;
    }
}

a64_trap_fn *a64_ldst_decode(uint32_t insn)
{
    if (bits(insn, 29, 28) == 0)
        return bit(insn, 26) ? decode_structures(insn) : decode_exclusive(insn);
    if (bit(insn, 21))
        return decode_atomic(insn);
    /* LDTRSB and LDTRSH to X (opc 2) or W (opc 3), LDTRSW to X only */
    if (bits(insn, 31, 30) == 3 || (bits(insn, 31, 30) == 2 && bit(insn, 22)))
        return NULL;
    return ldtrs;
}

/* ---- syndrome [D17.2.37, ISS of a Data Abort] ---- */

enum {
    ISS_ISV = 1u << 24,
    ISS_SSE = 1u << 21,
    ISS_SF = 1u << 15,
    ISS_AR = 1u << 14,
};

static uint32_t iss_single(uint32_t insn)
{
    uint32_t size = insn >> 30, opc = (uint32_t)bits(insn, 23, 22);
    bool sf = opc < 2 ? size == 3 : opc == 2;

    return ISS_ISV | size << 22 | (opc >= 2 ? ISS_SSE : 0) | (insn & 31) << 16 |
           (sf ? ISS_SF : 0);
}

static uint32_t iss_of(uint32_t insn)
{
    uint32_t size = insn >> 30;

    if ((insn & 0x3f000000) == 0x39000000) /* unsigned offset */
        return iss_single(insn);
    if ((insn & 0x3f200000) == 0x38000000) /* LDUR, LDTR; not writeback */
        return bit(insn, 10) ? 0 : iss_single(insn);
    if ((insn & 0x3f200c00) == 0x38200800) /* register offset */
        return iss_single(insn);
    if ((insn & 0x3fa00000) == 0x08800000) /* LDAR, STLR */
        return ISS_ISV | size << 22 | (insn & 31) << 16 |
               (size == 3 ? ISS_SF : 0) | ISS_AR;
    if ((insn & 0x3f000000) == 0x18000000 && size < 3) /* literal */
        return ISS_ISV | (size == 1 ? 3u : 2u) << 22 |
               (size == 2 ? ISS_SSE : 0) | (insn & 31) << 16 |
               (size >= 1 ? ISS_SF : 0);
    return 0;
}

uint32_t a64_abort_iss(struct a64_cpu *cpu)
{
    const struct a64_code_page *page =
        (const struct a64_code_page *)cpu->page_ops;

    if (page == NULL || (cpu->pc & ~0xfffULL) != cpu->page_va)
        return 0;
    return iss_of(
        __atomic_load_n(&page->source[cpu->pc >> 2 & 1023], __ATOMIC_RELAXED));
}
