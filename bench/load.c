/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends HTTP requests that were made in advance, over connections that stay open, and counts the
 * answers. It shares no code with the product, and does so little that it leaves the machine to it.
 *
 *     bench-load ADDRESS PORT CLIENTS SECONDS FILE
 *
 * FILE holds whole requests, each behind its length as four bytes in the machine's order. Each
 * client sends one, waits for its answer, and sends the next one of the file, round and round; a
 * request may so be sent many times. Prints one line: answers with status 200, others, seconds, and
 * the time of an answer in microseconds at 50 and 99 of 100.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 256
#define HEAD_MAX 16384
#define TIMES_MAX 4000000

struct client {
    int fd;
    uint64_t sent_at;
    size_t head; /* bytes of the answer's head so far */
    size_t left; /* bytes of its body to come; while `body` */
    int body, status;
    char text[HEAD_MAX + 1];
};

static struct client clients[CLIENTS_MAX];
static char *file, *at, *end;
static uint32_t *times;
static size_t n_times;
static uint64_t good, bad;

static void die(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void read_file(const char *path) {
    FILE *f = fopen(path, "rb");
    struct stat st;

    if (!f || fstat(fileno(f), &st) < 0 || st.st_size < 5)
        die(path);
    file = malloc((size_t)st.st_size);
    if (!file || fread(file, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
        die(path);
    fclose(f);
    at = file;
    end = file + st.st_size;
}

static void send_next(struct client *c) {
    uint32_t n;

    if (at == end)
        at = file;
    memcpy(&n, at, sizeof(n));
    c->head = 0;
    c->body = 0;
    c->sent_at = now_ns();
    if (send(c->fd, at + sizeof(n), n, MSG_NOSIGNAL) != (ssize_t)n)
        die("send");
    at += sizeof(n) + n;
}

static void begin_body(struct client *c) {
    char *stop = strstr(c->text, "\r\n\r\n"), *length;

    if (!stop) {
        if (c->head == HEAD_MAX)
            die("an answer's head is too long");
        return;
    }
    length = strcasestr(c->text, "\r\ncontent-length:");
    if (!length || length > stop)
        die("an answer has no length");
    c->status = atoi(c->text + 9);
    c->left = strtoul(length + 17, NULL, 10) - (c->head - (size_t)(stop + 4 - c->text));
    c->body = 1;
}

static int answered(struct client *c) {
    static char sink[1 << 18];

    for (;;) {
        ssize_t n = c->body ? recv(c->fd, sink, c->left < sizeof(sink) ? c->left : sizeof(sink),
                                   MSG_DONTWAIT)
                            : recv(c->fd, c->text + c->head, HEAD_MAX - c->head, MSG_DONTWAIT);

        if (n < 0)
            return 0;
        if (n == 0)
            die("the server closed a connection");
        if (c->body) {
            c->left -= (size_t)n;
        } else {
            c->head += (size_t)n;
            c->text[c->head] = 0;
            begin_body(c);
        }
        if (c->body && !c->left)
            return 1;
    }
}

static void note(struct client *c) {
    if (c->status == 200)
        good++;
    else if (!bad++)
        fprintf(stderr, "the first bad answer: %s\n", c->text);
    if (n_times < TIMES_MAX)
        times[n_times++] = (uint32_t)((now_ns() - c->sent_at) / 1000);
}

static int by_number(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
    struct sockaddr_in sa = {.sin_family = AF_INET};
    int ep = epoll_create1(0), n = argc == 6 ? atoi(argv[3]) : 0, open = n, one = 1;
    uint64_t began, stop;

    if (n < 1 || n > CLIENTS_MAX || inet_pton(AF_INET, argv[1], &sa.sin_addr) != 1) {
        fprintf(stderr, "Usage: bench-load ADDRESS PORT CLIENTS SECONDS FILE\n");
        return 2;
    }
    sa.sin_port = htons((uint16_t)atoi(argv[2]));
    read_file(argv[5]);
    times = malloc(TIMES_MAX * sizeof(*times));
    if (!times)
        die("memory");
    for (int i = 0; i < n; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &clients[i]};

        clients[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (clients[i].fd < 0 || connect(clients[i].fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
            die("connect");
        setsockopt(clients[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        epoll_ctl(ep, EPOLL_CTL_ADD, clients[i].fd, &ev);
    }
    began = now_ns();
    stop = began + (uint64_t)(atof(argv[4]) * 1e9);
    for (int i = 0; i < n; i++)
        send_next(&clients[i]);
    while (open) {
        struct epoll_event ev[64];
        int got = epoll_wait(ep, ev, 64, 30000);

        if (got <= 0)
            die("no answer");
        for (int i = 0; i < got; i++) {
            struct client *c = ev[i].data.ptr;

            if (!answered(c))
                continue;
            note(c);
            if (now_ns() < stop)
                send_next(c);
            else
                open--;
        }
    }
    qsort(times, n_times, sizeof(*times), by_number);
    printf("%llu %llu %.3f %u %u\n", (unsigned long long)good, (unsigned long long)bad,
           (double)(now_ns() - began) / 1e9, times[n_times / 2], times[n_times * 99 / 100]);
    return bad != 0;
}
