/*
 * popflood: offers bogus POP3 log-ins at a fixed rate, each on a connection and from an address of its own.
 *
 * Open loop: a log-in begins when it is due, however the others fare, up to MAX_OPEN connections at once. A connection
 * says USER and PASS when it was greeted, reads what comes, and is cut when the log-in was answered or after PATIENCE.
 * Addresses are of 127.0.0.0/8 outside 127.0.0.0/16, in a fixed pseudo-random order. One thread. The result is one line
 * of JSON on standard output.
 *
 * usage: popflood PORT RATE SECONDS MODE [ACCOUNTS]    MODE unknown: names nobody has; known: user000000 and on
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_OPEN 15000
#define MAX_FD 20000
#define PATIENCE 5.0
#define BATCH 512

struct login {
    double begun;
    int greeted, used;
    int newer, older; /* by age, as file descriptors; -1 at an end */
};

static struct login logins[MAX_FD];
static int oldest = -1, newest = -1, open_now;
static unsigned long long offered, refused, wrong, busy, cut, late, failed, skipped;
static int port, known, accounts = 1, poller;
static uint64_t state = 88172645463325252ULL;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static uint32_t chance(void) { /* xorshift64 */
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state >> 16;
}

static void end(int fd) {
    struct linger at_once = {1, 0}; /* a reset: no TIME_WAIT keeps the port */
    struct login *one = &logins[fd];
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
    if (one->older >= 0) logins[one->older].newer = one->newer; else oldest = one->newer;
    if (one->newer >= 0) logins[one->newer].older = one->older; else newest = one->older;
    one->used = 0;
    open_now--;
}

static void begin(double moment) {
    struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event event = {.events = EPOLLIN};
    int fd, yes = 1;
    offered++;
    if (open_now >= MAX_OPEN) { skipped++; return; }
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || fd >= MAX_FD) { failed++; if (fd >= 0) close(fd); return; }
    from.sin_addr.s_addr = htonl(0x7f010000u + chance() % 0xfe0000u);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0
        || (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)) {
        failed++;
        close(fd);
        return;
    }
    event.data.fd = fd;
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    logins[fd] = (struct login){.begun = moment, .used = 1, .newer = -1, .older = newest};
    if (newest >= 0) logins[newest].newer = fd; else oldest = fd;
    newest = fd;
    open_now++;
}

static void advance(int fd) {
    char text[1024], line[128];
    struct login *one = &logins[fd];
    ssize_t got = recv(fd, text, sizeof text - 1, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) { cut++; end(fd); return; }
    text[got] = 0;
    if (!one->greeted) {
        if (text[0] == '-') { refused++; end(fd); return; }
        one->greeted = 1;
        if (known) snprintf(line, sizeof line, "USER user%06u\r\nPASS wrong-%08x\r\n", chance() % accounts, chance());
        else snprintf(line, sizeof line, "USER bogus%08x\r\nPASS wrong-%08x\r\n", chance(), chance());
        if (send(fd, line, strlen(line), MSG_NOSIGNAL) < 0) { cut++; end(fd); }
        return;
    }
    if (strstr(text, "-ERR [AUTH]")) { wrong++; end(fd); }
    else if (strstr(text, "-ERR")) { busy++; end(fd); }
}

int main(int count, char **words) {
    struct epoll_event events[BATCH];
    double begun, rate, seconds;
    if (count < 5) { fprintf(stderr, "usage: popflood PORT RATE SECONDS unknown|known [ACCOUNTS]\n"); return 2; }
    port = atoi(words[1]), rate = atof(words[2]), seconds = atof(words[3]), known = !strcmp(words[4], "known");
    if (count > 5) accounts = atoi(words[5]);
    poller = epoll_create1(0);
    begun = now();
    for (;;) {
        double moment = now(), passed = moment - begun;
        int found;
        if (passed >= seconds + PATIENCE || (passed >= seconds && !open_now)) break;
        if (passed < seconds) /* at most a batch at once, so that answers are read, too */
            for (int n = 0; n < BATCH && offered < passed * rate; n++) begin(moment);
        while (oldest >= 0 && moment - logins[oldest].begun > PATIENCE) { late++; end(oldest); }
        found = epoll_wait(poller, events, BATCH, 1);
        for (int n = 0; n < found; n++)
            if (logins[events[n].data.fd].used) advance(events[n].data.fd);
    }
    printf("{\"offered\":%llu,\"refused\":%llu,\"wrong\":%llu,\"busy\":%llu,\"cut\":%llu,\"late\":%llu,\"failed\":%llu,"
           "\"skipped\":%llu}\n", offered, refused, wrong, busy, cut, late + open_now, failed, skipped);
    return 0;
}
