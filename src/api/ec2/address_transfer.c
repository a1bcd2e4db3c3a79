/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elastic IPs on their way from one account to another (VPC user guide, "Transfer Elastic IP
 * addresses"): the source account offers, the other has seven days to accept, within the region.
 *
 *     EnableAddressTransfer ---> pending ---> AcceptAddressTransfer: the allocation changes hands
 *                                   |          under its id, without its tags; the transfer stays
 *                                   |          visible to the source for 14 days
 *                                   +-------> DisableAddressTransfer, release, or seven days: gone
 *
 * An offer is an object of the source's; the other account finds it by the index.
 */
#include <stdio.h>
#include <string.h>

#include "api/ec2/eni.h"
#include "api/sweep.h"

#define DAY_MS (24LL * 3600 * 1000)
#define OFFER_MS (7 * DAY_MS)

/* An offer that ended, or was taken long ago, is there no more; the sweep removes it. */
static bool is_over(const struct call *c, const struct address_transfer *t) {
    return t->accepted ? t->accepted + TRANSFER_KEPT_MS < c->now : t->expires < c->now;
}

static int show(struct call *c, const struct address_transfer *t, const char *status) {
    xml_open(&c->xml, "addressTransfer");
    xml_fields_as(&c->xml, &address_transfer_desc, &c->look, t, "addressTransferStatus", status);
    xml_close(&c->xml, "addressTransfer");
    return 0;
}

void address_transfer_drop(struct call *c, const char *allocation_id) {
    const struct address_transfer *t =
        txn_get(c->txn, KIND_ADDRESS_TRANSFER, c->scope, allocation_id);

    if (t && !t->accepted)
        txn_delete(c->txn, t);
}

struct enable_transfer {
    char *allocation_id, *account;
};
static const struct field enable_fields[] = {
    FIELD(0, FT_STR, struct enable_transfer, allocation_id, "AllocationId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct enable_transfer, account, "TransferAccountId", .flags = FF_REQUIRED),
};
static const struct desc enable_desc =
    DESC("EnableAddressTransfer", struct enable_transfer, enable_fields);

static int enable_address_transfer(struct call *c, const void *params) {
    const struct enable_transfer *p = params;
    const struct address *a = call_get(c, KIND_ADDRESS, p->allocation_id);
    const struct address_transfer *have;
    struct address_transfer *t;
    char own[16];

    if (!a)
        return -1;
    if (!account_id_valid(p->account))
        return call_error(c, "InvalidUserID.Malformed", "Invalid user id: \"%.64s\"", p->account);
    snprintf(own, sizeof(own), "%012llu", (unsigned long long)c->scope.account);
    if (strcmp(p->account, own) == 0)
        return call_error(
            c, "InvalidParameterValue",
            "An Elastic IP address cannot be transferred to the account that has it.");
    have = txn_get(c->txn, KIND_ADDRESS_TRANSFER, c->scope, a->o.id);
    if (have && !is_over(c, have) && !have->accepted && strcmp(have->account, p->account) != 0)
        return call_error(
            c, "InvalidParameterValue",
            "A transfer of the Elastic IP address '%s' to another account is pending.", a->o.id);
    t = have ? txn_edit(c->txn, have) : txn_new(c->txn, KIND_ADDRESS_TRANSFER, c->scope, a->o.id);
    if (!t)
        return call_no_memory(c);
    t->public_ip = a->public_ip;
    obj_set(&t->o, &t->account, p->account);
    t->expires = c->now + OFFER_MS;
    t->accepted = 0;
    txn_put(c->txn, t);
    txn_touch(c->txn, a); /* its release must not miss this offer */
    return show(c, t, "pending");
}

struct disable_transfer {
    char *allocation_id;
};
static const struct field disable_fields[] = {
    FIELD(0, FT_STR, struct disable_transfer, allocation_id, "AllocationId", .flags = FF_REQUIRED),
};
static const struct desc disable_desc =
    DESC("DisableAddressTransfer", struct disable_transfer, disable_fields);

static int disable_address_transfer(struct call *c, const void *params) {
    const struct disable_transfer *p = params;
    const struct address *a = call_get(c, KIND_ADDRESS, p->allocation_id);
    const struct address_transfer *t =
        a ? txn_get(c->txn, KIND_ADDRESS_TRANSFER, c->scope, a->o.id) : NULL;

    if (!a)
        return -1;
    if (!t || is_over(c, t))
        return call_error(c, "InvalidParameterValue",
                          "No transfer of the Elastic IP address '%s' is pending.", a->o.id);
    show(c, t, "disabled");
    txn_delete(c->txn, t);
    return 0;
}

struct accept_transfer {
    struct ip address;
    struct list tag_specifications;
};
static const struct field accept_fields[] = {
    FIELD(0, FT_IP, struct accept_transfer, address, "Address", .flags = FF_REQUIRED),
    TAG_SPECIFICATIONS(struct accept_transfer),
};
static const struct desc accept_desc =
    DESC("AcceptAddressTransfer", struct accept_transfer, accept_fields);

/* What was offered to the caller in this region. */
static const struct address_transfer *find_offer(struct call *c, const struct ip *ip) {
    struct cursor cur;
    char account[16];

    snprintf(account, sizeof(account), "%012llu", (unsigned long long)c->scope.account);
    index_each_by(c->ix, cur, KIND_ADDRESS_TRANSFER, TRANSFER_BY_ACCOUNT, account) {
        const struct address_transfer *t = cur.obj;

        if (t->o.scope.region == c->scope.region && ip_equal(&t->public_ip, ip) && !t->accepted &&
            !is_over(c, t)) {
            txn_depend(c->txn, t);
            return t;
        }
    }
    return NULL;
}

static int check_offered(struct call *c, const struct address *a) {
    char text[IP_TEXT];

    ip_format(&a->public_ip, text);
    if (a->association_id)
        return call_error(c, "InvalidTransfer.AddressAssociated",
                          "The address %s is associated. Its account must disassociate it before "
                          "the transfer can be accepted.",
                          text);
    if (a->domain_name)
        return call_error(c, "InvalidTransfer.AddressCustomPtrSet",
                          "The address %s has a reverse DNS record. Its account must remove that "
                          "before the transfer can be accepted.",
                          text);
    return addresses_check_max(c) < 0 || public_ip_take(c) < 0 ? -1 : 0;
}

static int accept_address_transfer(struct call *c, const void *params) {
    static const enum kind taggable[] = {KIND_ADDRESS};
    const struct accept_transfer *p = params;
    const struct address_transfer *offer = find_offer(c, &p->address);
    const struct address *theirs =
        offer ? txn_get(c->txn, KIND_ADDRESS, offer->o.scope, offer->o.id) : NULL;
    struct address_transfer *t;
    struct address *a;
    char text[IP_TEXT];

    if (!theirs)
        return call_error(c, "InvalidAddress.NotFound", "Address '%s' not found.",
                          ip_format(&p->address, text));
    if (call_tags_check(c, &p->tag_specifications, taggable, 1) < 0 || check_offered(c, theirs) < 0)
        return -1;
    a = txn_new(c->txn, KIND_ADDRESS, c->scope, theirs->o.id);
    t = txn_edit(c->txn, offer);
    if (!a || !t)
        return call_no_memory(c);
    if (call_tags(c, &p->tag_specifications, a) < 0)
        return -1;
    /* The claim of the public address names the allocation, whose id stays. */
    a->public_ip = theirs->public_ip;
    t->accepted = c->now;
    txn_delete(c->txn, theirs);
    txn_put(c->txn, a);
    txn_put(c->txn, t);
    return show(c, t, "accepted");
}

DESCRIBE_PARAMS(transfers_params, "AllocationId");

static bool is_current(struct call *c, const void *obj, void *arg) {
    return !is_over(c, obj);
}

static int describe_address_transfers(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(c, &(struct describe){.kind = KIND_ADDRESS_TRANSFER,
                                          .ids = &p->ids,
                                          .set = "addressTransferSet",
                                          .noun = "allocation",
                                          .keep = is_current});
}

static const struct action rows[] = {
    {"AcceptAddressTransfer", &accept_desc, accept_address_transfer},
    {"DescribeAddressTransfers", &transfers_params, describe_address_transfers, ACT_PAGES,
     "addressTransferSet"},
    {"DisableAddressTransfer", &disable_desc, disable_address_transfer},
    {"EnableAddressTransfer", &enable_desc, enable_address_transfer},
};
ACTIONS(address_transfer_actions, rows);
