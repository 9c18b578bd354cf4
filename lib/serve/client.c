/* SPDX-License-Identifier: MIT
 *
 * Whose request it is: the address of the connection, or behind proxies that are trusted the one that they say. Addresses are compared as the
 * numbers they are: an address of IPv4 may be written as one of IPv6, and one of IPv6 in many ways.
 */
#include "serve_priv.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* An address of IPv4 as one of IPv6 (RFC 4291, section 2.5.5.2), so that there is one kind. */
static bool read_address(struct in6_addr *out, const char *text)
{
    struct in_addr four;

    if (inet_pton(AF_INET, text, &four) == 1) {
        memset(out, 0, sizeof *out);
        out->s6_addr[10] = out->s6_addr[11] = 0xff;
        memcpy(&out->s6_addr[12], &four, sizeof four);
        return true;
    }
    return inet_pton(AF_INET6, text, out) == 1;
}

static void print_address(char out[64], const struct in6_addr *address)
{
    if (IN6_IS_ADDR_V4MAPPED(address))
        inet_ntop(AF_INET, &address->s6_addr[12], out, 64);
    else
        inet_ntop(AF_INET6, address, out, 64);
}

/* ---- proxies ---- */

static bool is_within(const struct in6_addr *address, const struct rec_client_network *network)
{
    size_t whole = network->bits / 8, rest = network->bits % 8;

    return memcmp(address, &network->address, whole) == 0 &&
           (!rest || ((address->s6_addr[whole] ^ network->address.s6_addr[whole]) >> (8 - rest)) == 0);
}

static bool is_proxy(const struct rec_serve *serve, const struct in6_addr *address)
{
    for (size_t i = 0; i < serve->n_proxies; i++)
        if (is_within(address, &serve->proxy[i]))
            return true;
    return false;
}

/* "192.0.2.1", "10.0.0.0/8", "2001:db8::/32". */
static int read_network(struct rec_client_network *out, const char *text, struct rec_err *err)
{
    const char *slash = strchr(text, '/');
    char address[64];
    int64_t bits, most;

    snprintf(address, sizeof address, "%.*s", slash ? (int)(slash - text) : 63, text);
    most = strchr(address, ':') ? 128 : 32;
    bits = most;
    if ((slash && slash - text > 63) || !read_address(&out->address, address) ||
        (slash && (rec_num_int64(&bits, slash + 1, strlen(slash + 1)) < 0 || bits < 0 || bits > most)))
        return rec_err_set(err, "proxy %s: neither an address, nor a network such as 10.0.0.0/8, nor unix", text);
    out->bits = (unsigned)(128 - most + bits);
    return 0;
}

int rec_client_open(struct rec_serve *serve, struct rec_err *err)
{
    const char *const *p = serve->config.proxies;
    size_t n = 0;

    while (p && p[n])
        n++;
    serve->proxy = n ? rec_calloc(n, sizeof *serve->proxy, "proxies", err) : NULL;
    if (n && !serve->proxy)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(p[i], "unix") == 0)
            serve->unix_proxy = true;
        else if (read_network(&serve->proxy[serve->n_proxies++], p[i], err) < 0)
            return -1;
    }
    return 0;
}

void rec_client_close(struct rec_serve *serve)
{
    free(serve->proxy);
    serve->proxy = NULL;
}

/* ---- X-Forwarded-For ---- */

/* Some proxies add the port: "192.0.2.1:4711", "[2001:db8::1]:4711". */
static bool read_forwarded(struct in6_addr *out, const char *text, size_t len)
{
    char address[64];
    const char *end;

    if (len && *text == '[') {
        end = memchr(text, ']', len);
        text++;
        len = end ? (size_t)(end - text) : 0;
    } else if ((end = memchr(text, ':', len)) && !memchr(end + 1, ':', len - (size_t)(end + 1 - text))) {
        len = (size_t)(end - text);
    }
    snprintf(address, sizeof address, "%.*s", (int)(len < sizeof address ? len : 0), text);
    return read_address(out, address);
}

/* One line, from its end: true when who is looked for is found, and in `out`; false when all of it were proxies. What is no address says
 * nothing, nor does what stands before it: then it is the last proxy. */
static bool find_in(struct in6_addr *out, const struct rec_serve *serve, const char *list, size_t len)
{
    const char *end = list + len, *begin, *text;
    struct in6_addr address;

    for (; end > list; end = begin > list ? begin - 1 : list) {
        begin = memrchr(list, ',', (size_t)(end - list));
        begin = begin ? begin + 1 : list;
        for (text = begin; text < end && (*text == ' ' || *text == '\t'); text++)
            ;
        for (len = 0; text + len < end && text[len] != ' ' && text[len] != '\t'; len++)
            ;
        if (!read_forwarded(&address, text, len))
            return true;
        *out = address;
        if (!is_proxy(serve, out))
            return true;
    }
    return false;
}

/* It is read from its end, where the proxies that are trusted wrote: the first address that is not one of them is the client. Several lines
 * are one list (RFC 9110, section 5.3). A socket of the file system has no address: the proxy "unix". */
static bool find_address(struct in6_addr *out, const struct rec_serve *serve, const struct rec_exchange *x)
{
    const struct rec_message *m = x->message;
    bool known = x->peer[0] && read_address(out, x->peer), found = known ? !is_proxy(serve, out) : !serve->unix_proxy || x->peer[0];
    struct in6_addr said;

    for (size_t i = m->n_fields; i-- > 0 && !found;)
        if (strcmp(m->head.data + m->field[i].name, "x-forwarded-for") == 0) {
            memset(&said, 0, sizeof said);
            found = find_in(&said, serve, m->head.data + m->field[i].value, m->field[i].value_len);
            if (!IN6_IS_ADDR_UNSPECIFIED(&said)) {
                *out = said;
                known = true;
            }
        }
    return known;
}

/* ---- the client ---- */

void rec_client_name(char out[64], const struct rec_serve *serve, const struct rec_exchange *x)
{
    struct in6_addr address;

    if (serve->config.proxies && find_address(&address, serve, x))
        print_address(out, &address);
    else
        snprintf(out, 64, "%s", x->peer);
}

void rec_client_find(struct rec_call *c, char peer[64], char network[64])
{
    struct in6_addr address;

    c->peer = peer;
    c->network = network;
    /* Without proxies an address of IPv4 is what it is. */
    if ((!c->serve->config.proxies && !strchr(c->x->peer, ':')) || !find_address(&address, c->serve, c->x)) {
        snprintf(peer, 64, "%s", c->x->peer);
        snprintf(network, 64, "%s", c->x->peer);
        return;
    }
    print_address(peer, &address);
    /* Who has an address of IPv6 has a network of 2^64 of them. */
    if (!IN6_IS_ADDR_V4MAPPED(&address))
        memset(&address.s6_addr[8], 0, 8);
    print_address(network, &address);
}
