/* SPDX-License-Identifier: Apache-2.0 */
#include "api/call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

/* Codes whose status is not 400 (EC2 API reference, "Error codes"). */
static const struct {
    const char *code;
    int status;
} statuses[] = {
    {"AuthFailure", 401},
    {"UnauthorizedOperation", 403},
    {"DryRunOperation", 412},
    {"RequestLimitExceeded", 503},
    {"InternalError", 500},
    {"ServiceUnavailable", 503},
    {"InsufficientAddressCapacity", 503},
};

int call_error(struct call *c, const char *code, const char *fmt, ...) {
    va_list ap;

    c->error_code = code;
    c->http_status = 400;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        if (strcmp(statuses[i].code, code) == 0)
            c->http_status = statuses[i].status;
    free(c->error_message);
    va_start(ap, fmt);
    if (vasprintf(&c->error_message, fmt, ap) < 0)
        c->error_message = NULL;
    va_end(ap);
    return -EINVAL;
}

int call_no_memory(struct call *c) {
    return call_error(c, "InternalError", "Memory is short; try again");
}

int call_return_true(struct call *c) {
    xml_bool(&c->xml, "return", true);
    return 0;
}

void call_object(struct call *c, const char *element, const void *obj) {
    xml_open(&c->xml, element);
    xml_fields(&c->xml, kind_info(((const struct obj *)obj)->kind)->desc, &c->look, obj);
    xml_close(&c->xml, element);
}

const void *call_get(struct call *c, enum kind k, const char *id) {
    const struct kind_info *info = kind_info(k);
    const void *obj;

    if (strncmp(id, info->prefix, strlen(info->prefix)) != 0) {
        call_error(c, info->malformed, "Invalid id: \"%.128s\" (expecting \"%s...\")", id,
                   info->prefix);
        return NULL;
    }
    obj = txn_get(c->txn, k, c->scope, id);
    if (!obj)
        call_error(c, info->not_found, "The %s ID '%.128s' does not exist", info->name, id);
    return obj;
}

void *call_new(struct call *c, enum kind k) {
    char id[64];

    return txn_new(c->txn, k, c->scope, obj_make_id(kind_info(k)->prefix, id));
}

static const struct field tag_param_fields[] = {
    FIELD(0, FT_STR, struct tag, key, "Key"),
    FIELD(0, FT_STR, struct tag, value, "Value"),
};
static const struct desc tag_param_desc = DESC("tag", struct tag, tag_param_fields);

static const struct field tag_specification_fields[] = {
    FIELD(0, FT_STR, struct tag_specification, resource_type, "ResourceType"),
    FIELD(0, FT_LIST, struct tag_specification, tags, "Tag", .sub = &tag_param_desc),
};
const struct desc tag_specification_desc =
    DESC("tag specification", struct tag_specification, tag_specification_fields);

static const struct field in_vpc_fields[] = {
    FIELD(0, FT_STR, struct in_vpc_params, vpc_id, "VpcId", .flags = FF_REQUIRED),
    TAG_SPECIFICATIONS(struct in_vpc_params),
};
const struct desc in_vpc_desc = DESC("in a VPC", struct in_vpc_params, in_vpc_fields);

int tags_set(struct call *c, struct list *tags, const char *key, const char *value) {
    struct tag *t = NULL;

    if (!key || !*key)
        return call_error(c, "InvalidParameterValue", "Tag keys must not be empty.");
    if (strncasecmp(key, "aws:", 4) == 0)
        return call_error(c, "InvalidParameterValue",
                          "Value ( %.128s ) for parameter key is invalid. Tag keys starting with "
                          "'aws:' are reserved "
                          "for internal use",
                          key);
    if (utf8_count(key) > 127)
        return call_error(c, "InvalidParameterValue",
                          "Tag key exceeds the maximum length of 127 characters");
    if (value && utf8_count(value) > 256)
        return call_error(c, "InvalidParameterValue",
                          "Tag value exceeds the maximum length of 256 characters");
    list_each (struct tag, have, *tags)
        if (strcmp(have->key, key) == 0)
            t = have;
    if (!t) {
        if (tags->n >= TAGS_MAX)
            return call_error(c, "TagLimitExceeded", "More than %d tags for one resource",
                              TAGS_MAX);
        t = list_add(tags, sizeof(*t));
        if (!t || !str_set(&t->key, key)) {
            if (t)
                tags->n--;
            return call_no_memory(c);
        }
    }
    return str_set(&t->value, value ? value : "") ? 0 : call_no_memory(c);
}

int call_tags_check(struct call *c, const struct list *specifications, const enum kind *allowed,
                    size_t n_allowed) {
    list_each (struct tag_specification, s, *specifications) {
        bool ok = false;

        if (!s->resource_type)
            return call_error(c, "InvalidParameterValue",
                              "Tag specification resource type must have a value");
        for (size_t i = 0; i < n_allowed; i++)
            ok |= strcmp(kind_info(allowed[i])->resource_type, s->resource_type) == 0;
        if (!ok)
            return call_error(c, "InvalidParameterValue",
                              "'%.64s' is not a valid taggable resource type for this operation.",
                              s->resource_type);
        if (!s->tags.n)
            return call_error(c, "InvalidParameterValue",
                              "Tag specification must have at least one tag");
    }
    return 0;
}

int call_tags(struct call *c, const struct list *specifications, void *obj) {
    const struct obj *o = obj;
    int r = 0;

    if (!o)
        return call_no_memory(c);
    list_each (struct tag_specification, s, *specifications) {
        if (!s->resource_type || strcmp(s->resource_type, kind_info(o->kind)->resource_type) != 0)
            continue;
        list_each (struct tag, t, s->tags) {
            if (r == 0)
                r = tags_set(c, obj_tags(obj), t->key, t->value);
        }
    }
    return r;
}
