/* A wall clock that tests set: preloaded into the tools (ld.so(8), LD_PRELOAD). $FWB_TEST_CLOCK names a file with
 * "+SECONDS" or "-SECONDS", to be added to the real time, or "=SECONDS", at which the clock stands still. The file is
 * read each time, so that the clock can jump while a tool runs. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *now) {
  int result = syscall(SYS_clock_gettime, id, now);
  const char *path = getenv("FWB_TEST_CLOCK");
  char text[32];
  ssize_t length;
  int file;
  if (result != 0 || path == NULL || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) return result;
  file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return result;
  length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 1) return result;
  text[length] = '\0';
  if (text[0] == '=') {
    now->tv_sec = atoll(text + 1);
    now->tv_nsec = 0;
  } else {
    now->tv_sec += atoll(text);
  }
  return 0;
}
