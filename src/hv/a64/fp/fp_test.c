/*
 * What the differential test cannot see: the loan of the host's unit, fields
 * that do not exist, words that must have no function; and a few answers from
 * the standards, so that a machine without an emulator still checks something.
 */
#include <check.h>
#include <fenv.h>
#include <stdlib.h>

#include "fp_internal.h"

static struct a64_cpu cpu;

static void setup(void)
{
    memset(&cpu, 0, sizeof(cpu));
}

static void run(uint32_t insn)
{
    a64_fn *fn = a64_fp_decode(insn);

    ck_assert_msg(fn != NULL, "%08x has no function", insn);
    fn(&cpu, insn);
}

/* A run of one instruction, with everything around it. */
static void run_alone(uint32_t insn)
{
    a64_fp_enter(&cpu);
    run(insn);
    a64_fp_leave(&cpu);
}

/* d0 = d1 op d2, s0 = s1 op s2 and so on */
enum {
    FADD_D = 0x1e622820,
    FDIV_D = 0x1e621820,
    FMUL_D = 0x1e620820,
    FMUL_S = 0x1e220820,
    FMADD_D = 0x1f420c20, /* d0 = d3 + d1 * d2 */
    FCVTZS_X = 0x9e780020,
};

/* ---- the host's unit ----------------------------------------------------- */

START_TEST(test_host_unit_comes_back)
{
    ck_assert_int_eq(fesetround(FE_DOWNWARD), 0);
    feclearexcept(FE_ALL_EXCEPT);
    /* Overflow would be two: arm64 raises inexact with it. */
    feraiseexcept(FE_DIVBYZERO);
    a64_set_fpcr(&cpu, SF_UP << 22);
    cpu.v[1].f64[0] = 1;
    cpu.v[2].f64[0] = 3;
    run_alone(FDIV_D);
    ck_assert_int_eq(fegetround(), FE_DOWNWARD);
    ck_assert_int_eq(fetestexcept(FE_ALL_EXCEPT), FE_DIVBYZERO);
    ck_assert_uint_eq(cpu.v[0].d[0], 0x3fd5555555555556);
    ck_assert_uint_eq(a64_fpsr(&cpu), FPSR_IXC);
    fesetround(FE_TONEAREST);
}
END_TEST

START_TEST(test_rounding_changes_during_a_run)
{
    static const uint64_t third[4] = {
        [SF_NEAREST] = 0x3fd5555555555555,
        [SF_UP] = 0x3fd5555555555556,
        [SF_DOWN] = 0x3fd5555555555555,
        [SF_ZERO] = 0x3fd5555555555555,
    };

    cpu.v[1].f64[0] = 1;
    cpu.v[2].f64[0] = 3;
    a64_fp_enter(&cpu);
    for (uint32_t mode = 0; mode < 4; mode++) {
        a64_set_fpcr(&cpu, mode << 22);
        run(FDIV_D);
        ck_assert_uint_eq(cpu.v[0].d[0], third[mode]);
        cpu.v[1].d[0] ^= 1ULL << 63; /* and of minus a third */
        run(FDIV_D);
        ck_assert_uint_eq(cpu.v[0].d[0] & INT64_MAX,
                          mode == SF_DOWN ? third[SF_UP] : third[SF_ZERO]);
        cpu.v[1].d[0] ^= 1ULL << 63;
    }
    a64_fp_leave(&cpu);
}
END_TEST

START_TEST(test_flags_are_seen_and_cleared_during_a_run)
{
    cpu.v[1].f64[0] = 1;
    cpu.v[2].f64[0] = 0;
    a64_fp_enter(&cpu);
    run(FDIV_D);
    ck_assert_uint_eq(a64_fpsr(&cpu), FPSR_DZC);
    a64_set_fpsr(&cpu, 0);
    ck_assert_uint_eq(a64_fpsr(&cpu), 0);
    cpu.v[2].f64[0] = 3;
    run(FDIV_D);
    ck_assert_uint_eq(a64_fpsr(&cpu), FPSR_IXC);
    a64_fp_leave(&cpu);
    ck_assert_uint_eq(a64_fpsr(&cpu), FPSR_IXC);
}
END_TEST

START_TEST(test_one_guest_s_flags_are_not_another_s)
{
    cpu.v[1].f64[0] = 1;
    run_alone(FDIV_D); /* by zero */
    setup();
    cpu.v[1].f64[0] = 1;
    run_alone(FADD_D);
    ck_assert_uint_eq(a64_fpsr(&cpu), 0);
}
END_TEST

START_TEST(test_fields_that_do_not_exist)
{
    a64_set_fpcr(&cpu, UINT32_MAX);
    ck_assert_uint_eq(cpu.fpcr, 0x07c00000); /* no traps, no FZ16 */
    a64_set_fpsr(&cpu, UINT32_MAX);
    ck_assert_uint_eq(a64_fpsr(&cpu), 0x0800009f); /* no AArch32 flags */
}
END_TEST

/* ---- answers that hosts get wrong ---------------------------------------- */

START_TEST(test_default_nan_is_positive)
{
    run_alone(FDIV_D); /* 0 / 0 */
    ck_assert_uint_eq(cpu.v[0].d[0], 0x7ff8000000000000);
    ck_assert_uint_eq(a64_fpsr(&cpu), FPSR_IOC);
}
END_TEST

START_TEST(test_signalling_nan_goes_first)
{
    cpu.v[1].d[0] = 0x7ff8000000000111; /* quiet */
    cpu.v[2].d[0] = 0xfff0000000000222; /* signalling */
    run_alone(FADD_D);
    ck_assert_uint_eq(cpu.v[0].d[0], 0xfff8000000000222);
    ck_assert_uint_eq(a64_fpsr(&cpu), FPSR_IOC);
}
END_TEST

START_TEST(test_fused_zero_times_infinity_with_nan)
{
    cpu.v[1].d[0] = 0;
    cpu.v[2].d[0] = 0x7ff0000000000000;
    cpu.v[3].d[0] = 0x7ff8000000000111;
    run_alone(FMADD_D);
    ck_assert_uint_eq(cpu.v[0].d[0], 0x7ff8000000000000);
    ck_assert_uint_eq(a64_fpsr(&cpu), FPSR_IOC);
}
END_TEST

START_TEST(test_tiny_before_rounding)
{
    cpu.v[1].d[0] = 0x0010000000000000; /* the smallest normal */
    cpu.v[2].d[0] = 0x3fefffffffffffff; /* just below one */
    run_alone(FMUL_D);
    ck_assert_uint_eq(cpu.v[0].d[0], 0x0010000000000000);
    ck_assert_uint_eq(a64_fpsr(&cpu), FPSR_UFC | FPSR_IXC);
}
END_TEST

START_TEST(test_flush_to_zero)
{
    a64_set_fpcr(&cpu, FPCR_FZ);
    cpu.v[1].d[0] = 0x8000000000000001;
    cpu.v[2].f64[0] = 1;
    run_alone(FMUL_D);
    ck_assert_uint_eq(cpu.v[0].d[0], 1ULL << 63);
    ck_assert_uint_eq(a64_fpsr(&cpu), FPSR_IDC);
    a64_set_fpsr(&cpu, 0);
    cpu.v[1].d[0] = 0x0010000000000001;
    cpu.v[2].f64[0] = 0.5;
    run_alone(FMUL_D);
    ck_assert_uint_eq(cpu.v[0].d[0], 0);
    ck_assert_uint_eq(a64_fpsr(&cpu), FPSR_UFC);
}
END_TEST

START_TEST(test_conversion_saturates)
{
    cpu.v[1].f64[0] = -1e300;
    run_alone(FCVTZS_X);
    ck_assert_uint_eq(cpu.x[0], 1ULL << 63);
    cpu.v[1].d[0] = 0x7ff8000000000000;
    run_alone(FCVTZS_X);
    ck_assert_uint_eq(cpu.x[0], 0);
    ck_assert_uint_eq(a64_fpsr(&cpu), FPSR_IOC);
}
END_TEST

/* ---- registers ----------------------------------------------------------- */

START_TEST(test_scalar_results_clear_the_rest)
{
    memset(&cpu.v[0], 0xff, sizeof(cpu.v[0]));
    run_alone(FMUL_S);
    ck_assert_uint_eq(cpu.v[0].d[0], 0);
    ck_assert_uint_eq(cpu.v[0].d[1], 0);
}
END_TEST

START_TEST(test_register_31_stays_zero)
{
    cpu.v[1].f64[0] = 5;
    run_alone(FCVTZS_X | 31);
    run_alone(0x9e66003f); /* fmov xzr, d1 */
    run_alone(0x4e083c3f); /* umov xzr, v1.d[0] */
    ck_assert_uint_eq(cpu.x[A64_ZR], 0);
    cpu.x[A64_SP] = 7;
    run_alone(0x4e080fe0); /* dup v0.2d, xzr */
    ck_assert_uint_eq(cpu.v[0].d[0], 0);
}
END_TEST

/* ---- what is not shown --------------------------------------------------- */

START_TEST(test_hidden_features_have_no_function)
{
    static const uint32_t words[] = {
        0x1ee22820,            /* fadd h0, h1, h2 */
        0x0e421420,            /* fadd v0.4h, v1.4h, v2.4h */
        0x2e428420,            /* sqrdmlah v0.4h, v1.4h, v2.4h */
        0x6e82c420,            /* fcmla v0.4s, v1.4s, v2.4s, #0 */
        0x1e7e0020,            /* fjcvtzs w0, d1 */
        0x0e22ec20,            /* fmlal v0.2s, v1.2h, v2.2h */
        0x1e684020,            /* frint32z d0, d1 */
        0x1e634020,            /* bfcvt h0, s1 */
        0x4e82a420,            /* smmla v0.4s, v1.16b, v2.16b */
        0x0e829c20,            /* usdot v0.2s, v1.8b, v2.8b */
        0xce020c20,            /* eor3 v0.16b, v1.16b, v2.16b, v3.16b */
        0xce628020,            /* sha512h q0, q1, v2.2d */
        0xcec08420,            /* sm4e v0.4s, v1.4s */
        0x1f02fc20 | 1u << 29, /* S set: nothing */
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        ck_assert_msg(a64_fp_decode(words[i]) == NULL, "%08x", words[i]);
}
END_TEST

/* ---- standards ----------------------------------------------------------- */

/* FIPS 197, appendix B: the round keys come from its appendix A.1. */
START_TEST(test_aes_128)
{
    static const uint8_t keys[11][16] = {
        {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88,
         0x09, 0xcf, 0x4f, 0x3c},
        {0xa0, 0xfa, 0xfe, 0x17, 0x88, 0x54, 0x2c, 0xb1, 0x23, 0xa3, 0x39, 0x39,
         0x2a, 0x6c, 0x76, 0x05},
        {0xf2, 0xc2, 0x95, 0xf2, 0x7a, 0x96, 0xb9, 0x43, 0x59, 0x35, 0x80, 0x7a,
         0x73, 0x59, 0xf6, 0x7f},
        {0x3d, 0x80, 0x47, 0x7d, 0x47, 0x16, 0xfe, 0x3e, 0x1e, 0x23, 0x7e, 0x44,
         0x6d, 0x7a, 0x88, 0x3b},
        {0xef, 0x44, 0xa5, 0x41, 0xa8, 0x52, 0x5b, 0x7f, 0xb6, 0x71, 0x25, 0x3b,
         0xdb, 0x0b, 0xad, 0x00},
        {0xd4, 0xd1, 0xc6, 0xf8, 0x7c, 0x83, 0x9d, 0x87, 0xca, 0xf2, 0xb8, 0xbc,
         0x11, 0xf9, 0x15, 0xbc},
        {0x6d, 0x88, 0xa3, 0x7a, 0x11, 0x0b, 0x3e, 0xfd, 0xdb, 0xf9, 0x86, 0x41,
         0xca, 0x00, 0x93, 0xfd},
        {0x4e, 0x54, 0xf7, 0x0e, 0x5f, 0x5f, 0xc9, 0xf3, 0x84, 0xa6, 0x4f, 0xb2,
         0x4e, 0xa6, 0xdc, 0x4f},
        {0xea, 0xd2, 0x73, 0x21, 0xb5, 0x8d, 0xba, 0xd2, 0x31, 0x2b, 0xf5, 0x60,
         0x7f, 0x8d, 0x29, 0x2f},
        {0xac, 0x77, 0x66, 0xf3, 0x19, 0xfa, 0xdc, 0x21, 0x28, 0xd1, 0x29, 0x41,
         0x57, 0x5c, 0x00, 0x6e},
        {0xd0, 0x14, 0xf9, 0xa8, 0xc9, 0xee, 0x25, 0x89, 0xe1, 0x3f, 0x0c, 0xc8,
         0xb6, 0x63, 0x0c, 0xa6},
    };
    static const uint8_t plain[16] = {0x32, 0x43, 0xf6, 0xa8, 0x88, 0x5a,
                                      0x30, 0x8d, 0x31, 0x31, 0x98, 0xa2,
                                      0xe0, 0x37, 0x07, 0x34};
    static const uint8_t cipher[16] = {0x39, 0x25, 0x84, 0x1d, 0x02, 0xdc,
                                       0x09, 0xfb, 0xdc, 0x11, 0x85, 0x97,
                                       0x19, 0x6a, 0x0b, 0x32};

    memcpy(&cpu.v[0], plain, 16);
    for (unsigned i = 0; i < 10; i++) {
        memcpy(&cpu.v[1], keys[i], 16);
        run(0x4e284820); /* aese v0.16b, v1.16b */
        if (i < 9)
            run(0x4e286800); /* aesmc v0.16b, v0.16b */
    }
    memcpy(&cpu.v[1], keys[10], 16);
    run(0x6e211c00); /* eor v0.16b, v0.16b, v1.16b */
    ck_assert_mem_eq(&cpu.v[0], cipher, 16);

    run(0x6e211c00);
    for (unsigned i = 10; i-- > 0;) {
        /* the equivalent inverse cipher: keys 1 to 9 are mixed */
        memset(&cpu.v[1], 0, 16);
        run(0x4e285820); /* aesd v0.16b, v1.16b */
        memcpy(&cpu.v[1], keys[i], 16);
        run(0x6e211c00);
        if (i > 0)
            run(0x4e287800); /* aesimc v0.16b, v0.16b */
    }
    ck_assert_mem_eq(&cpu.v[0], plain, 16);
}
END_TEST

/* FIPS 180-4: the message "abc", one block, already padded and big-endian */
static const uint32_t abc[16] = {0x61626380, [15] = 24};

START_TEST(test_sha256_abc)
{
    static const uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
        0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
        0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
        0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
        0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
        0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
        0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
        0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372,
                                      0xa54ff53a, 0x510e527f, 0x9b05688c,
                                      0x1f83d9ab, 0x5be0cd19};
    static const uint32_t digest[8] = {0xba7816bf, 0x8f01cfea, 0x414140de,
                                       0x5dae2223, 0xb00361a3, 0x96177a9c,
                                       0xb410ff61, 0xf20015ad};

    memcpy(&cpu.v[0], start, 32);
    memcpy(&cpu.v[4], abc, 64); /* the schedule, in v4 to v7 */
    for (unsigned i = 0; i < 16; i++) {
        memcpy(&cpu.v[3], &k[4 * i], 16);
        run(0x4ea48463); /* add v3.4s, v3.4s, v4.4s */
        cpu.v[2] = cpu.v[0];
        run(0x5e034020); /* sha256h q0, q1, v3.4s */
        run(0x5e035041); /* sha256h2 q1, q2, v3.4s */
        run(0x5e2828a4); /* sha256su0 v4.4s, v5.4s */
        run(0x5e0760c4); /* sha256su1 v4.4s, v6.4s, v7.4s */
        cpu.v[3] = cpu.v[4];
        memmove(&cpu.v[4], &cpu.v[5], 48);
        cpu.v[7] = cpu.v[3];
    }
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(cpu.v[i / 4].s[i % 4] + start[i], digest[i]);
}
END_TEST

START_TEST(test_sha1_abc)
{
    static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc,
                                  0xca62c1d6};
    /* sha1c, sha1p, sha1m, sha1p q0, s1, v3.4s */
    static const uint32_t rounds[4] = {0x5e030020, 0x5e031020, 0x5e032020,
                                       0x5e031020};
    static const uint32_t start[5] = {0x67452301, 0xefcdab89, 0x98badcfe,
                                      0x10325476, 0xc3d2e1f0};
    static const uint32_t digest[5] = {0xa9993e36, 0x4706816a, 0xba3e2571,
                                       0x7850c26c, 0x9cd0d89d};

    memcpy(&cpu.v[0], start, 16);
    cpu.v[1].s[0] = start[4];
    memcpy(&cpu.v[4], abc, 64);
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned j = 0; j < 4; j++)
            cpu.v[3].s[j] = k[i / 5];
        run(0x4ea48463); /* add v3.4s, v3.4s, v4.4s */
        run(0x5e280802); /* sha1h s2, s0 */
        run(rounds[i / 5]);
        cpu.v[1] = cpu.v[2];
        run(0x5e0630a4); /* sha1su0 v4.4s, v5.4s, v6.4s */
        run(0x5e2818e4); /* sha1su1 v4.4s, v7.4s */
        cpu.v[3] = cpu.v[4];
        memmove(&cpu.v[4], &cpu.v[5], 48);
        cpu.v[7] = cpu.v[3];
    }
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(cpu.v[0].s[i] + start[i], digest[i]);
    ck_assert_uint_eq(cpu.v[1].s[0] + start[4], digest[4]);
}
END_TEST

START_TEST(test_polynomials)
{
    cpu.v[1].d[0] = 0x8000000000000001;
    cpu.v[2].d[0] = 0x8000000000000003;
    run(0x0ee2e020); /* pmull v0.1q, v1.1d, v2.1d */
    ck_assert_uint_eq(cpu.v[0].d[0], 0x0000000000000003);
    ck_assert_uint_eq(cpu.v[0].d[1], 0x4000000000000001);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("fp");
    Suite *suite = suite_create("fp");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, test_host_unit_comes_back);
    tcase_add_test(tc, test_rounding_changes_during_a_run);
    tcase_add_test(tc, test_flags_are_seen_and_cleared_during_a_run);
    tcase_add_test(tc, test_one_guest_s_flags_are_not_another_s);
    tcase_add_test(tc, test_fields_that_do_not_exist);
    tcase_add_test(tc, test_default_nan_is_positive);
    tcase_add_test(tc, test_signalling_nan_goes_first);
    tcase_add_test(tc, test_fused_zero_times_infinity_with_nan);
    tcase_add_test(tc, test_tiny_before_rounding);
    tcase_add_test(tc, test_flush_to_zero);
    tcase_add_test(tc, test_conversion_saturates);
    tcase_add_test(tc, test_scalar_results_clear_the_rest);
    tcase_add_test(tc, test_register_31_stays_zero);
    tcase_add_test(tc, test_hidden_features_have_no_function);
    tcase_add_test(tc, test_aes_128);
    tcase_add_test(tc, test_sha256_abc);
    tcase_add_test(tc, test_sha1_abc);
    tcase_add_test(tc, test_polynomials);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
