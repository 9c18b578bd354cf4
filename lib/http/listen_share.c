/* SPDX-License-Identifier: MIT
 *
 * What processes that accept from one socket know of each other: how many connections each of them has, and how many each client's address has with
 * all of them. In memory that they share since fork(2).
 *
 * Addresses are in a table of chains whose links are numbers of entries. There are never more entries than connections, so the chains stay short
 * enough even when somebody picks addresses that fall into one. Its lock is one that a process may die with (a robust mutex): the entries alone say
 * what there is, and chains and the free ones are made of them anew.
 */
#include "listen_priv.h"

#include <errno.h>
#include <sys/mman.h>

enum { BUCKETS = 4096, NO_ONE = UINT32_MAX };

struct rec_listen_peer {
    unsigned char key[16];
    uint32_t next, bucket;        /* numbers from 1; 0: none. `next` of one that is free: the next free one */
};

struct rec_listen_share {
    size_t bytes, processes, entries;
    pthread_mutex_t lock;
    uint32_t free, bucket[BUCKETS];
    _Atomic uint32_t connections[REC_LISTEN_PROCESSES]; /* NO_ONE: of a process that takes none */
    struct rec_listen_peer *entry;
    uint32_t *count;              /* [entries][processes]: connections of the entry's address; an entry without any is free */
};

static bool is_free(const struct rec_listen_share *share, size_t e)
{
    for (size_t p = 0; p < share->processes; p++)
        if (share->count[e * share->processes + p])
            return false;
    return true;
}

static void link_entries(struct rec_listen_share *share)
{
    memset(share->bucket, 0, sizeof share->bucket);
    share->free = 0;
    for (size_t e = share->entries; e-- > 0;) {
        struct rec_listen_peer *peer = &share->entry[e];
        uint32_t *list = is_free(share, e) || peer->bucket >= BUCKETS ? &share->free : &share->bucket[peer->bucket];

        peer->next = *list;
        *list = (uint32_t)e + 1;
    }
}

/* @param processes  1 to REC_LISTEN_PROCESSES */
int rec_listen_share_new(struct rec_listen_share **out, size_t processes, size_t entries, struct rec_err *err)
{
    struct rec_listen_share *share;
    pthread_mutexattr_t robust;
    size_t bytes, each = sizeof share->entry[0] + processes * sizeof share->count[0];

    *out = NULL;
    if (!processes || processes > REC_LISTEN_PROCESSES || entries >= NO_ONE || rec_size_mul(&bytes, entries, each) < 0 ||
        rec_size_add(&bytes, bytes, sizeof *share) < 0)
        return rec_err_set(err, "%zu processes for %zu connections: too many", processes, entries);
    share = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (share == MAP_FAILED)
        return rec_err_memory(err, "connections");
    share->bytes = bytes;
    share->processes = processes;
    share->entries = entries;
    share->entry = (void *)(share + 1);
    share->count = (void *)(share->entry + entries);
    for (size_t p = 0; p < REC_LISTEN_PROCESSES; p++)
        atomic_store(&share->connections[p], NO_ONE);
    pthread_mutexattr_init(&robust);
    pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&share->lock, &robust);
    pthread_mutexattr_destroy(&robust);
    link_entries(share);
    *out = share;
    return 0;
}

void rec_listen_share_free(struct rec_listen_share *share)
{
    if (share)
        munmap(share, share->bytes);
}

/* ---- who has how many ---- */

void rec_listen_share_say(struct rec_listen_share *share, size_t process, size_t connections)
{
    atomic_store(&share->connections[process], connections == SIZE_MAX ? NO_ONE : (uint32_t)connections);
}

bool rec_listen_share_is_ahead(const struct rec_listen_share *share, size_t process, size_t connections)
{
    uint32_t least = NO_ONE, theirs;

    for (size_t p = 0; p < share->processes; p++) {
        theirs = atomic_load_explicit(&share->connections[p], memory_order_relaxed);
        if (p != process && theirs < least)
            least = theirs;
    }
    return least != NO_ONE && connections > least + least / 8;
}

/* ---- addresses ---- */

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

static void take_lock(struct rec_listen_share *share)
{
    if (pthread_mutex_lock(&share->lock) != EOWNERDEAD)
        return;
    link_entries(share);
    pthread_mutex_consistent(&share->lock);
}

static size_t connections_of(const struct rec_listen_share *share, size_t e)
{
    size_t n = 0;

    for (size_t p = 0; p < share->processes; p++)
        n += share->count[e * share->processes + p];
    return n;
}

struct rec_listen_peer *rec_listen_share_enter(struct rec_listen_share *share, size_t process, const struct sockaddr_storage *name, size_t most)
{
    struct rec_listen_peer *peer = NULL;
    unsigned char key[16];
    uint32_t bucket, at;

    if (!key_of(key, name))
        return NULL;
    bucket = (uint32_t)(rec_hashmap_hash((const char *)key, sizeof key) % BUCKETS);
    take_lock(share);
    for (at = share->bucket[bucket]; at && memcmp(share->entry[at - 1].key, key, sizeof key) != 0; at = share->entry[at - 1].next)
        ;
    if (at) {
        peer = connections_of(share, at - 1) < most ? &share->entry[at - 1] : NULL;
    } else if ((at = share->free)) {
        peer = &share->entry[at - 1];
        share->free = peer->next;
        memcpy(peer->key, key, sizeof key);
        peer->bucket = bucket;
        peer->next = share->bucket[bucket];
        share->bucket[bucket] = at;
    }
    if (peer)
        share->count[(at - 1) * share->processes + process]++;
    pthread_mutex_unlock(&share->lock);
    return peer;
}

void rec_listen_share_leave(struct rec_listen_share *share, size_t process, struct rec_listen_peer *peer)
{
    size_t e;
    uint32_t *link;

    if (!peer)
        return;
    e = (size_t)(peer - share->entry);
    take_lock(share);
    share->count[e * share->processes + process]--;
    if (is_free(share, e)) {
        for (link = &share->bucket[peer->bucket]; *link != e + 1; link = &share->entry[*link - 1].next)
            ;
        *link = peer->next;
        peer->next = share->free;
        share->free = (uint32_t)e + 1;
    }
    pthread_mutex_unlock(&share->lock);
}

void rec_listen_share_left(struct rec_listen_share *share, size_t process)
{
    rec_listen_share_say(share, process, SIZE_MAX);
    take_lock(share);
    for (size_t e = 0; e < share->entries; e++)
        share->count[e * share->processes + process] = 0;
    link_entries(share);
    pthread_mutex_unlock(&share->lock);
}
