/* SPDX-License-Identifier: MIT
 *
 * Shared in the room: libsodium set up, once.
 */
#ifndef REC_CRYPTO_PRIV_H
#define REC_CRYPTO_PRIV_H

#include <rec/crypto.h>

/** Before the first call of libsodium in every function that may be a program's first: it opens the source of randomness and picks the
 *  implementation for this CPU. Cheap afterwards; safe in threads. A kernel that gives no random bytes ends the process, as in libsodium
 *  itself: nothing may go on with keys that can be guessed. */
void rec_secret_ready(void);

#endif
