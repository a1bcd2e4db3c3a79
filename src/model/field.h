/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables: the one description of a resource, or of a request's parameters.
 *
 * A `struct desc` describes a C struct by a table of its fields. From the table come
 *   - the resource's document in the store and on the state stream   (codec.h)
 *   - its XML in replies                                             (xml.h)
 *   - the `Filter.N` matching of its Describe call                   (filter.h)
 *   - the decoding of a request's parameters into a C struct         (api/params.h)
 *   - copying, comparing and freeing                                 (below)
 *
 * A struct may have several descs over the same memory: named views of it. Only the one that its
 * kind names is stored. In a stored desc every field has a permanent number, which is never used
 * again for something else, and `unknown` keeps what a newer version wrote.
 *
 * The zero value of every type means "absent", except FT_BOOL and FT_INT, which are always there.
 */
#ifndef VPCD_MODEL_FIELD_H
#define VPCD_MODEL_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/ip.h"

struct blob {
    uint8_t *data;
    uint32_t len;
};

/* An array of structs (FT_LIST) or of strings (FT_STRS, items are char *). */
struct list {
    void *items;
    uint32_t n;
};

struct optint {
    int64_t v;
    bool set;
};

enum tri { /* a boolean that may be absent */
           TRI_UNSET = 0,
           TRI_FALSE = 1,
           TRI_TRUE = 2,
};

enum field_type {
    FT_STR,    /* char * */
    FT_STRS,   /* struct list of char * */
    FT_BOOL,   /* bool */
    FT_TRI,    /* uint8_t, enum tri */
    FT_INT,    /* int64_t */
    FT_OPTINT, /* struct optint */
    FT_TIME,   /* int64_t, milliseconds since 1970 */
    FT_IP,     /* struct ip */
    FT_CIDR,   /* struct cidr */
    FT_MAC,    /* uint8_t[6]; all zero: absent */
    FT_ENUM,   /* uint8_t, an index into `names`; 0: absent */
    FT_BLOB,   /* struct blob; base64 on the wire */
    FT_STRUCT, /* a struct described by `sub`, in place */
    FT_LIST,   /* struct list of structs described by `sub` */
    FT_GET,    /* computed: text from `get` */
    FT_EMIT,   /* computed: XML from `emit` */
};

struct index;
struct xml;
struct field;

/* What a computed field may consult. */
struct look {
    const struct index *ix;
    uint64_t *steps; /* what filters may still cost (filter.h); NULL: anything */
};

struct desc {
    const char *name;
    size_t size;
    const struct field *fields;
    uint16_t n_fields;
    int32_t unknown; /* offset of a struct blob for unknown fields; -1: the struct has none */
};

enum field_flags {
    FF_REQUIRED = 1,   /* parameter: must be there */
    FF_INDEXED = 2,    /* string or address, also in a list: the index finds objects by its text */
    FF_SKIP_EMPTY = 4, /* list: no element in the XML when it is empty */
    FF_WRAP_VALUE = 8, /* XML: <wire><value>...</value></wire>, the form of attributes */
    FF_COUNTED = 16,   /* with FF_INDEXED, a string: the index counts the objects of each value */
};

struct field {
    uint16_t num; /* permanent number in documents; 0: not stored */
    uint8_t type; /* enum field_type */
    uint8_t flags;
    uint32_t offset;
    const char *wire;   /* XML element or parameter name; NULL: never shown */
    const char *filter; /* name in Filter.N; of a list or struct: prefix of its fields' names */
    const struct desc *sub;
    const char *const *names; /* FT_ENUM: NULL-terminated, names[0] is "" */
    int64_t min, max; /* parameters: bounds of a number, or of a string's length; 0,0: none */
    /* FT_GET: appends the value's text; false: absent. */
    bool (*get)(const struct look *look, const void *obj, struct buf *out);
    void (*emit)(struct xml *x, const struct look *look, const void *obj);
};

/* Rows of a table: number (or 0), type, struct, member, wire name, then designated extras. */
#define FIELD(num_, type_, s_, m_, wire_, ...)                                                     \
    { .num = (num_), .type = (type_), .offset = offsetof(s_, m_), .wire = (wire_), __VA_ARGS__ }
#define DESC(name_, s_, fields_)                                                                   \
    {                                                                                              \
        .name = (name_), .size = sizeof(s_), .fields = (fields_),                                  \
        .n_fields = sizeof(fields_) / sizeof((fields_)[0]), .unknown = -1                          \
    }
#define DESC_STORED(name_, s_, fields_)                                                            \
    {                                                                                              \
        .name = (name_), .size = sizeof(s_), .fields = (fields_),                                  \
        .n_fields = sizeof(fields_) / sizeof((fields_)[0]), .unknown = offsetof(s_, unknown)       \
    }

static inline void *field_at(const struct field *f, const void *obj) {
    return (char *)(uintptr_t)obj + f->offset;
}

/* The i-th item of a list. */
#define list_at(list_, type_, i_) (&((type_ *)(list_).items)[i_])
#define list_str(list_, i_) (((char **)(list_).items)[i_])
/* for each item: list_each(struct tag, t, obj->tags) { ... } */
#define list_each(type_, it_, list_)                                                               \
    for (type_ *it_ = (list_).items; it_ && it_ < (type_ *)(list_).items + (list_).n; it_++)

/* Appends a zeroed item and returns it; NULL when memory is short. */
void *list_add(struct list *l, size_t item_size);
/* Removes item i, whose content the caller has freed (or taken). */
void list_cut(struct list *l, size_t item_size, uint32_t i);
int strs_add(struct list *l, const char *s);
bool strs_has(const struct list *l, const char *s);

/* Sets *dst to a copy of s (or NULL), freeing what was there; false when memory is short. */
bool str_set(char **dst, const char *s);

/* True when the field holds nothing (see the head of this file). */
bool field_absent(const struct field *f, const void *obj);

/* The value as text, as in XML and filters. Not for lists and structs. */
void field_text(const struct field *f, const struct look *look, const void *obj, struct buf *out);

/* Frees everything that obj owns, and zeroes it. The memory of obj itself stays the caller's. */
void desc_clear(const struct desc *d, void *obj);
/* The same for all items of a list, and the list. */
void desc_clear_list(const struct desc *item, struct list *l);

/* Deep copy into zeroed or uninitialised memory; 0 or -ENOMEM (dst is then cleared). */
int desc_copy(const struct desc *d, void *dst, const void *src);

#endif
