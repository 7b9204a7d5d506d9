/*
 * Random valid instruction words, by class.
 */
#include "words.h"
#include "case.h"

uint64_t rng_state;

uint64_t rng(void)
{
    uint64_t z = rng_state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

const struct class classes[CLASSES] = {
    {"add/sub immediate", 0x11000000, 0xe0ffffff, NONE},
    {"logical immediate", 0x12000000, 0xe07fffff, NONE},
    {"move wide", 0x12800000, 0xe07fffff, NONE},
    {"bitfield", 0x13000000, 0xe07fffff, NONE},
    {"extract", 0x13800000, 0x807fffff, NONE},
    {"adr", 0x10000000, 0xe0ffffff, NONE},
    {"logical shifted", 0x0a000000, 0xe0ffffff, NONE},
    {"add/sub shifted", 0x0b000000, 0xe0dfffff, NONE},
    {"add/sub extended", 0x0b200000, 0xe01fffff, NONE},
    {"add/sub carry", 0x1a000000, 0xe01f03ff, NONE},
    {"conditional compare", 0x3a400000, 0xc01ffbef, NONE},
    {"conditional select", 0x1a800000, 0xc01ff7ff, NONE},
    {"two sources", 0x1ac00000, 0x801f7fff, NONE},
    {"one source", 0x5ac00000, 0x80001fff, NONE},
    {"three sources", 0x1b000000, 0x80ffffff, NONE},
    {"nzcv", 0xd51b4200, 0x0020001f, NONE},
    {"branch", 0x14000000, 0x80000000, BRANCH},
    {"conditional branch", 0x54000000, 0x0000000f, BRANCH},
    {"compare and branch", 0x34000000, 0x8100001f, BRANCH},
    {"test and branch", 0x36000000, 0x81f8001f, BRANCH},
    {"load/store unsigned", 0x39000000, 0xc4ffffff, BASE_IMM12},
    {"load/store unscaled", 0x38000000, 0xc4dff3ff, BASE},
    {"load/store pre/post", 0x38000400, 0xc4dffbff, BASE},
    {"load/store unprivileged", 0x38000800, 0xc0dff3ff, BASE},
    {"load/store register", 0x38200800, 0xc4dff3ff, BASE_REG},
    {"load/store pair", 0x28000000, 0xc5ffffff, PAIR},
    {"load literal", 0x18000000, 0xc400001f, LITERAL},
    {"load/store ordered", 0x08808000, 0xc0400000 | 0x3ff, BASE},
    {"compare and swap", 0x08a07c00, 0xc05f83ff, EXCL},
    {"compare and swap pair", 0x08207c00, 0x405f83ff, EXCL},
    {"atomic", 0x38200000, 0xc0dff3ff, EXCL},
    {"structures", 0x0c000000, 0x404fffff, BASE},
    {"structures, post", 0x0c800000, 0x405fffff, BASE},
    {"structure lane", 0x0d000000, 0x4060ffff, BASE},
    {"structure lane, post", 0x0d800000, 0x407fffff, BASE},
};

uint64_t random_value(void)
{
    static const uint64_t edges[] = {
        0,          1,          ~0ULL,      1ULL << 63,        ~(1ULL << 63),
        0x7fffffff, 0x80000000, 0xffffffff, 0xffffffff80000000};

    switch (rng() % 4) {
    case 0:
        return edges[rng() % (sizeof(edges) / sizeof(edges[0]))];
    case 1:
        return rng() >> (rng() % 64);
    default:
        return rng();
    }
}

unsigned field(uint32_t insn, unsigned hi, unsigned lo)
{
    return insn >> lo & ((2u << (hi - lo)) - 1);
}

/* Forms whose result the architecture leaves open. */
static int unpredictable(const struct class *c, uint32_t insn)
{
    unsigned t = field(insn, 4, 0), n = field(insn, 9, 5);
    unsigned t2 = field(insn, 14, 10), s = field(insn, 20, 16);
    int vector = insn >> 26 & 1;

    if (c->access == PAIR) {
        int load = insn >> 22 & 1, writeback = insn >> 23 & 1;

        if (load && t == t2)
            return 1;
        return writeback && !vector && n != 31 && (t == n || t2 == n);
    }
    if (c->value == 0x38000400)
        return !vector && n != 31 && t == n;
    if (c->access == EXCL)
        return s == n && n != 31;
    return 0;
}

uint32_t random_word(const struct class *c)
{
    for (;;) {
        uint32_t insn = c->value | ((uint32_t)rng() & c->free);

        switch (c->access) {
        case BASE_IMM12:
            insn &= ~(0xff0u << 10);
            break;
        case BRANCH:
            /* two words on */
            if (c->value == 0x14000000)
                insn |= 2;
            else
                insn |= 2 << 5;
            break;
        case LITERAL:
            insn |= (uint32_t)((ORACLE_LITERALS - ORACLE_SLOT) / 4 + rng() % 60)
                    << 5;
            break;
        default:
            break;
        }
        if (!unpredictable(c, insn))
            return insn;
    }
}
