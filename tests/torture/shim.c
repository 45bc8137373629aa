/* Faults for the tools, from outside: a library that LD_PRELOAD puts between a tool and libc, so that the very binary
 * that is shipped is tested. It counts the calls that matter and makes the n-th fail, stop short or be the last one.
 *
 *   FAULT_STORE    the directory whose files matter
 *   FAULT_KINDS    which calls count: letters as below
 *   FAULT_CLASSES  what they must be on: s the store, p a pipe, m a memory file, - nothing in particular
 *   FAULT_AT       the number of the call that fails, from 1; 0 for none
 *   FAULT_MODE     an errno's number, or short (half), one (one byte), before or after (SIGKILL)
 *   FAULT_STICKY   if set, all calls from that one on fail
 *   FAULT_LOG      a file: a line a call, "kind class path", and "hit" where the fault was made
 *   FAULT_RECORD   a file: what happened to the store, in order, with all data
 *
 * Kinds: o open, c create, r read, w write, s fsync, n rename, u unlink, m mkdir, t truncate, l lock, f fork, p pipe,
 * d duplicate, x examine, T thread. Only programs named fwb-* are concerned; their children never see this library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { GO, FAIL, SHORT, LAST };

static int active, sticky, log_fd = -1, record_fd = -1, one_byte, error_number, verdict;
static int before;
static long at;
static long counted;
static size_t store_length;
static char store[4096];
static const char *kinds, *classes;
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
/* After a fork, std reads the child's word on exec from a pipe and panics if that cannot be read. It always can. */
static __thread int forked;

#define NEXT(type, name, ...)                                   \
    static type (*next)(__VA_ARGS__);                           \
    if (!next)                                                  \
    next = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static void put(int fd, const void *bytes, size_t length) {
    while (length) {
        long done = syscall(SYS_write, fd, bytes, length);
        if (done <= 0) return;
        bytes = (const char *)bytes + done;
        length -= (size_t)done;
    }
}

static int log_file(const char *name) {
    const char *path = getenv(name);
    if (!path) return -1;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int high = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 800);
    syscall(SYS_close, fd);
    return high;
}

__attribute__((constructor)) static void begin(void) {
    /* Children get the environment without us. */
    unsetenv("LD_PRELOAD");
    const char *where = getenv("FAULT_STORE"), *mode = getenv("FAULT_MODE"), *number = getenv("FAULT_AT");
    if (strncmp(program_invocation_short_name, "fwb-", 4) || !where) return;
    store_length = strlen(where);
    if (store_length >= sizeof store) return;
    strcpy(store, where);
    kinds = getenv("FAULT_KINDS");
    classes = getenv("FAULT_CLASSES");
    at = number ? atol(number) : 0;
    sticky = getenv("FAULT_STICKY") != NULL;
    if (!mode) mode = "5";
    verdict = FAIL;
    if (!strcmp(mode, "short")) verdict = SHORT;
    else if (!strcmp(mode, "one")) verdict = SHORT, one_byte = 1;
    else if (!strcmp(mode, "after")) verdict = LAST;
    else if (!strcmp(mode, "before")) before = 1;
    else error_number = atoi(mode);
    log_fd = log_file("FAULT_LOG");
    record_fd = log_file("FAULT_RECORD");
    active = 1;
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

static int in_store(const char *path) {
    return !strncmp(path, store, store_length) && (path[store_length] == 0 || path[store_length] == '/');
}

/* What a descriptor is: s, p, m, or o for all else, which does not count. */
static char class_of(int fd, char *path, size_t size) {
    char link[64];
    path[0] = 0;
    if (fd == 2 || fd < 0) return 'o';
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlink, link, path, size - 1);
    if (length < 0) return 'o';
    path[length] = 0;
    if (in_store(path)) return 's';
    if (!strncmp(path, "pipe:", 5)) return 'p';
    if (!strncmp(path, "/memfd:", 7)) return 'm';
    return 'o';
}

/* Counts a call and says what is to become of it. */
static int judge(char kind, char class, const char *path) {
    if (!active || class == 'o') return GO;
    if (!strchr(kinds ? kinds : "", kind) || !strchr(classes ? classes : "", class)) return GO;
    long number = __atomic_add_fetch(&counted, 1, __ATOMIC_SEQ_CST);
    int hit = at && (sticky ? number >= at : number == at);
    if (log_fd >= 0) {
        char line[4400];
        int length = snprintf(line, sizeof line, "%c %c %s%s\n", kind, class, path, hit ? " hit" : "");
        put(log_fd, line, (size_t)length);
    }
    if (hit && before) die();
    return hit ? verdict : GO;
}

static int refuse(void) {
    errno = error_number;
    return -1;
}

static size_t less(size_t length) {
    return length < 2 ? length : one_byte ? 1 : length / 2;
}

/* The recording: a line, and after a write its bytes. Deleted files and files without a name are nobody's backup. */
static void record(const char *what, const char *first, const char *second, long number, long length, const void *data) {
    char line[9000];
    size_t size = strlen(first);
    if (size > 10 && !strcmp(first + size - 10, " (deleted)")) return;
    int end = snprintf(line, sizeof line, "%s\t%s\t%s\t%ld\t%ld\n", what, first, second, number, length);
    put(record_fd, line, (size_t)end);
    if (length) put(record_fd, data, (size_t)length);
}

static int recording(void) {
    if (!active || record_fd < 0) return 0;
    pthread_mutex_lock(&order);
    return 1;
}

static void recorded(int was) {
    int number = errno;
    if (was) pthread_mutex_unlock(&order);
    errno = number;
}

static int opened(int (*next)(const char *, int, ...), const char *path, int flags, mode_t mode) {
    int creates = (flags & O_CREAT) != 0;
    int what = judge(creates ? 'c' : 'o', in_store(path) ? 's' : 'o', path);
    if (what == FAIL) return refuse();
    int was = recording(), fresh = access(path, F_OK) != 0;
    int fd = next(path, flags, mode);
    if (was && fd >= 0 && in_store(path)) {
        if (creates && fresh) record("create", path, "", 0, 0, NULL);
        if (flags & O_TRUNC) record("truncate", path, "", 0, 0, NULL);
    }
    recorded(was);
    if (what == LAST) die();
    return fd;
}

#define OPEN(name)                                              \
    int name(const char *path, int flags, ...) {                \
        NEXT(int, #name, const char *, int, ...);               \
        va_list rest;                                           \
        va_start(rest, flags);                                  \
        mode_t mode = va_arg(rest, mode_t);                     \
        va_end(rest);                                           \
        return opened(next, path, flags, mode);                 \
    }
OPEN(open)
OPEN(open64)

#define AROUND(kind, fd, call)                                  \
    char path[4200] = "";                                       \
    char class = active ? class_of(fd, path, sizeof path) : 'o';\
    int what = judge(kind, class, path);                        \
    if (what == FAIL) return refuse();                          \
    if (what == SHORT) size = less(size);                       \
    ssize_t done = call;                                        \
    if (what == LAST) die();                                    \
    return done

ssize_t read(int fd, void *bytes, size_t size) {
    NEXT(ssize_t, "read", int, void *, size_t);
    if (forked && size == 8) {
        forked = 0;
        return next(fd, bytes, size);
    }
    AROUND('r', fd, next(fd, bytes, size));
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t from) {
    NEXT(ssize_t, "pread64", int, void *, size_t, off64_t);
    AROUND('r', fd, next(fd, bytes, size, from));
}

ssize_t pread(int fd, void *bytes, size_t size, off_t from) {
    NEXT(ssize_t, "pread64", int, void *, size_t, off_t);
    AROUND('r', fd, next(fd, bytes, size, from));
}

static ssize_t written(ssize_t (*next)(int, const void *, size_t), int fd, const void *bytes, size_t size) {
    char path[4200] = "";
    char class = active ? class_of(fd, path, sizeof path) : 'o';
    int what = judge('w', class, path);
    if (what == FAIL) return refuse();
    if (what == SHORT) size = less(size);
    int was = recording();
    long from = was && class == 's' ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t done = next(fd, bytes, size);
    if (was && class == 's' && done > 0) record("write", path, "", from, done, bytes);
    if (was && fd == 1 && done > 0) record("print", "", "", 0, done, bytes);
    recorded(was);
    if (what == LAST) die();
    return done;
}

ssize_t write(int fd, const void *bytes, size_t size) {
    NEXT(ssize_t, "write", int, const void *, size_t);
    return written(next, fd, bytes, size);
}

/* One piece at a time is what writev may always do. */
ssize_t writev(int fd, const struct iovec *pieces, int count) {
    NEXT(ssize_t, "writev", int, const struct iovec *, int);
    if (!active || fd == 2) return next(fd, pieces, count);
    for (; count > 0; pieces++, count--)
        if (pieces->iov_len) return write(fd, pieces->iov_base, pieces->iov_len);
    return 0;
}

static int on_file(char kind, int fd, const char *word, int (*call)(int, long), long number) {
    char path[4200] = "";
    char class = active ? class_of(fd, path, sizeof path) : 'o';
    int what = judge(kind, class, path);
    if (what == FAIL) return refuse();
    int was = recording();
    int done = call(fd, number);
    if (was && class == 's' && done == 0 && kind != 'l') record(word, path, "", number, 0, NULL);
    recorded(was);
    if (what == LAST) die();
    return done;
}

static int do_sync(int fd, long ignored) {
    (void)ignored;
    NEXT(int, "fsync", int);
    return next(fd);
}

static int do_truncate(int fd, long length) {
    NEXT(int, "ftruncate64", int, off64_t);
    return next(fd, length);
}

static int do_lock(int fd, long operation) {
    NEXT(int, "flock", int, int);
    return next(fd, (int)operation);
}

int fsync(int fd) { return on_file('s', fd, "sync", do_sync, 0); }
int fdatasync(int fd) { return on_file('s', fd, "sync", do_sync, 0); }
int ftruncate64(int fd, off64_t length) { return on_file('t', fd, "truncate", do_truncate, length); }
int ftruncate(int fd, off_t length) { return on_file('t', fd, "truncate", do_truncate, length); }
int flock(int fd, int operation) { return on_file('l', fd, "", do_lock, operation); }

static int on_name(char kind, const char *word, const char *path, const char *to, int (*call)(const char *, const char *, mode_t), mode_t mode) {
    char class = active && in_store(path) ? 's' : 'o';
    int what = judge(kind, class, path);
    if (what == FAIL) return refuse();
    int was = recording();
    int done = call(path, to, mode);
    if (was && class == 's' && done == 0) record(word, path, to, 0, 0, NULL);
    recorded(was);
    if (what == LAST) die();
    return done;
}

static int do_rename(const char *from, const char *to, mode_t ignored) {
    (void)ignored;
    NEXT(int, "rename", const char *, const char *);
    return next(from, to);
}

static int do_unlink(const char *path, const char *to, mode_t ignored) {
    (void)to, (void)ignored;
    NEXT(int, "unlink", const char *);
    return next(path);
}

static int do_mkdir(const char *path, const char *to, mode_t mode) {
    (void)to;
    NEXT(int, "mkdir", const char *, mode_t);
    return next(path, mode);
}

int rename(const char *from, const char *to) { return on_name('n', "rename", from, to, do_rename, 0); }
int unlink(const char *path) { return on_name('u', "unlink", path, "", do_unlink, 0); }
int mkdir(const char *path, mode_t mode) { return on_name('m', "mkdir", path, "", do_mkdir, mode); }

int statx(int fd, const char *restrict name, int flags, unsigned mask, struct statx *restrict found) {
    NEXT(int, "statx", int, const char *, int, unsigned, struct statx *);
    char path[4200] = "";
    char class = 'o';
    if (active && name[0]) class = in_store(name) ? 's' : 'o';
    else if (active) class = class_of(fd, path, sizeof path);
    int what = judge('x', class, name[0] ? name : path);
    if (what == FAIL) return refuse();
    int done = next(fd, name, flags, mask, found);
    if (what == LAST) die();
    return done;
}

pid_t fork(void) {
    NEXT(pid_t, "fork", void);
    int what = judge('f', '-', "");
    if (what == FAIL) return refuse();
    pid_t pid = next();
    if (pid == 0) active = 0;
    else forked = pid > 0;
    if (pid && what == LAST) die();
    return pid;
}

int pipe2(int ends[2], int flags) {
    NEXT(int, "pipe2", int *, int);
    int what = judge('p', '-', "");
    if (what == FAIL) return refuse();
    int done = next(ends, flags);
    if (what == LAST) die();
    return done;
}

static int controlled(const char *name, int fd, int command, long argument) {
    static int (*next)(int, int, ...);
    if (!next) next = (int (*)(int, int, ...))dlsym(RTLD_NEXT, name);
    if (command == F_DUPFD_CLOEXEC || command == F_DUPFD) {
        int what = judge('d', '-', "");
        if (what == FAIL) return refuse();
        int done = next(fd, command, argument);
        if (what == LAST) die();
        return done;
    }
    if (command == F_SETLK || command == F_SETLKW) {
        char path[4200] = "";
        if (judge('l', active ? class_of(fd, path, sizeof path) : 'o', path) == FAIL) return refuse();
    }
    return next(fd, command, argument);
}

#define CONTROL(name)                                           \
    int name(int fd, int command, ...) {                        \
        va_list rest;                                           \
        va_start(rest, command);                                \
        long argument = va_arg(rest, long);                     \
        va_end(rest);                                           \
        return controlled(#name, fd, command, argument);        \
    }
CONTROL(fcntl)
CONTROL(fcntl64)

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *argument) {
    NEXT(int, "pthread_create", pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    int what = judge('T', '-', "");
    if (what == FAIL) return error_number;
    int done = next(thread, how, run, argument);
    if (what == LAST) die();
    return done;
}

/* Shortcuts past read and write: std tries them, and does without. */
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
    NEXT(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    if (!active) return next(in, from, out, to, size, flags);
    errno = ENOSYS;
    return -1;
}

ssize_t sendfile64(int out, int in, off64_t *from, size_t size) {
    NEXT(ssize_t, "sendfile64", int, int, off64_t *, size_t);
    if (!active) return next(out, in, from, size);
    errno = EINVAL;
    return -1;
}

ssize_t splice(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
    NEXT(ssize_t, "splice", int, off64_t *, int, off64_t *, size_t, unsigned);
    if (!active) return next(in, from, out, to, size, flags);
    errno = EINVAL;
    return -1;
}
