/* SPDX-License-Identifier: MIT
 *
 * How many connections an address has: a table of chains. There are never more entries than connections, so the chains stay short enough
 * even when somebody picks addresses that fall into one.
 */
#include "listen_priv.h"

static bool key_of(unsigned char *key, const struct sockaddr_storage *name)
{
    const struct sockaddr_in6 *six = (const void *)name;
    const struct sockaddr_in *four = (const void *)name;

    memset(key, 0, 16);
    if (name->ss_family == AF_INET) {
        memcpy(key + 12, &four->sin_addr, 4);
        key[10] = key[11] = 0xff;
    } else if (name->ss_family == AF_INET6) {
        memcpy(key, &six->sin6_addr, IN6_IS_ADDR_V4MAPPED(&six->sin6_addr) ? 16 : 8);
    } else {
        return false;
    }
    return true;
}

struct rec_listen_peer *rec_listen_peers_enter(struct rec_listen_peers *peers, const struct sockaddr_storage *name, size_t most)
{
    struct rec_listen_peer *p, **bucket;
    unsigned char key[16];
    uint64_t hash;

    if (!key_of(key, name))
        return NULL;
    hash = rec_hashmap_hash((const char *)key, sizeof key);
    bucket = &peers->bucket[hash % REC_LENGTH(peers->bucket)];
    for (p = *bucket; p && memcmp(p->key, key, sizeof key) != 0; p = p->next)
        ;
    if (p && p->connections >= most)
        return NULL;
    if (!p) {
        p = calloc(1, sizeof *p);
        if (!p)
            return NULL;
        memcpy(p->key, key, sizeof key);
        p->hash = hash;
        p->next = *bucket;
        *bucket = p;
    }
    p->connections++;
    return p;
}

void rec_listen_peers_leave(struct rec_listen_peers *peers, struct rec_listen_peer *peer)
{
    struct rec_listen_peer **at;

    if (!peer || --peer->connections)
        return;
    for (at = &peers->bucket[peer->hash % REC_LENGTH(peers->bucket)]; *at != peer; at = &(*at)->next)
        ;
    *at = peer->next;
    free(peer);
}
