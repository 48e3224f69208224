/*
 * popload: closed-loop POP3 load generator (threads, blocking sockets, optional implicit TLS 1.3).
 *
 * Each thread runs one session after another, with no pause, until the time or the number of sessions is used up.
 * A session ends when the server has closed the connection. Thread i of n logs in as users i, i+n, i+2n, ... in turn,
 * so that no two threads ever hold the same maildrop. The result is one line of JSON on standard output.
 *
 * Mode "http" asks an HTTP server for the same files over one kept connection: the physical yardstick.
 * Every TLS handshake is a full one: no ticket is ever presented. Certificates are not checked.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 1024
#define LATENCIES (1 << 18)
#define LINE 640

enum mode { STAT, POLL, DRAIN, DRAINP, HOLD, HTTP };
static const char *const mode_names[] = {"stat", "poll", "drain", "drainp", "hold", "http"};

static const char *address = "127.0.0.1", *prefix = "u", *domain = "example.com", *password = "secret-pass-1";
static int port, threads = 8, users = 100, first, window = 16, files = 50, use_tls;
static long session_limit;
static double seconds = 1;
static enum mode mode;
static SSL_CTX *context;
static atomic_int stopping;
static atomic_long sessions_begun;

struct connection {
    int fd;
    SSL *ssl;
    size_t begin, end; /* the unread part of buffer */
    unsigned long long received;
    char buffer[1 << 18];
};

struct worker {
    int index;
    unsigned long long sessions, commands, messages, octets, errors;
    double *latency;
    size_t latencies;
    struct connection connection;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static int send_all(struct connection *c, const char *text) {
    size_t left = strlen(text);
    while (left) {
        ssize_t n = c->ssl ? SSL_write(c->ssl, text, left) : send(c->fd, text, left, MSG_NOSIGNAL);
        if (n <= 0) return -1;
        text += n;
        left -= n;
    }
    return 0;
}

/* Receives more octets behind the unread ones. Returns -1 at the end of the stream, on an error and on a time-out. */
static int fill(struct connection *c) {
    if (c->begin == c->end) {
        c->begin = c->end = 0;
    } else if (c->end == sizeof c->buffer) {
        if (c->begin == 0) return -1; /* a line longer than the buffer */
        memmove(c->buffer, c->buffer + c->begin, c->end - c->begin);
        c->end -= c->begin;
        c->begin = 0;
    }
    size_t room = sizeof c->buffer - c->end;
    ssize_t n = c->ssl ? SSL_read(c->ssl, c->buffer + c->end, room) : recv(c->fd, c->buffer + c->end, room, 0);
    if (n <= 0) return -1;
    c->end += n;
    c->received += n;
    return 0;
}

/* Takes one line; copies its beginning to out, which holds LINE octets. */
static int take_line(struct connection *c, char *out) {
    for (;;) {
        char *start = c->buffer + c->begin, *newline = memchr(start, '\n', c->end - c->begin);
        if (newline) {
            size_t length = newline - start + 1, kept = length < LINE - 1 ? length : LINE - 1;
            memcpy(out, start, kept);
            out[kept] = 0;
            c->begin += length;
            return 0;
        }
        if (fill(c)) return -1;
    }
}

/* Takes a multi-line response: "+OK", the lines, and the line with the single dot. */
static int take_multi(struct connection *c) {
    char line[LINE];
    if (take_line(c, line) || line[0] != '+') return -1;
    for (;;) {
        char *start = c->buffer + c->begin, *newline = memchr(start, '\n', c->end - c->begin);
        if (!newline) {
            if (fill(c)) return -1;
            continue;
        }
        c->begin += newline - start + 1;
        if (newline - start == 2 && start[0] == '.' && start[1] == '\r') return 0;
    }
}

static int command(struct connection *c, const char *text, char *reply) {
    return send_all(c, text) || take_line(c, reply) || reply[0] != '+' ? -1 : 0;
}

static int open_connection(struct connection *c) {
    int one = 1;
    struct timeval patience = {60, 0};
    struct linger reset = {1, 0}; /* leaves no TIME_WAIT behind, or a long run uses up the ports */
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(port)};
    c->begin = c->end = 0;
    c->received = 0;
    c->ssl = NULL;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0) return -1;
    inet_pton(AF_INET, address, &peer.sin_addr);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (connect(c->fd, (struct sockaddr *)&peer, sizeof peer)) return -1;
    if (use_tls) {
        c->ssl = SSL_new(context);
        SSL_set_fd(c->ssl, c->fd);
        if (SSL_connect(c->ssl) != 1) return -1;
    }
    return 0;
}

static void close_connection(struct connection *c) {
    if (c->ssl) SSL_free(c->ssl);
    if (c->fd >= 0) close(c->fd);
}

static const char *login(struct connection *c, int user, char *reply) {
    char text[LINE];
    if (open_connection(c)) return "connecting";
    if (take_line(c, reply) || reply[0] != '+') return "greeting";
    snprintf(text, sizeof text, "USER %s%d@%s\r\n", prefix, user, domain);
    if (command(c, text, reply)) return "USER";
    snprintf(text, sizeof text, "PASS %s\r\n", password);
    return command(c, text, reply) ? "PASS" : NULL;
}

/* Asks for messages 1 to count with at most `ahead` requests in flight. */
static int retrieve(struct worker *w, int count, int ahead) {
    char text[LINE];
    for (int number = 1, asked = 0; number <= count; number++) {
        for (; asked < count && asked < number + ahead - 1; asked++) {
            snprintf(text, sizeof text, "RETR %d\r\n", asked + 1);
            if (send_all(&w->connection, text)) return -1;
        }
        if (take_multi(&w->connection)) return -1;
        w->messages++;
        w->commands++;
    }
    return 0;
}

/* One POP3 session. Returns NULL, or the name of the step that failed; reply then holds the last line seen. */
static const char *pop3_session(struct worker *w, int user, char *reply) {
    struct connection *c = &w->connection;
    int count = 0;
    const char *failed = login(c, user, reply);
    if (failed) return failed;
    if (command(c, "STAT\r\n", reply) || sscanf(reply, "+OK %d", &count) != 1) return "STAT";
    w->commands += 4; /* USER, PASS, STAT and the QUIT below */
    if (mode != STAT) {
        if (send_all(c, "UIDL\r\n") || take_multi(c)) return "UIDL";
        w->commands++;
    }
    if (mode == POLL) {
        if (send_all(c, "LIST\r\n") || take_multi(c)) return "LIST";
        w->commands++;
    }
    if ((mode == DRAIN || mode == DRAINP) && retrieve(w, count, mode == DRAINP ? window : 1)) return "RETR";
    if (command(c, "QUIT\r\n", reply)) return "QUIT";
    while (!fill(c)) c->begin = c->end;
    return NULL;
}

/* One HTTP/1.1 connection: GET /USER/1 to /USER/files, one after another. */
static const char *http_session(struct worker *w, int user, char *reply) {
    struct connection *c = &w->connection;
    char text[LINE];
    if (open_connection(c)) return "connecting";
    for (int number = 1; number <= files; number++) {
        size_t left = 0;
        snprintf(text, sizeof text, "GET /%s%d@%s/%d HTTP/1.1\r\nHost: bench\r\n\r\n", prefix, user, domain, number);
        if (send_all(c, text) || take_line(c, reply) || strncmp(reply, "HTTP/1.1 200", 12)) return "GET";
        while (reply[0] != '\r') {
            if (take_line(c, reply)) return "header";
            sscanf(reply, "Content-Length: %zu", &left);
        }
        while (left) {
            if (c->begin == c->end && fill(c)) return "body";
            size_t taken = c->end - c->begin < left ? c->end - c->begin : left;
            c->begin += taken;
            left -= taken;
        }
        w->messages++;
        w->commands++;
    }
    return NULL;
}

static void *work(void *argument) {
    struct worker *w = argument;
    char reply[LINE];
    int turn = w->index % users;
    while (!stopping && (!session_limit || atomic_fetch_add(&sessions_begun, 1) < session_limit)) {
        double started = now();
        reply[0] = 0;
        const char *failed = (mode == HTTP ? http_session : pop3_session)(w, first + turn, reply);
        close_connection(&w->connection);
        w->octets += w->connection.received;
        if (failed) {
            if (++w->errors < 3) fprintf(stderr, "popload: %s: errno %d, last line: %s\n", failed, errno, reply);
            usleep(20000); /* a refusing server must not turn this into a busy loop */
        } else {
            w->sessions++;
            if (w->latencies < LATENCIES) w->latency[w->latencies++] = now() - started;
        }
        turn += threads;
        if (turn >= users) turn = w->index % users;
    }
    return NULL;
}

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static int run_load(void) {
    static pthread_t handles[MAX_THREADS];
    struct worker *all = calloc(threads, sizeof *all), sum = {0};
    double started = now();
    for (int i = 0; i < threads; i++) {
        all[i].index = i;
        all[i].latency = malloc(LATENCIES * sizeof(double));
        if (pthread_create(handles + i, NULL, work, all + i)) return perror("popload: thread"), 1;
    }
    if (!session_limit) {
        usleep(seconds * 1e6);
        stopping = 1;
    }
    for (int i = 0; i < threads; i++) pthread_join(handles[i], NULL);
    double elapsed = now() - started;
    sum.latency = malloc((size_t)threads * LATENCIES * sizeof(double));
    for (int i = 0; i < threads; i++) {
        sum.sessions += all[i].sessions;
        sum.commands += all[i].commands;
        sum.messages += all[i].messages;
        sum.octets += all[i].octets;
        sum.errors += all[i].errors;
        memcpy(sum.latency + sum.latencies, all[i].latency, all[i].latencies * sizeof(double));
        sum.latencies += all[i].latencies;
    }
    qsort(sum.latency, sum.latencies, sizeof(double), by_value);
    double p50 = sum.latencies ? sum.latency[sum.latencies / 2] : 0;
    double p99 = sum.latencies ? sum.latency[(size_t)(sum.latencies * .99)] : 0;
    printf("{\"sessions\":%llu,\"commands\":%llu,\"messages\":%llu,\"octets\":%llu,\"errors\":%llu,"
           "\"seconds\":%.6f,\"p50_ms\":%.4f,\"p99_ms\":%.4f}\n",
           sum.sessions, sum.commands, sum.messages, sum.octets, sum.errors, elapsed, p50 * 1e3, p99 * 1e3);
    return 0;
}

/* Logs in `users` sessions, says so, and keeps them until standard input ends. */
static int run_hold(void) {
    char reply[LINE], octet;
    int held = 0;
    double started = now();
    for (; held < users; held++) {
        struct connection *c = calloc(1, sizeof *c);
        reply[0] = 0;
        const char *failed = login(c, first + held, reply);
        if (failed) {
            fprintf(stderr, "popload: session %d: %s: errno %d, last line: %s\n", held, failed, errno, reply);
            break;
        }
    }
    printf("{\"sessions\":%d,\"errors\":%d,\"seconds\":%.6f}\n", held, users - held, now() - started);
    fflush(stdout);
    while (read(0, &octet, 1) > 0) continue;
    return 0;
}

static void usage(void) {
    fputs("usage: popload [options] PORT MODE\n"
          "modes:  stat    USER PASS STAT QUIT\n"
          "        poll    USER PASS STAT UIDL LIST QUIT\n"
          "        drain   USER PASS STAT UIDL, RETR of every message one by one, QUIT\n"
          "        drainp  the same with the RETRs pipelined\n"
          "        hold    log all the users in and keep the sessions until standard input ends\n"
          "        http    GET /USER/1 to /USER/FILES over one kept connection\n"
          "options: --connect ADDRESS   IPv4 address (127.0.0.1)\n"
          "         --threads N         sessions at a time (8)\n"
          "         --seconds S         begin no session after S seconds (1)\n"
          "         --sessions N        run exactly N sessions instead\n"
          "         --users N           number of users (100)\n"
          "         --first N           number of the first user (0)\n"
          "         --prefix TEXT       a user is TEXT, its number, @, the domain (u)\n"
          "         --domain TEXT       (example.com)\n"
          "         --password TEXT     (secret-pass-1)\n"
          "         --window N          RETRs in flight in mode drainp (16)\n"
          "         --files N           files a session in mode http (50)\n"
          "         --tls               implicit TLS 1.3, full handshakes\n",
          stderr);
}

static int parse(int argc, char **argv) {
    static const struct option options[] = {
        {"connect", 1, 0, 'c'}, {"threads", 1, 0, 't'},  {"seconds", 1, 0, 's'}, {"sessions", 1, 0, 'n'},
        {"users", 1, 0, 'u'},   {"first", 1, 0, 'f'},    {"prefix", 1, 0, 'p'},  {"domain", 1, 0, 'd'},
        {"window", 1, 0, 'w'},  {"password", 1, 0, 'P'}, {"files", 1, 0, 'F'},   {"tls", 0, 0, 'T'},
        {0, 0, 0, 0},
    };
    for (int choice; (choice = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (choice) {
            case 'c': address = optarg; break;
            case 't': threads = atoi(optarg); break;
            case 's': seconds = atof(optarg); break;
            case 'n': session_limit = atol(optarg); break;
            case 'u': users = atoi(optarg); break;
            case 'f': first = atoi(optarg); break;
            case 'p': prefix = optarg; break;
            case 'd': domain = optarg; break;
            case 'w': window = atoi(optarg); break;
            case 'P': password = optarg; break;
            case 'F': files = atoi(optarg); break;
            case 'T': use_tls = 1; break;
            default: return -1;
        }
    }
    if (argc - optind != 2) return -1;
    port = atoi(argv[optind]);
    int known = sizeof mode_names / sizeof *mode_names, i = 0;
    while (i < known && strcmp(mode_names[i], argv[optind + 1])) i++;
    mode = i;
    if (i == known || port < 1 || port > 65535 || threads < 1 || threads > MAX_THREADS || users < 1 || window < 1) return -1;
    if (mode != HOLD && threads > users) {
        fputs("popload: more threads than users: two sessions would want the same maildrop\n", stderr);
        return -1;
    }
    return 0;
}

int main(int argc, char **argv) {
    if (parse(argc, argv)) {
        usage();
        return 2;
    }
    if (use_tls) {
        context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_mode(context, SSL_MODE_AUTO_RETRY);
    }
    return mode == HOLD ? run_hold() : run_load();
}
