/* SPDX-License-Identifier: MIT
 *
 * Numbers from and to text, strictly and whatever the locale.
 *
 * Reading: a decimal of at most 19 digits whose digits fit 2^53 and whose power of ten is at most 10^22 is one exact integer
 * divided or multiplied by one exact power, hence correctly rounded (Clinger 1990); anything else goes to strtod after its
 * spelling has been checked. The tools never call setlocale, so strtod's decimal point is '.'.
 */
#include <rec/util.h>

#include <math.h>

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

struct decimal {
    bool negative;
    uint64_t digits;  /* the first 19 */
    int n_digits;     /* how many there were, leading zeros not counted */
    int64_t exponent; /* value = digits * 10^exponent when n_digits <= 19 */
};

static const char *scan_digits(struct decimal *d, const char *p, const char *end, bool fraction)
{
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        d->exponent -= fraction;
        if (d->n_digits == 0 && *p == '0')
            continue;
        if (d->n_digits++ < 19)
            d->digits = d->digits * 10 + (uint64_t)(*p - '0');
    }
    return p;
}

static const char *scan_exponent(struct decimal *d, const char *p, const char *end)
{
    int64_t e = 0;
    bool negative = false;

    if (p < end && (*p == '+' || *p == '-'))
        negative = *p++ == '-';
    if (p == end)
        return NULL;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        if (e < 100000)
            e = e * 10 + (*p - '0');
    d->exponent += negative ? -e : e;
    return p;
}

/* [+-] digits [. digits] [e [+-] digits], at least one digit, and nothing besides. */
static int scan(struct decimal *d, const char *p, const char *end)
{
    const char *start;
    size_t n;

    *d = (struct decimal){0};
    if (p < end && (*p == '+' || *p == '-'))
        d->negative = *p++ == '-';
    start = p;
    p = scan_digits(d, p, end, false);
    n = (size_t)(p - start);
    if (p < end && *p == '.') {
        start = ++p;
        p = scan_digits(d, p, end, true);
        n += (size_t)(p - start);
    }
    if (n == 0)
        return -1;
    if (p < end && (*p == 'e' || *p == 'E')) {
        if (p + 1 == end)
            return -1;
        p = scan_exponent(d, p + 1, end);
        if (!p || p[-1] < '0' || p[-1] > '9')
            return -1;
    }
    return p == end ? 0 : -1;
}

static int slow_double(double *out, const char *text, size_t len)
{
    char copy[512];

    if (len >= sizeof copy)
        return -1;
    memcpy(copy, text, len);
    copy[len] = 0;
    *out = strtod(copy, NULL);
    return isfinite(*out) ? 0 : -1;
}

int rec_num_double(double *out, const char *text, size_t len)
{
    struct decimal d;
    double value;

    if (len == 0 || scan(&d, text, text + len) < 0)
        return -1;
    if (d.n_digits > 19 || d.digits > UINT64_C(1) << 53 || d.exponent < -22 || d.exponent > 22)
        return slow_double(out, text, len);
    value = (double)d.digits;
    value = d.exponent < 0 ? value / powers[-d.exponent] : value * powers[d.exponent];
    *out = d.negative ? -value : value;
    return 0;
}

int rec_num_int64(int64_t *out, const char *text, size_t len)
{
    const char *p = text, *end = text + len;
    bool negative = false;
    int64_t value = 0;

    if (p < end && (*p == '+' || *p == '-'))
        negative = *p++ == '-';
    if (p == end)
        return -1;
    for (; p < end; p++) {
        int digit = *p - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit, &value))   /* downwards: the lowest number has no positive */
            return -1;
    }
    if (!negative && value == INT64_MIN)
        return -1;
    *out = negative ? value : -value;
    return 0;
}

size_t rec_num_print_int64(char *out, int64_t value)
{
    static const char pairs[] = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
                                "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
    char digits[20], *end = digits + sizeof digits, *p = end;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;

    if (value < 0)
        *out++ = '-';
    for (; rest >= 100; rest /= 100)
        memcpy(p -= 2, pairs + rest % 100 * 2, 2);
    if (rest >= 10)
        memcpy(p -= 2, pairs + rest * 2, 2);
    else
        *--p = (char)('0' + rest);
    memcpy(out, p, (size_t)(end - p));
    return (size_t)(end - p) + (value < 0);
}

/* Ratings are mostly small multiples of a half or a tenth; those need no search. */
static size_t print_short(char *out, double value)
{
    double tenths = value * 10;
    size_t len;

    if (!(fabs(value) < 1e6) || tenths != nearbyint(tenths) || nearbyint(tenths) / 10 != value)
        return 0;
    if (tenths < 0)
        *out = '-';
    uint64_t n = (uint64_t)fabs(tenths);
    len = (size_t)(tenths < 0);
    len += rec_num_print_int64(out + len, (int64_t)(n / 10));
    if (n % 10) {
        out[len++] = '.';
        out[len++] = (char)('0' + n % 10);
    }
    return len;
}

size_t rec_num_print_double(char *out, double value)
{
    size_t len = print_short(out, value);
    int size;

    if (len)
        return len;
    for (int precision = 15;; precision++) {
        size = snprintf(out, REC_NUM_MAX, "%.*g", precision, value);
        if (precision == 17 || strtod(out, NULL) == value)
            return (size_t)size;
    }
}

/* The power of ten of the first digit of a. */
static int decimal_exponent(double a)
{
    int e;

    frexp(a, &e);
    e = (int)floor((e - 1) * 0.30102999566398120);
    return a >= (e >= -1 ? powers[e + 1] : 1 / powers[-e - 1]) ? e + 1 : e;
}

/* digits * 10^(exponent - n + 1), as printf's %.*g writes it. */
static size_t print_digits(char *out, int64_t digits, int n, int exponent, int precision)
{
    char text[REC_NUM_MAX];
    size_t len = 0;

    for (; n > 1 && digits % 10 == 0; n--)
        digits /= 10;
    rec_num_print_int64(text, digits);
    if (exponent < -4 || exponent >= precision) {
        out[len++] = text[0];
        for (int i = 1; i < n; i++) {
            if (i == 1)
                out[len++] = '.';
            out[len++] = text[i];
        }
        return len + (size_t)snprintf(out + len, 6, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
    }
    for (int i = exponent < 0 ? exponent : 0; i < n || i <= exponent; i++) {
        if (i == exponent + 1)
            out[len++] = '.';
        out[len++] = i < 0 || i >= n ? '0' : text[i];
    }
    return len;
}

/* A float is at most 9 digits, and double has 15 to find them in. Where rounding in double might tell wrongly, next to a tie, 0 is
 * returned, and the C library decides. */
static size_t print_fast(char *out, float value)
{
    double a = fabs((double)value), scaled, whole, back;
    uint64_t bits;
    size_t negative = value < 0;
    int exponent;

    if (!(a >= 1e-12 && a < 1e12))
        return 0;
    exponent = decimal_exponent(a);
    for (int n = 6; n <= 9; n++) {
        int scale = n - 1 - exponent;
        scaled = scale >= 0 ? a * powers[scale] : a / powers[-scale];
        whole = nearbyint(scaled);
        if (fabs(fabs(scaled - whole) - 0.5) < 1e-5 || whole >= powers[n])
            return 0;
        back = scale >= 0 ? whole / powers[scale] : whole * powers[-scale];
        memcpy(&bits, &back, sizeof bits);
        if ((bits & 0x1fffffff) == 0x10000000)   /* halfway between two floats */
            return 0;
        if ((float)back == (float)a) {
            *out = '-';
            return negative + print_digits(out + negative, (int64_t)whole, n, exponent, n);
        }
    }
    return 0;
}

size_t rec_num_print_float(char *out, float value)
{
    float tenths = nearbyintf(value * 10);
    size_t len;
    int size;

    /* 3.9f is no multiple of a tenth as a double, but it is what 3.9 reads as. */
    if (fabsf(value) < 1e5f && (float)(tenths / 10.0) == value)
        return print_short(out, tenths / 10.0);
    len = print_fast(out, value);
    if (len)
        return len;
    for (int precision = 6;; precision++) {
        size = snprintf(out, REC_NUM_MAX, "%.*g", precision, (double)value);
        if (precision == 9 || strtof(out, NULL) == value)
            return (size_t)size;
    }
}

double rec_num_decimal(float value)
{
    double tenths = nearbyint((double)value * 10) / 10, decimal;
    char text[REC_NUM_MAX];

    if (fabsf(value) < 1e5f && (float)tenths == value)
        return tenths;
    /* Read as a double and then cut to a float it could be a neighbour, next to a tie. */
    if (rec_num_double(&decimal, text, rec_num_print_float(text, value)) < 0 || (float)decimal != value)
        return (double)value;
    return decimal;
}
