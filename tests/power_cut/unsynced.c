/* Writes down what a process writes, syncs and renames, so that a power cut can be acted out.

   LD_PRELOAD it, with UNSYNCED_LOG naming a file. A line a call, in the order of the calls:
     W START LENGTH PATH   bytes were written
     T LENGTH PATH         the file was cut or extended to a length
     R OLD NEW             it was renamed (tab between the names)
     S PATH                fsync, fdatasync: its bytes are on the disk
     A                     syncfs, sync: all bytes are on the disk
   S and A are written once the call has returned. sync_file_range is no line: it promises nothing
   about a power cut (neither the disk's cache nor the file system's journal is flushed). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int log_fd(void) {
  static int fd = -2;
  if (fd == -2) {
    const char *path = getenv("UNSYNCED_LOG");
    fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
  }
  return fd;
}

static void note(const char *format, ...) {
  char line[9000];
  va_list values;
  va_start(values, format);
  int n = vsnprintf(line, sizeof line - 1, format, values);
  va_end(values);
  if (log_fd() < 0 || n <= 0 || n >= (int)sizeof line - 1) return;
  line[n++] = '\n';
  static ssize_t (*real)(int, const void *, size_t);
  if (!real) real = REAL(write);
  if (real(log_fd(), line, n) < 0) abort();
}

/* The path of a descriptor of a plain file; 0 for any other. */
static int path_of(int fd, char *path, size_t size) {
  struct stat found;
  char link[64];
  if (fd == log_fd() || fstat(fd, &found) || !S_ISREG(found.st_mode)) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, size - 1);
  if (n <= 0) return 0;
  path[n] = 0;
  return 1;
}

static void wrote(int fd, off_t end, ssize_t n) {
  char path[4096];
  if (n > 0 && path_of(fd, path, sizeof path))
    note("W %lld %lld %s", (long long)(end - n), (long long)n, path);
}

ssize_t write(int fd, const void *data, size_t n) {
  ssize_t done = REAL(write)(fd, data, n);
  if (done > 0) wrote(fd, lseek(fd, 0, SEEK_CUR), done);
  return done;
}

ssize_t writev(int fd, const struct iovec *data, int n) {
  ssize_t done = REAL(writev)(fd, data, n);
  if (done > 0) wrote(fd, lseek(fd, 0, SEEK_CUR), done);
  return done;
}

ssize_t pwrite64(int fd, const void *data, size_t n, off_t start) {
  ssize_t done = REAL(pwrite64)(fd, data, n, start);
  wrote(fd, start + done, done);
  return done;
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t start) {
  return pwrite64(fd, data, n, start);
}

ssize_t sendfile64(int to, int from, off_t *start, size_t n) {
  static ssize_t (*real)(int, int, off_t *, size_t);
  if (!real) real = (ssize_t(*)(int, int, off_t *, size_t))dlsym(RTLD_NEXT, "sendfile64");
  ssize_t done = real(to, from, start, n);
  if (done > 0) wrote(to, lseek(to, 0, SEEK_CUR), done);
  return done;
}

ssize_t sendfile(int to, int from, off_t *start, size_t n) {
  return sendfile64(to, from, start, n);
}

int ftruncate64(int fd, off_t size) {
  char path[4096];
  int result = REAL(ftruncate64)(fd, size);
  if (!result && path_of(fd, path, sizeof path)) note("T %lld %s", (long long)size, path);
  return result;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int rename(const char *old, const char *new) {
  int result = REAL(rename)(old, new);
  if (!result && *old == '/' && *new == '/') note("R %s\t%s", old, new);
  return result;
}

int fsync(int fd) {
  char path[4096];
  int known = path_of(fd, path, sizeof path), result = REAL(fsync)(fd);
  if (!result && known) note("S %s", path);
  return result;
}

int fdatasync(int fd) {
  char path[4096];
  int known = path_of(fd, path, sizeof path), result = REAL(fdatasync)(fd);
  if (!result && known) note("S %s", path);
  return result;
}

int syncfs(int fd) {
  int result = REAL(syncfs)(fd);
  if (!result) note("A");
  return result;
}

void sync(void) {
  REAL(sync)();
  note("A");
}
