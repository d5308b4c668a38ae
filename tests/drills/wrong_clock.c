/* LD_PRELOAD: the wall clock is off by the seconds that the file WRONG_CLOCK holds, seven digits and
 * a line's end, written in place. Monotonic clocks are right, and nobody waits longer for it: a
 * moment to wait until, reckoned by this clock, is handed on as the kernel's. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define DIGITS 8
/* Moments of monotonic clocks are far below: as many seconds since boot are thirty years. */
#define WALL_S 1000000000

static const char *off = "0000000\n";

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("WRONG_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *text = mmap(NULL, DIGITS, PROT_READ, MAP_SHARED, file, 0);
    if (text != MAP_FAILED)
        off = text;
    close(file);
}

static time_t off_s(void) {
    time_t seconds = 0;
    for (int i = 0; i < DIGITS - 1; i++)
        seconds = 10 * seconds + (off[i] - '0');
    return seconds;
}

int clock_gettime(clockid_t which, struct timespec *now) {
    int status = syscall(SYS_clock_gettime, which, now);
    if (status == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        now->tv_sec += off_s();
    return status;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int status = syscall(SYS_gettimeofday, now, zone);
    if (status == 0)
        now->tv_sec += off_s();
    return status;
}

time_t time(time_t *kept) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (kept)
        *kept = now.tv_sec;
    return now.tv_sec;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
    static int (*real)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    struct timespec moment = *until;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    if (moment.tv_sec > WALL_S)
        moment.tv_sec -= off_s();
    return real(condition, mutex, &moment);
}
