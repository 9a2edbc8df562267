/* A disk that refuses: preloaded, it lets the first calls that write below a folder pass and
 * answers every later one as a full (or read-only) disk does, or ends the process at once.
 *
 * Removing and reading always work, as on a real disk that is full. Linux only: the path of a
 * descriptor is read from /proc.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char under[PATH_MAX];
static size_t length;
static long at = -1; /* how many calls pass; -1: all */
static int how;      /* the errno of the others; -9: SIGKILL */
static long *counter;

void refuse_after(const char *folder, long calls, int answer, long *count) {
    snprintf(under, sizeof under, "%s", folder);
    length = strlen(under);
    at = calls;
    how = answer;
    counter = count;
}

static int is_below(const char *path) {
    return strncmp(path, under, length) == 0 && (path[length] == '/' || !path[length]);
}

/* Whether this call is refused; the number of calls is kept where the parent sees it. */
static int refused(void) {
    long now = __atomic_fetch_add(counter, 1, __ATOMIC_SEQ_CST);
    if (at < 0 || now < at) return 0;
    if (how == -9) raise(SIGKILL);
    errno = how;
    return 1;
}

static int path_refused(int folder, const char *path) {
    char whole[2 * PATH_MAX], link[64];
    if (!counter || !path) return 0;
    if (path[0] != '/') {
        ssize_t n;
        if (folder == AT_FDCWD) {
            if (!getcwd(whole, PATH_MAX)) return 0;
            n = strlen(whole);
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            n = readlink(link, whole, PATH_MAX);
            if (n < 0) return 0;
        }
        snprintf(whole + n, PATH_MAX, "/%s", path);
        path = whole;
    }
    return is_below(path) && refused();
}

static int file_refused(int file) {
    char path[PATH_MAX], link[64];
    if (!counter) return 0;
    int kept = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t n = readlink(link, path, sizeof path - 1);
    errno = kept;
    if (n < 0) return 0;
    path[n] = 0;
    return is_below(path) && refused();
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define ON_FILE(type, name, args, call) \
    type name args { REAL(name); return file_refused(file) ? (type)-1 : real call; }

ON_FILE(ssize_t, write, (int file, const void *data, size_t n), (file, data, n))
ON_FILE(ssize_t, pwrite, (int file, const void *data, size_t n, off_t o), (file, data, n, o))
ON_FILE(ssize_t, pwrite64, (int file, const void *data, size_t n, off64_t o), (file, data, n, o))
ON_FILE(ssize_t, writev, (int file, const struct iovec *v, int n), (file, v, n))
ON_FILE(ssize_t, pwritev, (int file, const struct iovec *v, int n, off_t o), (file, v, n, o))
ON_FILE(int, fsync, (int file), (file))
ON_FILE(int, fdatasync, (int file), (file))
ON_FILE(int, ftruncate, (int file, off_t n), (file, n))
ON_FILE(int, ftruncate64, (int file, off64_t n), (file, n))
ON_FILE(int, fallocate, (int file, int mode, off_t o, off_t n), (file, mode, o, n))

int posix_fallocate(int file, off_t o, off_t n) {
    REAL(posix_fallocate);
    return file_refused(file) ? how : real(file, o, n);
}

ssize_t sendfile(int file, int from, off_t *o, size_t n);
ON_FILE(ssize_t, sendfile, (int file, int from, off_t *o, size_t n), (file, from, o, n))
ssize_t sendfile64(int file, int from, off64_t *o, size_t n);
ON_FILE(ssize_t, sendfile64, (int file, int from, off64_t *o, size_t n), (file, from, o, n))

ssize_t copy_file_range(int from, off64_t *i, int file, off64_t *o, size_t n, unsigned flags) {
    REAL(copy_file_range);
    return file_refused(file) ? -1 : real(from, i, file, o, n, flags);
}

#define ON_PATH(name, args, call, folder, path) \
    int name args { REAL(name); return path_refused(folder, path) ? -1 : real call; }

ON_PATH(rename, (const char *a, const char *b), (a, b), AT_FDCWD, b)
ON_PATH(renameat, (int d, const char *a, int e, const char *b), (d, a, e, b), e, b)
ON_PATH(link, (const char *a, const char *b), (a, b), AT_FDCWD, b)
ON_PATH(linkat, (int d, const char *a, int e, const char *b, int f), (d, a, e, b, f), e, b)
ON_PATH(mkdir, (const char *a, mode_t m), (a, m), AT_FDCWD, a)
ON_PATH(mkdirat, (int d, const char *a, mode_t m), (d, a, m), d, a)

/* Opening is refused where it would make the file. */
#define ON_OPEN(name, head, folder, call) \
    int name head { \
        REAL(name); \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        if ((flags & O_CREAT) && faccessat(folder, path, F_OK, 0) && path_refused(folder, path)) \
            return -1; \
        return real call; \
    }

ON_OPEN(open, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
ON_OPEN(open64, (const char *path, int flags, ...), AT_FDCWD, (path, flags, mode))
ON_OPEN(openat, (int d, const char *path, int flags, ...), d, (d, path, flags, mode))
ON_OPEN(openat64, (int d, const char *path, int flags, ...), d, (d, path, flags, mode))
