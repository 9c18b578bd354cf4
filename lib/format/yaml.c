/* SPDX-License-Identifier: MIT
 *
 * Settings from YAML, read as libyaml's events: mappings and lists become paths, "train.factors", "x.0".
 *
 * What would let a small file grow or mean two things is refused: anchors, aliases, tags, duplicate keys, a second document,
 * depth, size.
 */
#include <rec/format.h>

#include <yaml.h>

#define DEPTH_MAX 16
#define SETTINGS_MAX 10000
#define BYTES_MAX (1 << 20)
#define PATH_MAX_BYTES 1024

struct reading {
    struct rec_yaml *yaml;
    const char *name;
    yaml_parser_t parser;
    struct rec_hashmap seen;     /* all paths, so that none comes twice */
    struct rec_buf path;
    struct {
        size_t path_len;         /* of the collection itself */
        bool list;
        bool keyed;              /* a mapping's key has been read, its value is due */
        size_t n;                /* list elements so far */
    } level[DEPTH_MAX + 1];
    unsigned depth;
    size_t cap;
    struct rec_err *err;
};

static int refuse(struct reading *r, yaml_mark_t at, const char *what)
{
    return rec_err_set(r->err, "%s:%zu: %s", r->name, at.line + 1, what);
}

static int out_of_memory(struct reading *r)
{
    return rec_err_memory(r->err, r->name);
}

/* Adds a part to the path. */
static void push(struct reading *r, const char *text, size_t len)
{
    if (r->path.len > 0)
        rec_buf_addc(&r->path, '.');
    rec_buf_add(&r->path, text, len);
}

static void pop_to(struct reading *r, size_t len)
{
    if (r->path.data == NULL)
        return;
    r->path.len = len;
    r->path.data[len] = '\0';
}

/* Every path is taken down, so that "a.b" and {a: {b: }} are found to be the same. */
static int take_down(struct reading *r, const yaml_event_t *event)
{
    if (r->path.failed)
        return out_of_memory(r);
    if (r->path.len > PATH_MAX_BYTES)
        return refuse(r, event->start_mark, "keys longer than 1024 bytes together");
    if (rec_hashmap_find(&r->seen, r->path.data, r->path.len) != REC_HASHMAP_NONE)
        return rec_err_set(r->err, "%s:%zu: %.64s is set twice", r->name, event->start_mark.line + 1, r->path.data);
    if (rec_hashmap_intern(&r->seen, r->path.data, r->path.len) == REC_HASHMAP_NONE)
        return out_of_memory(r);
    return 0;
}

static int key(struct reading *r, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    if (len == 0 || memchr(text, '\0', len) != NULL)
        return refuse(r, event->start_mark, "a key that is empty or holds a NUL");
    push(r, text, len);
    r->level[r->depth].keyed = true;
    return take_down(r, event);
}

/* Before a value: a list gives it its number as a name. */
static int begin_value(struct reading *r, const yaml_event_t *event)
{
    char number[REC_NUM_MAX];
    if (r->depth == 0)
        return 0;
    if (r->level[r->depth].list) {
        push(r, number, rec_num_print_int64(number, (int64_t)r->level[r->depth].n++));
        return take_down(r, event);
    }
    return r->level[r->depth].keyed ? 0 : refuse(r, event->start_mark, "a key that is no plain word");
}

static void end_value(struct reading *r)
{
    r->level[r->depth].keyed = false;
    pop_to(r, r->level[r->depth].path_len);
}

static int add_setting(struct reading *r, const yaml_event_t *event)
{
    struct rec_yaml *y = r->yaml;
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    if (memchr(text, '\0', len) != NULL)
        return refuse(r, event->start_mark, "a value that holds a NUL");
    if (y->n == SETTINGS_MAX)
        return refuse(r, event->start_mark, "more than 10000 settings");
    if (y->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 32;
        if (rec_realloc(&y->setting, cap, sizeof *y->setting, r->name, r->err) < 0)
            return -1;
        r->cap = cap;
    }
    struct rec_setting *s = &y->setting[y->n++];
    *s = (struct rec_setting){strdup(r->path.data), strndup(text, len), (int)event->start_mark.line + 1};
    return s->path == NULL || s->value == NULL ? out_of_memory(r) : 0;
}

static int scalar(struct reading *r, const yaml_event_t *event)
{
    if (event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL)
        return refuse(r, event->start_mark, "anchors and tags are not allowed");
    if (r->depth == 0 && event->data.scalar.length == 0)
        return 0;
    if (r->depth == 0)
        return refuse(r, event->start_mark, "not a mapping of settings");
    if (!r->level[r->depth].list && !r->level[r->depth].keyed)
        return key(r, event);
    if (begin_value(r, event) < 0 || add_setting(r, event) < 0)
        return -1;
    end_value(r);
    return 0;
}

static int open_collection(struct reading *r, const yaml_event_t *event, const void *anchor, const void *tag, bool list)
{
    if (anchor != NULL || tag != NULL)
        return refuse(r, event->start_mark, "anchors and tags are not allowed");
    if (r->depth == 0 && list)
        return refuse(r, event->start_mark, "not a mapping of settings");
    if (begin_value(r, event) < 0)
        return -1;
    if (r->depth == DEPTH_MAX)
        return refuse(r, event->start_mark, "nested deeper than 16");
    r->depth++;
    r->level[r->depth].path_len = r->path.len;
    r->level[r->depth].list = list;
    r->level[r->depth].keyed = false;
    r->level[r->depth].n = 0;
    return 0;
}

/* 1 at the end of the stream, 0 to go on. */
static int handle(struct reading *r, const yaml_event_t *event, unsigned *documents)
{
    switch (event->type) {
    case YAML_STREAM_END_EVENT:
        return 1;
    case YAML_DOCUMENT_START_EVENT:
        return (*documents)++ > 0 ? refuse(r, event->start_mark, "a second document") : 0;
    case YAML_ALIAS_EVENT:
        return refuse(r, event->start_mark, "aliases are not allowed");
    case YAML_SCALAR_EVENT:
        return scalar(r, event);
    case YAML_MAPPING_START_EVENT:
        return open_collection(r, event, event->data.mapping_start.anchor, event->data.mapping_start.tag, false);
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(r, event, event->data.sequence_start.anchor, event->data.sequence_start.tag, true);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        r->depth--;
        if (r->depth > 0)
            end_value(r);
        return 0;
    default:
        return 0;
    }
}

static int parse_error(struct reading *r)
{
    const yaml_parser_t *p = &r->parser;
    size_t line = (p->error == YAML_READER_ERROR ? p->mark.line : p->problem_mark.line) + 1;
    if (p->error == YAML_MEMORY_ERROR)
        return out_of_memory(r);
    return rec_err_set(r->err, "%s:%zu: %s", r->name, line, p->problem ? p->problem : "not YAML");
}

static int read_events(struct reading *r)
{
    unsigned documents = 0;
    for (int status = 0; status == 0;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event))
            return parse_error(r);
        status = handle(r, &event, &documents);
        yaml_event_delete(&event);
        if (status < 0)
            return -1;
    }
    return 0;
}

int rec_yaml_parse(struct rec_yaml *yaml, const char *name, const char *text, size_t len, struct rec_err *err)
{
    struct reading r = {.yaml = yaml, .name = name, .err = err};
    int result = -1;
    *yaml = (struct rec_yaml){0};
    if (len > BYTES_MAX)
        return rec_err_set(err, "%s: larger than 1 MiB", name);
    if (!yaml_parser_initialize(&r.parser))
        return rec_err_memory(err, name);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text ? text : ""), len);
    result = read_events(&r);
    yaml_parser_delete(&r.parser);
    rec_hashmap_clear(&r.seen);
    rec_buf_clear(&r.path);
    if (result < 0)
        rec_yaml_clear(yaml);
    return result;
}

int rec_yaml_read(struct rec_yaml *yaml, const char *path, struct rec_err *err)
{
    struct rec_in in = {0};
    int result;
    *yaml = (struct rec_yaml){0};
    if (rec_in_open(&in, path, err) < 0)
        return -1;
    result = rec_yaml_parse(yaml, in.name, (const char *)in.data, in.len, err);
    rec_in_close(&in);
    return result;
}

const struct rec_setting *rec_yaml_find(const struct rec_yaml *yaml, const char *path)
{
    for (size_t i = 0; i < yaml->n; i++)
        if (strcmp(yaml->setting[i].path, path) == 0)
            return &yaml->setting[i];
    return NULL;
}

void rec_yaml_clear(struct rec_yaml *yaml)
{
    for (size_t i = 0; i < yaml->n; i++) {
        free(yaml->setting[i].path);
        free(yaml->setting[i].value);
    }
    free(yaml->setting);
    *yaml = (struct rec_yaml){0};
}
