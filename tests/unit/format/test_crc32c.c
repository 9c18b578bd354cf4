/* SPDX-License-Identifier: MIT
 *
 * Known sums (RFC 3720, B.4), and the instruction against a sum made bit by bit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/format.h>

static uint32_t by_bits(uint32_t crc, const unsigned char *p, size_t len)
{
    crc = ~crc;
    for (; len > 0; p++, len--) {
        crc ^= *p;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static void knows_the_standard_sums(void **state)
{
    unsigned char bytes[32] = {0};
    (void)state;
    assert_int_equal(rec_crc32c(0, NULL, 0), 0);
    assert_int_equal(rec_crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(rec_crc32c(0, bytes, 32), 0x8a9136aau);
    memset(bytes, 0xff, 32);
    assert_int_equal(rec_crc32c(0, bytes, 32), 0x62a8ab43u);
    for (int i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(rec_crc32c(0, bytes, 32), 0x46dd794eu);
}

static void agrees_at_every_length_and_alignment(void **state)
{
    enum { N = 40000 };
    unsigned char *bytes = malloc(N);
    struct rec_rng rng;
    (void)state;
    assert_non_null(bytes);
    rec_rng_seed(&rng, 1, 0);
    for (size_t i = 0; i < N; i++)
        bytes[i] = (unsigned char)rec_rng_next(&rng);
    for (size_t len = 0; len < N - 8; len += len < 100 ? 1 : 613)
        for (size_t from = 0; from < 8; from += 3)
            assert_int_equal(rec_crc32c(77, bytes + from, len), by_bits(77, bytes + from, len));
    free(bytes);
}

static void goes_on_where_it_stopped(void **state)
{
    static unsigned char bytes[20000];
    uint32_t whole, parts;
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * i >> 3);
    whole = rec_crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut += 777) {
        parts = rec_crc32c(0, bytes, cut);
        assert_int_equal(rec_crc32c(parts, bytes + cut, sizeof bytes - cut), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_standard_sums),
        cmocka_unit_test(agrees_at_every_length_and_alignment),
        cmocka_unit_test(goes_on_where_it_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
