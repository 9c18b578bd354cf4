/* SPDX-License-Identifier: MIT
 *
 * What the files of accounts share: how an account is read from a row, and how its e-mail is kept.
 */
#ifndef REC_STORE_ACCOUNTS_PRIV_H
#define REC_STORE_ACCOUNTS_PRIV_H

#include <rec/store.h>

/** The lock, and for how long it is waited for: all that changes who is who (sign-up, roles, e-mail, ties, new keys) takes turns, so that what
 *  was looked up before a change still holds when it is made. */
#define REC_ACCOUNTS_LOCK "accounts"
#define REC_ACCOUNTS_WAIT 5.0

/** The columns that rec_accounts_read takes, of the tables that REC_ACCOUNTS_TABLES joins. */
#define REC_ACCOUNTS_COLUMNS                                                                                                            \
    "a.id, a.name, a.email_sealed, a.key_version, a.role, a.disabled, u.name, a.created, a.changed, a.last_login, a.password_changed"
#define REC_ACCOUNTS_TABLES " accounts a LEFT JOIN users u ON u.id = a.user_id "
enum { REC_ACCOUNTS_WIDTH = 11 };

int rec_accounts_read(struct rec_account *out, const struct rec_store *store, const struct rec_sql_value *value, struct rec_err *err);

/** An e-mail as it is kept. */
struct rec_accounts_sealed {
    struct rec_buf bytes;
    unsigned char lookup[REC_HASH_BYTES];
    uint32_t version;
};
/** For the account `id`, with the newest key. */
int rec_accounts_seal(struct rec_accounts_sealed *out, const struct rec_store *store, const char *id, const char *email, struct rec_err *err);
/** The keyed hash of an address with that version of the keyring. */
int rec_accounts_hash_email(unsigned char out[REC_HASH_BYTES], const struct rec_store *store, uint32_t version, const char *email,
                            struct rec_err *err);
/** The address back, ended by a NUL. @param out  REC_ACCOUNTS_EMAIL_LONGEST + 1 bytes */
int rec_accounts_unseal(char *out, const struct rec_store *store, const char *id, const struct rec_sql_value *sealed, uint32_t version,
                        struct rec_err *err);

/** `text` in small letters (those of ASCII), cut after `cap` - 1 bytes: the key that names are told apart by. */
void rec_accounts_fold(char *out, size_t cap, const char *text);
/** rec_accounts_check_password, and not the e-mail ("": none). */
int rec_accounts_check_secret(const char *password, size_t len, const char *name, const char *email, struct rec_err *err);
/** The cost that new passwords are hashed at. */
const struct rec_password_cost *rec_accounts_cost(const struct rec_store *store);
/** Within a transaction that holds the lock: refuses (REC_SQL_CONSTRAINT) when `id` is the only administrator who is not disabled. */
int rec_accounts_spare_admin(struct rec_store *store, const char *id, struct rec_err *err);

#endif
