/* SPDX-License-Identifier: MIT
 *
 * Limits that several hosts share: the algorithm of limit.c in Lua, run by a Redis server as one step, by the server's clock, so that it does not
 * matter what time it is on which host. The server keeps the theoretical arrival time and is asked how far ahead of now it was; what follows from
 * that is computed here, and by the same function. A bucket that is empty is a key whose life has ended.
 */
#include "limit_priv.h"

#include <string.h>

/* The digest stands for exactly this text (sha1sum), which the test sees to. A key that holds no number is an empty bucket; a number that cannot be
 * right, or is none that compares, is cut back to a full one. Effects are replicated and not the script, which Redis before 5 had to be told. */
const struct rec_cache_script rec_limit_remote_script = {
    "if redis.replicate_commands then redis.replicate_commands() end\n"
    "local t = redis.call('TIME')\n"
    "local at = t[1] * 1000000 + t[2]\n"
    "local interval, window, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])\n"
    "local ahead = (tonumber(redis.call('GET', KEYS[1]) or 0) or 0) - at\n"
    "local wrong = not (ahead <= window + 1)\n"
    "if wrong or ahead > window then ahead = window elseif ahead < 0 then ahead = 0 end\n"
    "local after = ahead + cost * interval\n"
    "local allowed = after <= window + 0.5\n"
    "if wrong or (allowed and cost > 0) then\n"
    "  local left = allowed and after or ahead\n"
    "  redis.call('SET', KEYS[1], string.format('%.0f', math.floor(at + left + 0.5)), 'PX', string.format('%.0f', math.floor(left / 1000) + 1))\n"
    "end\n"
    "return string.format('%.17g', ahead)\n",
    "68d1db6e99e35ecf9d463afdf24006ad193ac699"};

enum rec_cache_outcome rec_limit_remote_ask(struct rec_limit_answer *answer, struct rec_cache *server, const void *key, size_t len,
                                            const struct rec_limit_rate *rate, double cost, double *budget, struct rec_err *err)
{
    double interval = 1e6 / rate->per_second, window = rate->burst * interval, ahead, told[] = {interval, window, cost};
    char text[REC_LENGTH(told)][REC_NUM_MAX + 1];
    const char *argument[REC_LENGTH(told)];
    struct rec_buf said = {0};
    enum rec_cache_outcome outcome;

    for (size_t i = 0; i < REC_LENGTH(told); i++) {
        text[i][rec_num_print_double(text[i], told[i])] = 0;
        argument[i] = text[i];
    }
    outcome = rec_cache_run(&said, server, &rec_limit_remote_script, key, len, argument, REC_LENGTH(told), budget, err);
    /* What no bucket can say is of no use: then its asker does without. */
    if (outcome == REC_CACHE_MISS ||
        (outcome == REC_CACHE_HIT && (said.failed || rec_num_double(&ahead, said.data ? said.data : "", said.len) < 0 || !(ahead >= 0 && ahead <= window)))) {
        outcome = REC_CACHE_WRONG;
        rec_err_set(err, "what the server says of a limit is not what it was asked");
    }
    if (outcome == REC_CACHE_HIT)
        rec_limit_tell(answer, rate, cost, ahead);
    rec_buf_clear(&said);
    return outcome;
}
