/* Preloaded into a stage: kills its process before the k-th call of a kind, such as the second rename.
 *
 * KILL_AT=rename:2    which call
 * KILL_LOG=PATH       instead: append the name of every call, to count them
 *
 * Counted are calls that change files. Opening for reading is none, and writing to a terminal or a pipe is none.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_int calls;

static void note(const char *name)
{
    const char *at = getenv("KILL_AT"), *log = getenv("KILL_LOG");
    size_t length = strlen(name);
    if (log != NULL) {
        int file = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT, 0600);
        char line[64];
        int size = snprintf(line, sizeof line, "%s\n", name);
        syscall(SYS_write, file, line, size);
        syscall(SYS_close, file);
    } else if (at != NULL && strncmp(at, name, length) == 0 && at[length] == ':') {
        if (atomic_fetch_add(&calls, 1) + 1 == atoi(at + length + 1))
            kill(getpid(), SIGKILL);
    }
}

static int is_file(int fd)
{
    struct stat about;
    return fd > 2 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, #name))

int rename(const char *from, const char *to)
{
    note("rename");
    return NEXT(int (*)(const char *, const char *), rename)(from, to);
}

int unlink(const char *path)
{
    note("unlink");
    return NEXT(int (*)(const char *), unlink)(path);
}

int unlinkat(int folder, const char *path, int flags)
{
    note("unlink");
    return NEXT(int (*)(int, const char *, int), unlinkat)(folder, path, flags);
}

int rmdir(const char *path)
{
    note("rmdir");
    return NEXT(int (*)(const char *), rmdir)(path);
}

int mkdir(const char *path, mode_t mode)
{
    note("mkdir");
    return NEXT(int (*)(const char *, mode_t), mkdir)(path, mode);
}

int ftruncate(int fd, off_t length)
{
    note("truncate");
    return NEXT(int (*)(int, off_t), ftruncate)(fd, length);
}

int fsync(int fd)
{
    note("fsync");
    return NEXT(int (*)(int), fsync)(fd);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    if (is_file(fd))
        note("write");
    return NEXT(ssize_t (*)(int, const void *, size_t), write)(fd, bytes, size);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    note("write");
    return NEXT(ssize_t (*)(int, const void *, size_t, off_t), pwrite)(fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at)
{
    note("write");
    return NEXT(ssize_t (*)(int, const void *, size_t, off_t), pwrite64)(fd, bytes, size, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (is_file(fd))
        note("write");
    return NEXT(ssize_t (*)(int, const struct iovec *, int), writev)(fd, parts, count);
}

#define OPEN(name, path, flags, call)                                                                                  \
    mode_t mode = 0;                                                                                                   \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                                               \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode = va_arg(more, mode_t);                                                                                   \
        va_end(more);                                                                                                  \
    }                                                                                                                  \
    if ((flags & O_ACCMODE) != O_RDONLY && strncmp(path, "/dev/", 5) != 0)                                             \
        note("open");                                                                                                  \
    return call;

int open(const char *path, int flags, ...)
{
    OPEN(open, path, flags, (NEXT(int (*)(const char *, int, ...), open)(path, flags, mode)))
}

int open64(const char *path, int flags, ...)
{
    OPEN(open64, path, flags, (NEXT(int (*)(const char *, int, ...), open64)(path, flags, mode)))
}

int openat(int folder, const char *path, int flags, ...)
{
    OPEN(openat, path, flags, (NEXT(int (*)(int, const char *, int, ...), openat)(folder, path, flags, mode)))
}

int openat64(int folder, const char *path, int flags, ...)
{
    OPEN(openat64, path, flags, (NEXT(int (*)(int, const char *, int, ...), openat64)(folder, path, flags, mode)))
}
