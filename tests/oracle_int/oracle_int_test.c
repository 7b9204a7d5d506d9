/*
 * Integer instructions, loads, stores and branches, against qemu-aarch64.
 *
 * Random valid words of each class, with random registers, flags and memory,
 * run once here, through hv_vcpu_run at EL0, and once by the reference
 * implementation. Registers, SP, flags, vector registers, memory and the way
 * taken must be equal. What this engine does not promise and the reference
 * has is passed over; what this engine runs and the reference does not is a
 * failure.
 *
 * ORACLE_CASES sets the number of cases a class (default 150), ORACLE_SEED the
 * random seed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "case.h"
#include "el0.h"
#include "words.h"

static void random_case(struct oracle_case *o, unsigned kind)
{
    const struct class *c = &classes[kind];
    unsigned n, m;

    memset(o, 0, sizeof(*o));
    o->kind = kind;
    o->insn = random_word(c);
    for (unsigned i = 0; i < 31; i++)
        o->x[i] = random_value();
    o->sp = ORACLE_DATA + 1024 + 16 * (rng() % 64);
    o->nzcv = (rng() & 15) << 28;
    for (unsigned i = 0; i < 32; i++)
        for (unsigned k = 0; k < 16; k++)
            o->v[i][k] = (uint8_t)rng();
    for (unsigned i = 0; i < ORACLE_DATA_BYTES; i++)
        o->data[i] = (uint8_t)rng();
    if (c->access == NONE || c->access == BRANCH || c->access == LITERAL)
        return;
    n = field(o->insn, 9, 5);
    m = field(o->insn, 20, 16);
    if (c->access == BASE_REG && m != 31)
        o->x[m] = (o->insn >> 13 & 1) ? rng() % 64 : (rng() << 32) | rng() % 64;
    if (n != 31)
        o->x[n] =
            ORACLE_DATA + 1200 +
            (c->access == EXCL || rng() % 2 ? 16 * (rng() % 64) : rng() % 1024);
    if (c->access == BASE_REG && m == n && m != 31)
        random_case(o, kind); /* base and index cannot both be right */
}

/* ---- this side ---- */

/* An SVC both ways behind the slot, and something for LDR (literal). */
static void set_up(void)
{
    const uint32_t svc = 0xd4000001;

    el0_set_up(0x4000);
    for (unsigned i = 1; i < 3; i++)
        memcpy(code + 0x800 + 4 * i, &svc, 4);
    for (unsigned i = 0; i < 256; i++)
        code[ORACLE_LITERALS - ORACLE_CODE + i] = oracle_literal(i);
}

static void run_here(struct oracle_case *o)
{
    hv_simd_fp_uchar16_t q;
    uint64_t value, esr;

    memcpy(data, o->data, ORACLE_DATA_BYTES);
    memcpy(code + 0x800, &o->insn, 4);
    el0_sync_code();
    for (unsigned i = 0; i < 31; i++)
        HV(hv_vcpu_set_reg(vcpu, HV_REG_X0 + i, o->x[i]));
    for (unsigned i = 0; i < 32; i++) {
        memcpy(&q, o->v[i], 16);
        HV(hv_vcpu_set_simd_fp_reg(vcpu, HV_SIMD_FP_REG_Q0 + i, q));
    }
    HV(hv_vcpu_set_sys_reg(vcpu, HV_SYS_REG_SP_EL0, o->sp));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_CPSR, o->nzcv));
    HV(hv_vcpu_set_reg(vcpu, HV_REG_PC, ORACLE_SLOT));
    HV(hv_vcpu_run(vcpu));
    if (vexit->reason != HV_EXIT_REASON_EXCEPTION ||
        vexit->exception.syndrome >> 26 != 0x16) {
        o->fault = 100 + (vexit->exception.syndrome >> 26);
        return;
    }
    HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_ESR_EL1, &esr));
    HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_ELR_EL1, &o->pc));
    o->fault = esr >> 26 == 0x15 ? 0 : esr >> 26 == 0 ? 2 : 1;
    o->pc -= o->fault == 0 ? 4 : 0;
    if (o->fault != 0)
        o->pc += 4;
    for (unsigned i = 0; i < 31; i++)
        HV(hv_vcpu_get_reg(vcpu, HV_REG_X0 + i, &o->x[i]));
    for (unsigned i = 0; i < 32; i++) {
        HV(hv_vcpu_get_simd_fp_reg(vcpu, HV_SIMD_FP_REG_Q0 + i, &q));
        memcpy(o->v[i], &q, 16);
    }
    HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_SP_EL0, &o->sp));
    HV(hv_vcpu_get_sys_reg(vcpu, HV_SYS_REG_SPSR_EL1, &value));
    o->nzcv = value & 0xf0000000;
    memcpy(o->data, data, ORACLE_DATA_BYTES);
}

/* ---- comparing ---- */

static void report(const struct oracle_case *in, const struct oracle_case *ref,
                   const struct oracle_case *our)
{
    unsigned shown = 0;

    printf("%s: %08x differs (seed case)\n", classes[in->kind].name, in->insn);
    if (ref->fault != our->fault)
        printf("  fault: reference %llu, here %llu\n",
               (unsigned long long)ref->fault, (unsigned long long)our->fault);
    for (unsigned i = 0; i < 31; i++)
        if (ref->x[i] != our->x[i])
            printf("  x%u: was %016llx, reference %016llx, here %016llx\n", i,
                   (unsigned long long)in->x[i], (unsigned long long)ref->x[i],
                   (unsigned long long)our->x[i]);
    if (ref->sp != our->sp)
        printf("  sp: reference %llx, here %llx\n", (unsigned long long)ref->sp,
               (unsigned long long)our->sp);
    if (ref->nzcv != our->nzcv)
        printf("  nzcv: was %llx, reference %llx, here %llx\n",
               (unsigned long long)in->nzcv >> 28,
               (unsigned long long)ref->nzcv >> 28,
               (unsigned long long)our->nzcv >> 28);
    if (ref->pc != our->pc)
        printf("  pc: reference %llx, here %llx\n", (unsigned long long)ref->pc,
               (unsigned long long)our->pc);
    for (unsigned i = 0; i < 32; i++)
        if (memcmp(ref->v[i], our->v[i], 16) != 0)
            printf("  v%u differs\n", i);
    for (unsigned i = 0; i < ORACLE_DATA_BYTES && shown < 4; i++)
        if (ref->data[i] != our->data[i])
            shown++, printf("  data[%u]: reference %02x, here %02x\n", i,
                            ref->data[i], our->data[i]);
}

static int equal(const struct oracle_case *ref, const struct oracle_case *our)
{
    if (ref->fault != our->fault)
        return 0;
    return memcmp(ref->x, our->x, sizeof(ref->x)) == 0 && ref->sp == our->sp &&
           ref->nzcv == our->nzcv && ref->pc == our->pc &&
           memcmp(ref->v, our->v, sizeof(ref->v)) == 0 &&
           memcmp(ref->data, our->data, sizeof(ref->data)) == 0;
}

static int run_reference(const char *runner, const char *in, const char *out)
{
    char command[1024];

    snprintf(command, sizeof(command), "qemu-aarch64 '%s' '%s' '%s'", runner,
             in, out);
    return system(command);
}

static FILE *open_or_die(const char *path, const char *mode)
{
    FILE *f = fopen(path, mode);

    if (f == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    return f;
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);

    return text == NULL ? otherwise : strtoul(text, NULL, 0);
}

int main(int argc, char **argv)
{
    unsigned long per_class = setting("ORACLE_CASES", 150);
    unsigned long passed = 0, failed = 0, skipped = 0, faulted = 0;
    char dir[] = "/tmp/lull-oracle-XXXXXX", in_path[64], out_path[64];
    static struct oracle_case in, ref, our;
    FILE *cases, *results;

    if (argc != 2) {
        fprintf(stderr, "usage: oracle_int_test RUNNER\n");
        return 1;
    }
    if (system("command -v qemu-aarch64 >/dev/null") != 0) {
        printf("qemu-aarch64 is not installed (Debian: qemu-user): skipped\n");
        return 77;
    }
    if (mkdtemp(dir) == NULL) {
        perror(dir);
        return 1;
    }
    snprintf(in_path, sizeof(in_path), "%s/cases", dir);
    snprintf(out_path, sizeof(out_path), "%s/results", dir);
    rng_state = setting("ORACLE_SEED", 1);
    cases = open_or_die(in_path, "wb");
    for (unsigned kind = 0; kind < CLASSES; kind++)
        for (unsigned long i = 0; i < per_class; i++) {
            random_case(&in, kind);
            if (fwrite(&in, sizeof(in), 1, cases) != 1) {
                perror(in_path);
                return 1;
            }
        }
    fclose(cases);
    if (run_reference(argv[1], in_path, out_path) != 0) {
        fprintf(stderr, "the reference run failed\n");
        return 1;
    }

    set_up();
    cases = open_or_die(in_path, "rb");
    results = open_or_die(out_path, "rb");
    while (fread(&in, sizeof(in), 1, cases) == 1) {
        if (fread(&ref, sizeof(ref), 1, results) != 1) {
            fprintf(stderr, "the reference stopped early, at %08x\n", in.insn);
            return 1;
        }
        our = in;
        run_here(&our);
        if (our.fault == 2 && ref.fault != 2) {
            skipped++; /* a feature of the reference that is not promised */
        } else if (equal(&ref, &our)) {
            passed++;
            faulted += our.fault != 0;
        } else {
            if (failed++ < 20)
                report(&in, &ref, &our);
        }
    }
    fclose(cases);
    fclose(results);
    unlink(in_path);
    unlink(out_path);
    rmdir(dir);
    hv_vcpu_destroy(vcpu);
    hv_vm_destroy();
    printf("%lu of the cases fault or are UNDEF on both sides, "
           "%lu are beyond what the engine promises\n",
           faulted, skipped);
    printf("%lu passed, %lu failed\n", passed, failed);
    return failed != 0;
}
