/* SPDX-License-Identifier: Apache-2.0 */
#include "services/imds_tree.h"

#include <string.h>

#include "base/cleanup.h"

#define DEPTH_MAX 16

/* Builds of the service that EC2 lists (EC2 user guide, "Retrieve instance metadata"), oldest
 * first. They compare as text, and "latest" stands behind all. */
static const char *const versions[] = {
    "1.0",        "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15",
    "2008-02-01", "2008-09-01", "2009-04-04", "2011-01-01", "2011-05-01", "2012-01-12",
    "2014-02-25", "2014-11-05", "2015-10-20", "2016-04-19", "2016-06-30", "2016-09-02",
    "2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03",
    "2021-03-23", "2021-07-15", "2022-09-24", "2024-04-11", "latest"};

void imds_line(struct buf *out, const char *text) {
    if (out->len)
        buf_addc(out, '\n');
    buf_adds(out, text);
}

static bool get_user_data(const struct imds_view *v, struct buf *out) {
    const struct blob *data = &v->instance->user_data;

    if (!data->len)
        return false;
    buf_add(out, data->data, data->len);
    return true;
}

static const struct imds_node version_root[] = {
    {"dynamic", "2009-04-04", .children = imds_dynamic, .bare = true},
    {"meta-data", .children = imds_meta_data, .bare = true},
    {"user-data", .get = get_user_data},
    {NULL},
};

static bool node_exists(const struct imds_node *n, const struct imds_view *v) {
    _buf_ struct buf scratch = BUF_LIMIT(IMDS_BODY_MAX);

    if (n->since && strcmp(n->since, v->version) > 0)
        return false;
    if (n->get)
        return n->get(v, &scratch);
    if (n->list) {
        n->list(v, &scratch);
        return scratch.len > 0;
    }
    for (const struct imds_node *c = n->children; c->name; c++)
        if (node_exists(c, v))
            return true;
    return false;
}

static void list(const struct imds_node *n, const struct imds_view *v, struct buf *out) {
    if (n->list) {
        n->list(v, out);
        return;
    }
    for (const struct imds_node *c = n->children; c->name; c++) {
        if (!node_exists(c, v))
            continue;
        imds_line(out, c->name);
        if (!c->get && !c->bare)
            buf_addc(out, '/');
    }
}

/* The node of that name, or NULL. */
static const struct imds_node *step(const struct imds_node *n, struct imds_view *v,
                                    const char *name) {
    if (n->get)
        return NULL;
    if (n->enter)
        return n->enter(v, name) ? n->children : NULL;
    for (const struct imds_node *c = n->children; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static int hex(char c) {
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* In place; false for what is not %XX, or stands for a '/' or a control character. */
static bool decode(char *s) {
    char *out = s;

    for (; *s; s++, out++) {
        *out = *s;
        if (*s != '%')
            continue;
        if (hex(s[1]) < 0 || hex(s[2]) < 0)
            return false;
        *out = (char)(hex(s[1]) << 4 | hex(s[2]));
        if ((unsigned char)*out < 0x20 || *out == '/' || *out == 0x7f)
            return false;
        s += 2;
    }
    *out = 0;
    return true;
}

/* Cuts the path at its '/' into names; how many, or -1. */
static int split(char *path, char *ret_names[DEPTH_MAX]) {
    char *save = NULL;
    int n = 0;

    for (char *p = strtok_r(path, "/", &save); p; p = strtok_r(NULL, "/", &save)) {
        if (n == DEPTH_MAX || !decode(p))
            return -1;
        ret_names[n++] = p;
    }
    return n;
}

static bool is_version(const char *s) {
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
        if (strcmp(versions[i], s) == 0)
            return true;
    return false;
}

bool imds_tree_read(struct imds *imds, const struct imds_request *req,
                    const struct metadata_options *options, struct imds_reply *reply) {
    static const struct imds_node root = {"", .children = version_root};
    struct imds_view v = {
        .imds = imds, .req = req, .options = options, .instance = req->who->instance};
    const struct imds_node *n = &root;
    char path[IMDS_PATH_MAX + 1], *names[DEPTH_MAX];
    int depth;

    if (strlen(req->path) >= sizeof(path))
        return false;
    strcpy(path, req->path);
    depth = split(path, names);
    if (depth < 0)
        return false;
    if (depth == 0) {
        for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
            imds_line(&reply->body, versions[i]);
        return true;
    }
    if (!is_version(names[0]))
        return false;
    v.version = names[0];
    v.primary = instance_primary_eni(req->ix, v.instance);
    for (int i = 1; i < depth && n; i++) {
        n = step(n, &v, names[i]);
        if (n && n->since && strcmp(n->since, v.version) > 0)
            return false;
    }
    if (!n)
        return false;
    if (n->get) {
        if (n->get == get_user_data)
            reply->type = "application/octet-stream";
        return n->get(&v, &reply->body);
    }
    if (!node_exists(n, &v))
        return false;
    list(n, &v, &reply->body);
    return true;
}
