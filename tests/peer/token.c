/* SPDX-License-Identifier: MIT
 *
 * Our tokens for comparison with another library's (tests/integration/token-oracle.py):
 *
 *     token keys RING              each key of it: KID ALG SECRET PUBLIC, in hexadecimal; "-" where there is none
 *     token issue RING ALG SUBJECT KIND [SECONDS]      a token of that life (900)
 *     token check RING <lines      of each line "access TOKEN" or "refresh TOKEN": the verdict, and the subject of a valid one
 */
#include <rec/auth.h>
#include <rec/util.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct rec_err err;
static struct rec_token_keys keys;

static void print_hex(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%02x", (unsigned)bytes[i]);
}

/* Of an Ed25519 secret the first half is the seed, which is what others call the private key. */
static int print_keys(void)
{
    for (size_t i = 0; i < keys.n; i++) {
        printf("%s %s ", keys.key[i].id, keys.key[i].alg == REC_TOKEN_HS256 ? "HS256" : "EdDSA");
        print_hex(keys.key[i].secret, 32);
        putchar(' ');
        if (keys.key[i].alg == REC_TOKEN_EDDSA)
            print_hex(keys.key[i].public_key, REC_SIGN_PUBLIC);
        puts(keys.key[i].alg == REC_TOKEN_EDDSA ? "" : "-");
    }
    return 0;
}

static int issue(char **argv)
{
    int64_t now = (int64_t)time(NULL), life = 900;
    struct rec_token_claims claims = {.kind = strcmp(argv[5], "refresh") == 0 ? REC_TOKEN_REFRESH : REC_TOKEN_ACCESS, .issued = now};
    struct rec_buf text = {0};

    if (argv[6] && rec_num_int64(&life, argv[6], strlen(argv[6])) < 0)
        return 2;
    claims.expires = now + life;
    snprintf(claims.subject, sizeof claims.subject, "%s", argv[4]);
    if (rec_token_issue(&text, &keys, &claims, &err) < 0)
        return 1;
    puts(text.data);
    rec_buf_clear(&text);
    return 0;
}

static int check(void)
{
    struct rec_token_claims claims;
    char *line = NULL;
    size_t room = 0;
    ssize_t len;

    while ((len = getline(&line, &room, stdin)) > 0) {
        enum rec_token_kind kind = strncmp(line, "refresh ", 8) == 0 ? REC_TOKEN_REFRESH : REC_TOKEN_ACCESS;
        const char *token = strchr(line, ' ') + 1;
        size_t n = (size_t)(line + len - token) - (line[len - 1] == '\n');
        enum rec_token_verdict verdict = rec_token_check(&claims, &keys, token, n, kind, (int64_t)time(NULL));

        printf("%s%s%s\n", rec_token_verdicts[verdict], verdict == REC_TOKEN_VALID ? " " : "", claims.subject);
    }
    free(line);
    return 0;
}

int main(int argc, char **argv)
{
    /* Public keys are made only where EdDSA signs, or a token names one: `keys` asks for them all. */
    bool pairs = argc > 1 && strcmp(argv[1], "keys") == 0;
    enum rec_token_alg alg = pairs || (argc > 3 && strcmp(argv[3], "EdDSA") == 0) ? REC_TOKEN_EDDSA : REC_TOKEN_HS256;
    struct rec_keyring ring;
    int status = 2;

    if (argc < 3)
        return 2;
    if (rec_keyring_read(&ring, argv[2], &err) < 0 || rec_token_keys_from(&keys, &ring, alg, "rec", "rec", &err) < 0)
        status = 1;
    else if (strcmp(argv[1], "keys") == 0)
        status = print_keys();
    else if (strcmp(argv[1], "issue") == 0 && argc > 5)
        status = issue(argv);
    else if (strcmp(argv[1], "check") == 0)
        status = check();
    if (err.text[0])
        fprintf(stderr, "token: %s\n", err.text);
    return status;
}
