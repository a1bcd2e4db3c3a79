/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of metadata, as tables of nodes. A directory's path gives the names in it, one a line,
 * those of directories with a '/' behind; a leaf's gives its value, without a line end. What has no
 * value is not there: its path is 404, no listing shows it, and neither a directory without
 * anything in it. A path with or without a '/' behind is the same.
 */
#ifndef VPCD_SERVICES_IMDS_TREE_H
#define VPCD_SERVICES_IMDS_TREE_H

#include "services/imds.h"

/* What the path has led to, for the functions of the nodes. */
struct imds_view {
    struct imds *imds;
    const struct imds_request *req;
    const struct metadata_options *options;
    const struct instance *instance;
    const struct network_interface *primary; /* of the instance; NULL: it has none any more */
    const char *version;                     /* "2009-04-04", "latest" */
    /* Set by `enter`: */
    const struct network_interface *eni; /* below macs/MAC/ */
    const struct vpc *vpc;               /* its */
    const struct subnet *subnet;
    struct ip public_ip; /* below ipv4-associations/ */
    const struct tag *tag;
};

struct imds_node {
    const char *name;  /* NULL ends a table; "" in a table of one: whatever `enter` takes */
    const char *since; /* the version that brought it; NULL: all have it */
    /* A leaf: appends its value; false: it has none. */
    bool (*get)(const struct imds_view *v, struct buf *out);
    /* A directory: what is in it, */
    const struct imds_node *children;
    /* or, where names are not fixed: its listing, and whether `name` is in it (the view is set). */
    void (*list)(const struct imds_view *v, struct buf *out);
    bool (*enter)(struct imds_view *v, const char *name);
    bool bare; /* a directory that listings show without its '/' */
};

extern const struct imds_node imds_meta_data[], imds_network[], imds_dynamic[];

/* The value or listing of the request's path into reply->body (and its type); false: not there. */
bool imds_tree_read(struct imds *imds, const struct imds_request *req,
                    const struct metadata_options *options, struct imds_reply *reply);

/* For the tables: values, and lists of them, one a line. */
void imds_line(struct buf *out, const char *text);
bool imds_host_name(const struct imds_view *v, const struct network_interface *eni,
                    struct buf *out);
bool imds_public_name(const struct imds_view *v, const struct network_interface *eni,
                      struct buf *out);
void imds_groups(const struct imds_view *v, const struct network_interface *eni, bool names,
                 struct buf *out);

#endif
