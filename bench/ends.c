/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ends of bench/path.py, in C so that the ends do not hide what is between them.
 *
 *  - bench-ends serve: UDP 7 echoes; TCP 8 greets and closes; UDP 9 takes all. "ready" on standard
 *    output.
 *  - bench-ends ask ADDRESS SECONDS: questions, one after another. "RATE P50_us P99_us"
 *  - bench-ends open ADDRESS SECONDS: connections, each greeted and closed by the server. "RATE"
 *  - bench-ends blast ADDRESS SECONDS: packets of 18 bytes as fast as they go. "SECONDS" it took;
 *    how many arrive is for the other end's device to say
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ECHO_PORT 7
#define GREET_PORT 8
#define SINK_PORT 9
#define BATCH 64
#define ASK_MAX 1000000

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double seconds(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct sockaddr_in at(const char *address, uint16_t port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

    if (inet_pton(AF_INET, address, &a.sin_addr) != 1)
        fail(address);
    return a;
}

static int serve_on(int type, uint16_t port) {
    struct sockaddr_in a = at("0.0.0.0", port);
    int fd = socket(AF_INET, type, 0), one = 1, room = 8 << 20;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        (type == SOCK_STREAM && listen(fd, 1024) < 0))
        fail("serve");
    return fd;
}

static void echo(int fd) {
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    char data[64];
    ssize_t n = recvfrom(fd, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&from, &len);

    if (n > 0)
        sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from, len);
}

static void greet(int fd) {
    int c = accept(fd, NULL, NULL);

    if (c < 0)
        return;
    send(c, "hello", 5, MSG_NOSIGNAL);
    close(c);
}

static void drop(int fd) {
    static char data[BATCH][64];
    struct iovec iov[BATCH];
    struct mmsghdr m[BATCH] = {0};

    for (int i = 0; i < BATCH; i++) {
        iov[i] = (struct iovec){data[i], sizeof(data[i])};
        m[i].msg_hdr.msg_iov = &iov[i];
        m[i].msg_hdr.msg_iovlen = 1;
    }
    recvmmsg(fd, m, BATCH, MSG_DONTWAIT, NULL);
}

static _Noreturn void serve(void) {
    struct pollfd p[] = {{serve_on(SOCK_DGRAM, ECHO_PORT), POLLIN, 0},
                         {serve_on(SOCK_STREAM, GREET_PORT), POLLIN, 0},
                         {serve_on(SOCK_DGRAM, SINK_PORT), POLLIN, 0}};

    puts("ready");
    fflush(stdout);
    for (;;) {
        if (poll(p, 3, -1) < 0 && errno != EINTR)
            fail("poll");
        if (p[0].revents)
            echo(p[0].fd);
        if (p[1].revents)
            greet(p[1].fd);
        if (p[2].revents)
            drop(p[2].fd);
    }
}

static int connected_or_not(int type, const char *address, uint16_t port) {
    const struct timeval patience = {.tv_sec = 1};
    struct sockaddr_in a = at(address, port);
    int fd = socket(AF_INET, type, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
        return fd;
    close(fd);
    return -1;
}

static int connected(int type, const char *address, uint16_t port) {
    int fd = connected_or_not(type, address, port);

    if (fd < 0)
        fail("connect");
    return fd;
}

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;

    return x < y ? -1 : x > y;
}

/* One question; what is lost on the way costs the time until it is asked again. */
static void question(int fd) {
    char data[18] = "?";

    for (int i = 0; i < 10; i++)
        if (send(fd, data, sizeof(data), 0) > 0 && recv(fd, data, sizeof(data), 0) > 0)
            return;
    fail("ask");
}

static int ask(const char *address, double for_seconds) {
    float *took = calloc(ASK_MAX, sizeof(*took));
    int fd = connected(SOCK_DGRAM, address, ECHO_PORT);
    double begun, before;
    size_t n = 0;

    if (!took)
        fail("memory");
    for (int i = 0; i < 100; i++) /* the flow is known */
        question(fd);
    begun = before = seconds();
    do {
        double now;

        question(fd);
        now = seconds();
        took[n++] = (float)((now - before) * 1e6);
        before = now;
    } while (before - begun < for_seconds && n < ASK_MAX);
    qsort(took, n, sizeof(*took), by_value);
    printf("%.0f %.2f %.2f\n", (double)n / (before - begun), (double)took[n / 2],
           (double)took[n * 99 / 100]);
    free(took);
    return 0;
}

static int open_many(const char *address, double for_seconds) {
    double begun = seconds(), end;
    unsigned n = 0;
    char data[16];

    do {
        int fd = connected_or_not(SOCK_STREAM, address, GREET_PORT);

        if (fd >= 0) {
            while (recv(fd, data, sizeof(data), 0) > 0)
                continue;
            close(fd);
            n++;
        }
        end = seconds();
    } while (end - begun < for_seconds);
    printf("%.0f\n", n / (end - begun));
    return 0;
}

static int blast(const char *address, double for_seconds) {
    static char data[18];
    int fd = connected(SOCK_DGRAM, address, SINK_PORT);
    struct iovec iov = {data, sizeof(data)};
    struct mmsghdr m[BATCH] = {0};
    double begun = seconds(), end;

    for (int i = 0; i < BATCH; i++) {
        m[i].msg_hdr.msg_iov = &iov;
        m[i].msg_hdr.msg_iovlen = 1;
    }
    do {
        sendmmsg(fd, m, BATCH, 0);
        end = seconds();
    } while (end - begun < for_seconds);
    printf("%.3f\n", end - begun);
    return 0;
}

int main(int argc, char **argv) {
    double n = argc == 4 ? atof(argv[3]) : 0;

    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        serve();
    if (argc == 4 && n > 0 && n <= 60) {
        if (strcmp(argv[1], "ask") == 0)
            return ask(argv[2], n);
        if (strcmp(argv[1], "open") == 0)
            return open_many(argv[2], n);
        if (strcmp(argv[1], "blast") == 0)
            return blast(argv[2], n);
    }
    fprintf(stderr, "usage: bench-ends serve | ask ADDRESS SECONDS | open ADDRESS SECONDS | blast "
                    "ADDRESS SECONDS\n");
    return 2;
}
