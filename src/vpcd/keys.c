/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every change is a call on the state (store/txn.h), so it is durable before it is told. A secret
 * is told once, to root, and written nowhere but in the state and in DIR/credentials.
 */
#include "vpcd/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/limits.h"
#include "api/sigv4.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "model/account.h"

#define ACCOUNTS_MAX 10000
#define LIMIT_VALUE_MAX 10000000
#define KEYS_MAX 10 /* of an account, made by vpcctl */

static const struct scope global;

static char *account_id(uint64_t account, char out[24]) {
    snprintf(out, 24, "%012llu", (unsigned long long)account);
    return out;
}

static bool account_number(const char *s, uint64_t *ret) {
    int64_t n;

    if (strlen(s) != 12 || int_parse(s, 1, ACCOUNT_MAX, &n) < 0)
        return false;
    *ret = (uint64_t)n;
    return true;
}

static void account_create(struct txn *t, uint64_t number, const char *name) {
    char id[24];
    struct account *a = txn_new(t, KIND_ACCOUNT, global, account_id(number, id));

    if (!a)
        return;
    obj_set(&a->o, &a->name, name);
    a->created = time_ms();
    txn_put(t, a);
}

static struct access_key *key_put(struct txn *t, uint64_t account, const char *id,
                                  const char *secret) {
    char text[24];
    const void *owner = index_get(txn_index(t), KIND_ACCOUNT, global, account_id(account, text));
    struct access_key *k = txn_new(t, KIND_KEY, global, id);

    /* Not of an account that another writer is deleting. */
    if (owner)
        txn_touch(t, owner);

    if (k) {
        obj_set(&k->o, &k->secret, secret);
        k->account = (int64_t)account;
        k->created = time_ms();
        txn_put(t, k);
    }
    return k;
}

/* AKIA and 16 letters or digits; 40 characters of secret: the forms that AWS gives them. */
static struct access_key *key_create(struct txn *t, uint64_t account) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t random[16 + 30];
    char id[21] = "AKIA";
    _free_ char *secret = NULL;

    random_bytes(random, sizeof(random));
    for (int i = 0; i < 16; i++)
        id[4 + i] = letters[random[i] & 31];
    secret = base64_encode(random + 16, 30);
    return secret ? key_put(t, account, id, secret) : NULL;
}

/* The start */

struct start {
    struct state *state;
    const struct options *options;
    void (*done)(void *arg, int status);
    void *arg;
    bool refused;
};

static int put_credential(struct txn *t, const char *text) {
    _free_ char *copy = strdup(text);
    char *secret = copy ? strchr(copy, ':') : NULL, *account = secret ? strrchr(copy, ':') : NULL,
         id[24];
    const struct access_key *have;
    uint64_t number;

    if (!account || account == secret)
        return -EINVAL;
    *secret++ = 0;
    *account++ = 0;
    if (!*copy || strlen(copy) > ID_MAX || !*secret || strlen(secret) > SIGV4_SECRET_MAX ||
        !account_number(account, &number))
        return -EINVAL;
    if (!index_get(txn_index(t), KIND_ACCOUNT, global, account_id(number, id)))
        account_create(t, number, "from the command line");
    have = index_get(txn_index(t), KIND_KEY, global, copy);
    if (!have || strcmp(have->secret, secret) != 0 || have->account != (int64_t)number)
        key_put(t, number, copy, secret);
    return 0;
}

static int put_file(struct txn *t, const char *path) {
    _buf_ struct buf text = BUF_INIT;
    int r = read_file(path, 1024 * 1024, &text), number = 0;
    char *next;

    if (r < 0) {
        log_error("%s: %s", path, strerror(-r));
        return r;
    }
    for (char *line = text.data; line; line = next) {
        number++;
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        if (*line && *line != '#' && put_credential(t, line) < 0) {
            log_error("%s:%d: not ACCESSKEY:SECRET:ACCOUNT with an account of 12 digits", path,
                      number);
            return -EINVAL;
        }
    }
    return 0;
}

static int start_run(struct txn *t, void *arg) {
    struct start *s = arg;
    struct cursor c;

    s->refused = true;
    if (!cursor_in(txn_index(t), &c, KIND_ACCOUNT, global, NULL)) {
        account_create(t, FIRST_ACCOUNT, "first");
        key_create(t, FIRST_ACCOUNT);
    }
    if (s->options->credentials_file && put_file(t, s->options->credentials_file) < 0)
        return -EINVAL;
    for (size_t i = 0; i < s->options->n_credentials; i++) {
        if (put_credential(t, s->options->credentials[i]) < 0) {
            log_error("--credential: not ACCESSKEY:SECRET:ACCOUNT with an account of 12 digits");
            return -EINVAL;
        }
    }
    s->refused = false;
    return 0;
}

/* AWS's shared-credentials format. The supervisor made the file, for its directory is root's; one
 * with content is kept. */
static int write_credentials(const struct index *ix, const char *dir) {
    _buf_ struct buf old = BUF_INIT;
    _buf_ struct buf text = BUF_INIT;
    _close_ int fd = -1;
    char path[4200];
    struct cursor c;

    snprintf(path, sizeof(path), "%s/credentials", dir);
    if (read_file(path, 65536, &old) == 0 && old.len)
        return 0;
    index_each_in(ix, c, KIND_KEY, global) {
        const struct access_key *k = c.obj;

        if (k->account != FIRST_ACCOUNT)
            continue;
        buf_addf(&text,
                 "[vpcd]\naws_access_key_id = %s\naws_secret_access_key = %s\nregion = us-east-1\n",
                 k->o.id, k->secret);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return -errno;
        return write_all(fd, text.data, text.len);
    }
    return 0;
}

static void start_done(void *arg, int status) {
    struct start *s = arg;

    if (status == 0 && s->refused)
        status = -EINVAL;
    if (status == 0) {
        status = write_credentials(state_index(s->state), s->options->state_dir);
        if (status < 0)
            log_error("%s/credentials: %s", s->options->state_dir, strerror(-status));
    }
    s->done(s->arg, status);
    free(s);
}

void keys_start(struct state *state, const struct options *o, void (*done)(void *arg, int status),
                void *arg) {
    struct start *s = malloc(sizeof(*s));

    if (!s) {
        done(arg, -ENOMEM);
        return;
    }
    *s = (struct start){.state = state, .options = o, .done = done, .arg = arg};
    state_call(state, start_run, start_done, s);
}

/* Commands */

struct command {
    json_t *request;
    json_t *answer; /* of the last run */
    void (*reply)(void *arg, json_t *answer);
    void *arg;
};

static int refuse(struct command *c, const char *message) {
    c->answer = json_pack("{s:s}", "error", message);
    return -EINVAL;
}

static const char *text_of(const struct command *c, const char *key) {
    const char *s = json_string_value(json_object_get(c->request, key));

    return s ? s : "";
}

static int count_keys(const struct index *ix, uint64_t account) {
    struct cursor cur;
    int n = 0;

    index_each_in(ix, cur, KIND_KEY, global) n +=
        ((const struct access_key *)cur.obj)->account == (int64_t)account;
    return n;
}

static int list_accounts(struct command *c, const struct index *ix) {
    json_t *rows = json_array();
    struct cursor cur;
    uint64_t number;

    index_each_in(ix, cur, KIND_ACCOUNT, global) {
        const struct account *a = cur.obj;

        if (account_number(a->o.id, &number))
            json_array_append_new(rows, json_pack("{s:s,s:s,s:i}", "id", a->o.id, "name",
                                                  a->name ? a->name : "", "keys",
                                                  count_keys(ix, number)));
    }
    c->answer = json_pack("{s:o}", "accounts", rows);
    return 0;
}

/* What nobody sees goes with the account: option sets, client tokens, claims. */
static int delete_bookkeeping(struct command *c, struct txn *t, uint64_t number) {
    struct list rest = {0}; /* of struct obj *: the index must not change during a walk */
    struct cursor cur;
    int r = 0;

    for (enum kind k = 1; k < KIND_COUNT; k++) {
        index_each_all(txn_index(t), cur, k) {
            const struct obj *o = cur.obj;
            const struct obj **slot = NULL;

            if (o->scope.account != number)
                continue;
            slot = list_add(&rest, sizeof(o));
            if (slot)
                *slot = o;
            else
                r = refuse(c, "memory is short");
        }
    }
    list_each (const struct obj *, o, rest)
        if (r == 0)
            txn_delete(t, *o);
    free(rest.items);
    return r;
}

static int delete_account(struct command *c, struct txn *t, uint64_t number, const char *id) {
    const struct index *ix = txn_index(t);
    const struct obj *a = number ? index_get(ix, KIND_ACCOUNT, global, id) : NULL;
    struct cursor cur;

    if (!a)
        return refuse(c, "there is no such account");
    if (count_keys(ix, number))
        return refuse(c, "the account still has access keys; delete them first");
    for (enum kind k = 1; k < KIND_COUNT; k++) {
        if (!kind_info(k)->resource_type || k == KIND_DHCP_OPTIONS)
            continue;
        index_each_all(ix, cur, k) {
            if (((const struct obj *)cur.obj)->scope.account == number)
                return refuse(c, "the account still has resources; delete them first");
        }
    }
    if (delete_bookkeeping(c, t, number) < 0)
        return -EINVAL;
    txn_delete(t, a);
    c->answer = json_pack("{s:s}", "id", id);
    return 0;
}

/* How much of something an account may have, from its next call on. */
static int set_limit(struct command *c, struct txn *t, const char *id) {
    const struct account *a = *id ? index_get(txn_index(t), KIND_ACCOUNT, global, id) : NULL;
    enum limit l = limit_by_name(text_of(c, "name"));
    struct account *n;
    int64_t value;

    if (!a)
        return refuse(c, "there is no such account");
    if (l == LIMIT_COUNT)
        return refuse(c, "there is no such limit: vpcctl(8) names them");
    if (int_parse(text_of(c, "value"), 0, LIMIT_VALUE_MAX, &value) < 0)
        return refuse(c, "a limit is a number from 0 to 10000000");
    n = txn_edit(t, a);
    if (!n || limit_set(n, l, value) < 0)
        return refuse(c, "memory is short");
    txn_put(t, n);
    c->answer = json_pack("{s:s}", "id", id);
    return 0;
}

static int account_command(struct command *c, struct txn *t) {
    const struct index *ix = txn_index(t);
    const char *action = text_of(c, "action"), *id = text_of(c, "id");
    uint64_t number = 0;
    char text[24];

    if (strcmp(action, "list") == 0)
        return list_accounts(c, ix);
    if (*id && !account_number(id, &number))
        return refuse(c, "an account id is 12 digits, and not all zero");
    if (strcmp(action, "delete") == 0)
        return delete_account(c, t, number, id);
    if (strcmp(action, "limit") == 0)
        return set_limit(c, t, id);
    if (strcmp(action, "create") != 0)
        return refuse(c, "an account can be listed, created, limited and deleted");
    if (index_count(ix, KIND_ACCOUNT) >= ACCOUNTS_MAX)
        return refuse(c, "there are too many accounts");
    if (number && index_get(ix, KIND_ACCOUNT, global, id))
        return refuse(c, "the account exists already");
    if (strlen(text_of(c, "name")) > 255)
        return refuse(c, "a name has at most 255 characters");
    for (uint64_t n = 1; !number; n++) /* the lowest that is free */
        if (!index_get(ix, KIND_ACCOUNT, global, account_id(n, text)))
            number = n;
    account_create(t, number, text_of(c, "name"));
    c->answer = json_pack("{s:s}", "id", account_id(number, text));
    return 0;
}

static int list_keys(struct command *c, const struct index *ix, uint64_t account) {
    json_t *rows = json_array();
    struct cursor cur;
    char text[24];

    index_each_in(ix, cur, KIND_KEY, global) {
        const struct access_key *k = cur.obj;

        if (!account || k->account == (int64_t)account)
            json_array_append_new(rows, json_pack("{s:s,s:s}", "id", k->o.id, "account",
                                                  account_id((uint64_t)k->account, text)));
    }
    c->answer = json_pack("{s:o}", "keys", rows);
    return 0;
}

static int key_command(struct command *c, struct txn *t) {
    const char *action = text_of(c, "action"), *account = text_of(c, "account");
    const struct access_key *k;
    uint64_t number = 0;

    if (*account &&
        (!account_number(account, &number) || !txn_get(t, KIND_ACCOUNT, global, account)))
        return refuse(c, "there is no such account");
    if (strcmp(action, "list") == 0)
        return list_keys(c, txn_index(t), number);
    if (strcmp(action, "create") == 0) {
        if (!number)
            return refuse(c, "name the account");
        if (count_keys(txn_index(t), number) >= KEYS_MAX)
            return refuse(c, "the account has too many keys; delete one first");
        k = key_create(t, number);
        if (!k)
            return refuse(c, "memory is short");
        c->answer =
            json_pack("{s:s,s:s,s:s}", "id", k->o.id, "secret", k->secret, "account", account);
        return 0;
    }
    if (strcmp(action, "delete") == 0) {
        k = index_get(txn_index(t), KIND_KEY, global, text_of(c, "id"));
        if (!k)
            return refuse(c, "there is no such key");
        txn_delete(t, k);
        c->answer = json_pack("{s:s}", "id", text_of(c, "id"));
        return 0;
    }
    return refuse(c, "a key can be listed, created and deleted");
}

static int command_run(struct txn *t, void *arg) {
    struct command *c = arg;

    json_decref(c->answer);
    c->answer = NULL;
    return strcmp(text_of(c, "cmd"), "account") == 0 ? account_command(c, t) : key_command(c, t);
}

static void command_done(void *arg, int status) {
    struct command *c = arg;

    if (status < 0) {
        json_decref(c->answer);
        c->answer =
            json_pack("{s:s}", "error", "the state could not be written; nothing was changed");
    }
    c->reply(c->arg, c->answer);
    json_decref(c->request);
    free(c);
}

void keys_command(struct state *s, const json_t *request, void (*reply)(void *arg, json_t *answer),
                  void *arg) {
    struct command *c = calloc(1, sizeof(*c));

    if (!c) {
        reply(arg, NULL);
        return;
    }
    *c = (struct command){.request = json_deep_copy(request), .reply = reply, .arg = arg};
    state_call(s, command_run, command_done, c);
}
