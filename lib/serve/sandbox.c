/* SPDX-License-Identifier: MIT
 *
 * What a server gives up before it reads its first request, so that a mistake in it is worth little to whoever finds it: files that it has no
 * business with (Landlock, landlock(7)), and system calls that it never makes (seccomp, seccomp(2)). By plain system calls, since what is
 * needed of libseccomp is a list.
 *
 * A call that is not in the list ends the process: a server that starts programs is no server of ours any more. Calls newer than this list
 * answer ENOSYS, so that a newer C library falls back on those it used before; so does clone3, whose flags a filter cannot see.
 */
#include <rec/serve.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Landlock ---- */

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

enum {
    FILE_READ = LANDLOCK_ACCESS_FS_READ_FILE,
    FILE_WRITE = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE,
    DIR_READ = LANDLOCK_ACCESS_FS_READ_DIR,
    DIR_WRITE = LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG
};

/* All that this version of Landlock knows: what is handled and not granted is refused. */
static uint64_t handled(long version)
{
    uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

    all |= version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
    all |= version >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0;
    return all;
}

static int grant(int rules, const struct rec_sandbox_path *path, uint64_t known, struct rec_err *err)
{
    struct landlock_path_beneath_attr rule = {.parent_fd = open(path->path, O_PATH | O_CLOEXEC)};
    struct stat st;
    long done;

    if (rule.parent_fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : rec_err_errno(err, "%s", path->path);
    rule.allowed_access = FILE_READ | (path->write ? FILE_WRITE : 0);
    if (fstat(rule.parent_fd, &st) == 0 && S_ISDIR(st.st_mode))
        rule.allowed_access |= DIR_READ | (path->write ? DIR_WRITE : 0);
    rule.allowed_access &= known;
    done = syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    if (done < 0)
        rec_err_errno(err, "%s: landlock", path->path);
    close(rule.parent_fd);
    return done < 0 ? -1 : 0;
}

static int restrict_files(unsigned *entered, const struct rec_sandbox_path *paths, size_t n, struct rec_err *err)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct landlock_ruleset_attr attr = {.handled_access_fs = handled(version)};
    int rules, status = 0;

    if (version < 1) /* a kernel without it, or with it switched off */
        return 0;
    rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (rules < 0)
        return rec_err_errno(err, "landlock");
    for (size_t i = 0; i < n && status == 0; i++)
        status = paths[i].path ? grant(rules, &paths[i], attr.handled_access_fs, err) : 0;
    if (status == 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
        status = rec_err_errno(err, "landlock");
    close(rules);
    if (status == 0)
        *entered |= REC_SANDBOX_FILES;
    return status;
}

/* ---- seccomp ---- */

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

/* Calls that a machine may lack under this name, for those before it have a newer form. */
#define OLD(X) X(open) X(stat) X(lstat) X(access) X(readlink) X(rename) X(unlink) X(mkdir) X(poll) X(select) X(epoll_wait) X(pipe) X(dup2) \
    X(time) X(getrlimit) X(arch_prctl)
#define CALLS(X) \
    X(read) X(write) X(readv) X(writev) X(pread64) X(pwrite64) X(preadv) X(pwritev) X(openat) X(close) X(close_range) X(lseek) \
    X(fstat) X(newfstatat) X(statx) X(statfs) X(fstatfs) X(faccessat) X(faccessat2) X(readlinkat) X(getdents64) X(getcwd) \
    X(fcntl) X(flock) X(fsync) X(fdatasync) X(ftruncate) X(fallocate) X(renameat) X(renameat2) X(unlinkat) X(mkdirat) X(fchmod) X(fchown) \
    X(umask) X(fadvise64) X(sendfile) X(dup) X(dup3) X(ioctl) \
    X(mmap) X(munmap) X(mremap) X(mprotect) X(madvise) X(msync) X(brk) X(mlock) X(munlock) X(membarrier) \
    X(socket) X(socketpair) X(connect) X(bind) X(getsockname) X(getpeername) X(setsockopt) X(getsockopt) X(sendto) X(recvfrom) \
    X(sendmsg) X(recvmsg) X(sendmmsg) X(recvmmsg) X(shutdown) X(accept) X(accept4) \
    X(pipe2) X(eventfd2) X(epoll_create1) X(epoll_ctl) X(epoll_pwait) X(epoll_pwait2) X(ppoll) X(pselect6) \
    X(timerfd_create) X(timerfd_settime) X(timerfd_gettime) \
    X(clock_gettime) X(clock_getres) X(clock_nanosleep) X(nanosleep) X(gettimeofday) X(getrandom) X(times) \
    X(futex) X(set_robust_list) X(get_robust_list) X(rseq) X(set_tid_address) X(sched_yield) X(sched_getaffinity) X(getcpu) \
    X(rt_sigaction) X(rt_sigprocmask) X(rt_sigreturn) X(rt_sigtimedwait) X(rt_sigpending) X(sigaltstack) X(restart_syscall) \
    X(getpid) X(gettid) X(getppid) X(getuid) X(geteuid) X(getgid) X(getegid) X(getgroups) X(getresuid) X(getresgid) X(tgkill) \
    X(exit) X(exit_group) X(uname) X(sysinfo) X(prlimit64) X(getrusage) X(prctl)

#define NUMBER(call) SYS_##call,
static const int allowed[] = {
    CALLS(NUMBER)
#ifdef __x86_64__
    OLD(NUMBER)
#endif
};

enum { NEWEST_KNOWN = 449 /* futex_waitv */ };

#define LOAD(field) (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(field))
#define ANSWER(what) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, (what))
#define UNLESS(test, value) (struct sock_filter) BPF_JUMP(BPF_JMP | (test) | BPF_K, (uint32_t)(value), 0, 1) /* ... skip one */

#ifdef ARCH
static size_t make_filter(struct sock_filter *f)
{
    size_t n = 0;

    f[n++] = LOAD(offsetof(struct seccomp_data, arch));
    f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    f[n++] = ANSWER(SECCOMP_RET_KILL_PROCESS);
    f[n++] = LOAD(offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < REC_LENGTH(allowed); i++) {
        f[n++] = UNLESS(BPF_JEQ, allowed[i]);
        f[n++] = ANSWER(SECCOMP_RET_ALLOW);
    }
    f[n++] = UNLESS(BPF_JEQ, SYS_clone3);
    f[n++] = ANSWER(SECCOMP_RET_ERRNO | ENOSYS);
    /* x32 calls have bit 30 set: not newer ones, but another way to the same. */
    f[n++] = UNLESS(BPF_JGE, 0x40000000);
    f[n++] = ANSWER(SECCOMP_RET_KILL_PROCESS);
    f[n++] = UNLESS(BPF_JGT, NEWEST_KNOWN);
    f[n++] = ANSWER(SECCOMP_RET_ERRNO | ENOSYS);
    /* Threads, and no processes. */
    f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0);
    f[n++] = ANSWER(SECCOMP_RET_KILL_PROCESS);
    f[n++] = LOAD(offsetof(struct seccomp_data, args[0])); /* little-endian: the low half */
    f[n++] = UNLESS(BPF_JSET, CLONE_THREAD);
    f[n++] = ANSWER(SECCOMP_RET_ALLOW);
    f[n++] = ANSWER(SECCOMP_RET_KILL_PROCESS);
    return n;
}

static int restrict_calls(unsigned *entered, struct rec_err *err)
{
    struct sock_filter filter[2 * REC_LENGTH(allowed) + 24];
    struct sock_fprog program = {.len = (unsigned short)make_filter(filter), .filter = filter};

    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0) {
        *entered |= REC_SANDBOX_CALLS;
        return 0;
    }
    return errno == ENOSYS || errno == EINVAL ? 0 : rec_err_errno(err, "seccomp");
}
#else
static int restrict_calls(unsigned *entered, struct rec_err *err)
{
    (void)entered, (void)err;
    return 0;
}
#endif

/* ---- both ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* The run-time of a sanitizer needs what is taken away here. */
enum { POSSIBLE = 0 };
#else
enum { POSSIBLE = 1 };
#endif

int rec_sandbox_enter(unsigned *entered, const struct rec_sandbox_path *paths, size_t n, struct rec_err *err)
{
    *entered = 0;
    if (!POSSIBLE)
        return 0;
    /* Both are for processes that can gain no privileges any more. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return rec_err_errno(err, "no_new_privs");
    return restrict_files(entered, paths, n, err) < 0 || restrict_calls(entered, err) < 0 ? -1 : 0;
}
