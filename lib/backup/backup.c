/* SPDX-License-Identifier: MIT
 *
 * What goes into a backup: one snapshot of the database as tables in parts, then files. Reading one through, to verify it or to print the tar.
 */
#include "backup_priv.h"

enum { TELL = 1 << 16 };

/* ---- tables ---- */

struct dump {
    struct rec_archive_writer *archive;
    const struct rec_backup_options *options;
    const struct rec_copy_table *table;
    struct rec_buf text;            /* the part that is being made */
    size_t header;                  /* bytes of its first line */
    uint64_t part_rows, rows;
    unsigned part;
};

static int write_part(struct dump *d, size_t len, uint64_t rows, struct rec_err *err)
{
    char name[sizeof BACKUP_DATABASE + sizeof d->table->name + 32];
    struct rec_tar_member member = {.type = REC_TAR_FILE, .name = name, .mode = 0600, .size = len, .mtime = d->options->now};

    snprintf(name, sizeof name, BACKUP_DATABASE "%s.%04u.csv", d->table->name, ++d->part);
    if (rec_archive_add(d->archive, &member, rows, err) < 0)
        return -1;
    return rec_archive_write(d->archive, d->text.data, len, err);
}

static int dump_row(void *context, const struct rec_sql_value *row, struct rec_err *err)
{
    struct dump *d = context;
    size_t before = d->text.len;

    if (rec_table_add(&d->text, d->table, row, err) < 0)
        return -1;
    /* A row that would make the part too large begins the next one. */
    if (d->text.len > REC_BACKUP_PART && d->part_rows > 0) {
        if (write_part(d, before, d->part_rows, err) < 0)
            return -1;
        memmove(d->text.data + d->header, d->text.data + before, d->text.len - before);
        d->text.len = d->header + d->text.len - before;
        d->part_rows = 0;
    }
    if (d->text.len > BACKUP_PART_LONGEST)
        return rec_err_set(err, "%s: a row has more than %d bytes", d->table->name, BACKUP_PART_LONGEST);
    d->part_rows++;
    if (++d->rows % TELL == 0 && d->options->progress)
        d->options->progress(d->options->context, d->table->name, d->rows, 0);
    return 0;
}

/* In the order of the primary key where that costs nothing: SQLite keeps its rows so, and takes them back faster. */
static void select_all(struct rec_buf *query, const struct rec_sql *db, const struct rec_copy_table *table)
{
    rec_buf_adds(query, "SELECT ");
    for (size_t i = 0; i < table->n; i++)
        rec_buf_addf(query, "%s\"%s\"", i ? ", " : "", table->columns[i].name);
    rec_buf_addf(query, " FROM \"%s\"", table->name);
    if (table->order[0] && !strcmp(rec_sql_dialect(db), "sqlite"))
        rec_buf_addf(query, " ORDER BY %s", table->order);
}

static int dump_table(struct dump *d, struct rec_sql *db, struct rec_err *err)
{
    struct rec_buf query = {0};
    int status;

    rec_buf_reset(&d->text);
    rec_table_header(&d->text, d->table);
    d->header = d->text.len;
    d->part_rows = d->rows = d->part = 0;
    if (d->options->progress)
        d->options->progress(d->options->context, d->table->name, 0, 0);
    select_all(&query, db, d->table);
    if (query.failed || d->text.failed)
        status = rec_err_memory(err, d->table->name);
    else if ((status = rec_copy_out(db, query.data, d->table->columns, d->table->n, dump_row, d, NULL, err)) == 0)
        status = write_part(d, d->text.len, d->part_rows, err);
    rec_buf_clear(&query);
    return status;
}

/* What the migrations made, in their order: lines "+table NAME", "-table NAME". A database may hold tables of others too. */
static int read_effects(struct rec_buf *out, struct rec_sql *db, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;

    if (rec_sql_query(&rows, db, "SELECT effects FROM schema_migrations ORDER BY version", REC_SQL_NONE, err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0) {
        rec_buf_addc(out, '\n');
        rec_buf_add(out, rows.value[0].text, rows.value[0].len);
    }
    rec_sql_done(&rows);
    rec_buf_addc(out, '\n');
    return status == 0 && out->failed ? rec_err_memory(err, "schema_migrations") : status;
}

static const char *last_line(const char *text, char sign, const char *table)
{
    const char *last = NULL;
    char line[96];

    snprintf(line, sizeof line, "\n%ctable %s\n", sign, table);
    while ((text = strstr(text, line)) != NULL)
        last = text++;
    return last;
}

static bool is_ours(const char *effects, const char *table)
{
    const char *made = last_line(effects, '+', table), *dropped = last_line(effects, '-', table);
    return made && (!dropped || dropped < made);
}

static int dump_tables(struct rec_archive_writer *archive, struct rec_sql *db, const struct rec_backup_options *options,
                       struct rec_backup_report *report, struct rec_err *err)
{
    struct dump d = {.archive = archive, .options = options};
    struct rec_copy_schema schema;
    struct rec_buf effects = {0};
    int status;

    if (rec_copy_schema(&schema, db, err) < 0)
        return -1;
    status = read_effects(&effects, db, err);
    for (size_t i = 0; status == 0 && i < schema.n; i++) {
        d.table = &schema.tables[i];
        if (!is_ours(effects.data, d.table->name))
            continue;
        status = dump_table(&d, db, err);
        report->tables++;
        report->rows += d.rows;
    }
    rec_buf_clear(&effects);
    rec_buf_clear(&d.text);
    rec_copy_schema_clear(&schema);
    return status;
}

/* ---- writing a backup ---- */

static int read_schema_version(struct rec_manifest *manifest, struct rec_sql *db, struct rec_err *err)
{
    int64_t version;
    int status = rec_sql_get_int(&version, db, "SELECT max(version) FROM schema_migrations", REC_SQL_NONE, err);

    if (status == 0 || (status > 0 && (version < 1 || version > UINT32_MAX)))
        return rec_err_set(err, "%s: has no schema: run rec-db init", rec_sql_name(db));
    if (status > 0)
        manifest->schema = (uint32_t)version;
    return status < 0 ? -1 : 0;
}

static int fill_manifest(struct rec_manifest *manifest, struct rec_sql *db, const struct rec_backup_options *options, struct rec_err *err)
{
    snprintf(manifest->dialect, sizeof manifest->dialect, "%s", rec_sql_dialect(db));
    snprintf(manifest->program, sizeof manifest->program, "%s", options->version ? options->version : "");
    return read_schema_version(manifest, db, err);
}

static int collect(struct rec_archive_writer *archive, struct rec_sql *db, const struct rec_backup_options *options, size_t *skipped,
                   struct rec_backup_report *report, struct rec_err *err)
{
    struct rec_collect c = {.archive = archive, .database = rec_sql_path(db)};

    for (const char *const *path = options->paths; path && *path; path++) {
        if (options->progress)
            options->progress(options->context, *path, 0, 0);
        if (rec_collect(&c, *path, err) < 0)
            return -1;
    }
    report->files = c.files;
    if (skipped)
        *skipped = c.keyrings;
    return 0;
}

/* Within the snapshot. */
static int write_all(struct rec_store *store, const struct rec_backup_options *options, struct rec_out *out, size_t *skipped,
                     struct rec_backup_report *report, struct rec_err *err)
{
    struct rec_archive_head head = {.key = store->keys->newest, .created = options->now};
    struct rec_archive_writer archive;
    uint64_t before = out->written;
    int status = -1;

    if (rec_store_id(head.store, store, err) < 0 || rec_archive_begin(&archive, out, &head, store->keys, err) < 0)
        return -1;
    *report = (struct rec_backup_report){.key = head.key, .created = head.created};
    memcpy(report->store, head.store, sizeof report->store);
    if (fill_manifest(&archive.manifest, store->db, options, err) < 0 || dump_tables(&archive, store->db, options, report, err) < 0)
        goto out;
    /* The snapshot has been read: whoever waits for it to end need not wait for the files. */
    rec_sql_rollback(store->db);
    if (collect(&archive, store->db, options, skipped, report, err) < 0)
        goto out;
    report->schema = archive.manifest.schema;
    status = rec_archive_end(&archive, err);
    report->bytes = archive.tar.written;
    report->sealed = out->written - before;
out:
    rec_archive_abort(&archive);
    return status;
}

int rec_backup_write(struct rec_store *store, const struct rec_backup_options *options, struct rec_out *out, size_t *skipped,
                     struct rec_backup_report *report, struct rec_err *err)
{
    struct rec_backup_report ignored;
    int status;

    if (!store->keys || store->keys->n == 0)
        return rec_err_set(err, "%s: a backup is encrypted and needs a keyring; name it", rec_sql_name(store->db));
    if (rec_sql_begin(store->db, REC_SQL_READ, err) < 0)
        return -1;
    status = write_all(store, options, out, skipped, report ? report : &ignored, err);
    rec_sql_rollback(store->db);
    return status;
}

/* ---- reading one through ---- */

void rec_backup_report(struct rec_backup_report *report, const struct rec_archive_reader *r)
{
    *report = (struct rec_backup_report){.schema = r->manifest.schema, .key = r->head.key, .created = r->head.created, .bytes = r->bytes,
                                         .sealed = r->sealed};
    memcpy(report->store, r->head.store, sizeof report->store);
    for (size_t i = 0; i < r->manifest.n; i++) {
        const char *name = r->manifest.member[i].name;
        bool table = !strncmp(name, BACKUP_DATABASE, strlen(BACKUP_DATABASE));
        report->tables += table && strstr(name, ".0001.csv");
        report->rows += r->manifest.member[i].rows;
    }
}

int rec_backup_verify(const char *path, const struct rec_keyring *keys, struct rec_backup_report *report, struct rec_err *err)
{
    struct rec_archive_reader r;
    struct rec_tar_member member;
    uint64_t files = 0;
    int status;

    if (rec_archive_open(&r, path, keys, err) < 0)
        return -1;
    while ((status = rec_archive_next(&r, &member, err)) > 0)
        files += member.type != REC_TAR_DIRECTORY && !strncmp(member.name, BACKUP_FILES, strlen(BACKUP_FILES));
    if (status == 0 && report) {
        rec_backup_report(report, &r);
        report->files = files;
    }
    rec_archive_close(&r);
    return status;
}

int rec_backup_print(const char *path, const struct rec_keyring *keys, struct rec_out *out, struct rec_err *err)
{
    struct rec_archive_reader r;
    unsigned char *block = rec_malloc(BACKUP_BLOCK, 1, path, err);
    size_t got = 0;
    int status = -1;

    if (!block)
        return -1;
    if (rec_archive_open(&r, path, keys, err) < 0)
        goto out;
    do {
        status = rec_archive_raw(&r, block, BACKUP_BLOCK, &got, err);
        if (status == 0)
            status = rec_out_write(out, block, got, err);
    } while (status == 0 && got == BACKUP_BLOCK);
    rec_archive_close(&r);
out:
    free(block);
    return status;
}
