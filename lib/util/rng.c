/* SPDX-License-Identifier: MIT
 *
 * xoshiro256++ 1.0 (Blackman, Vigna: Scrambled linear pseudorandom number generators, ACM TOMS 2021), its state filled by
 * SplitMix64 from the seed and the stream. Bounded numbers as in Lemire, Fast random integer generation in an interval (2019).
 */
#include <rec/util.h>

#include <math.h>

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

void rec_rng_seed(struct rec_rng *rng, uint64_t seed, uint64_t stream)
{
    uint64_t state = seed, other = stream ^ 0x6a09e667f3bcc909u;

    /* Both words are mixed before they meet, so that (1, 2) and (2, 1) have nothing in common. */
    state = splitmix(&state) ^ rotate(splitmix(&other), 32);
    for (int i = 0; i < 4; i++)
        rng->s[i] = splitmix(&state);
}

uint64_t rec_rng_next(struct rec_rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t rec_rng_below(struct rec_rng *rng, uint64_t n)
{
    unsigned __int128 m = (unsigned __int128)rec_rng_next(rng) * n;

    if ((uint64_t)m < n) {
        uint64_t threshold = -n % n;
        while ((uint64_t)m < threshold)
            m = (unsigned __int128)rec_rng_next(rng) * n;
    }
    return (uint64_t)(m >> 64);
}

double rec_rng_uniform(struct rec_rng *rng)
{
    return (double)(rec_rng_next(rng) >> 11) * 0x1p-53;
}

/* The second number of a pair is dropped: keeping it would make the generator's state more than its four words. */
double rec_rng_normal(struct rec_rng *rng)
{
    double u, v, s;

    do {
        u = 2 * rec_rng_uniform(rng) - 1;
        v = 2 * rec_rng_uniform(rng) - 1;
        s = u * u + v * v;
    } while (s >= 1 || s == 0);
    return u * sqrt(-2 * log(s) / s);
}
