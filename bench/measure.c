/* measure: what one run of a command cost.
 *
 * Mental model: fork, exec the command, wait4 for it, and print one line of what the kernel counted. The figures
 * are those of the waited-for process together with all children that it waited for itself, so a
 * `seepline run` that forks the interpreter and waits for it is counted whole. The resident size is that of the
 * largest single process among them, not a sum.
 *
 * This is C and not a few lines of Perl because the kernel counts the image from before exec in the resident peak:
 * forked from a big interpreter, every command would look at least as big as that.
 *
 * Usage:   measure [-o STDOUT_FILE] [-e STDERR_FILE] [--] COMMAND [ARGUMENTS…]
 * Prints:  cpu_seconds wall_seconds max_rss_kib status
 * The command's stdout goes to /dev/null unless -o names a file; its stderr is ours unless -e names a file.
 * The status is the command's exit status, or 128 + N if signal N ended it, as a shell has it. measure itself ends
 * with 0 when it could measure, whatever the command's status was; 2 for wrong usage, 1 for any other failure, 127
 * when the command could not be started.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct request {
    int stdout_file;
    int stderr_file;
    char **command;
};

struct result {
    double cpu_seconds;
    double wall_seconds;
    long max_rss_kib;
    int status;
};

static void usage(void)
{
    fputs("usage: measure [-o STDOUT_FILE] [-e STDERR_FILE] [--] COMMAND [ARGUMENTS...]\n", stderr);
    exit(2);
}

static void fail(const char *what, int error)
{
    fprintf(stderr, "measure: %s: %s\n", what, strerror(error));
    exit(1);
}

static int open_output(const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (file < 0)
        fail(path, errno);
    return file;
}

static struct request parse_arguments(int argc, char **argv)
{
    const char *stdout_path = "/dev/null", *stderr_path = NULL;
    struct request request;
    int option;

    /* "+": stop at the command, whose own options are not ours. */
    while ((option = getopt(argc, argv, "+o:e:")) != -1) {
        if (option == 'o')
            stdout_path = optarg;
        else if (option == 'e')
            stderr_path = optarg;
        else
            usage();
    }
    if (optind >= argc)
        usage();
    request.stdout_file = open_output(stdout_path);
    request.stderr_file = stderr_path ? open_output(stderr_path) : STDERR_FILENO;
    request.command = argv + optind;
    return request;
}

/* In the child. A failure goes to the parent as an errno through `report`, which exec closes when all went well. */
static void become_command(const struct request *request, int report)
{
    int error;

    if (dup2(request->stderr_file, STDERR_FILENO) >= 0 && dup2(request->stdout_file, STDOUT_FILENO) >= 0)
        execvp(request->command[0], request->command);
    error = errno;
    _exit(write(report, &error, sizeof error) == (ssize_t)sizeof error ? 127 : 126);
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double now_seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Blocks until exec has closed the pipe (0) or the child has written why it could not start (its errno). */
static int start_error(int report)
{
    int error = 0;
    ssize_t got;

    do
        got = read(report, &error, sizeof error);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof error ? error : 0;
}

static struct result wait_for(pid_t child, double start_seconds)
{
    struct rusage usage;
    struct result result;
    int status;

    while (wait4(child, &status, 0, &usage) < 0)
        if (errno != EINTR)
            fail("wait4", errno);
    result.wall_seconds = now_seconds() - start_seconds;
    result.cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    result.max_rss_kib = usage.ru_maxrss;
    result.status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return result;
}

static struct result measure(const struct request *request)
{
    int report[2], error;
    double start_seconds;
    struct result result;
    pid_t child;

    if (pipe2(report, O_CLOEXEC) < 0)
        fail("pipe", errno);
    start_seconds = now_seconds();
    child = fork();
    if (child < 0)
        fail("fork", errno);
    if (child == 0)
        become_command(request, report[1]);
    close(report[1]);
    error = start_error(report[0]);
    result = wait_for(child, start_seconds);
    if (error) {
        fprintf(stderr, "measure: cannot run %s: %s\n", request->command[0], strerror(error));
        exit(127);
    }
    return result;
}

int main(int argc, char **argv)
{
    struct request request = parse_arguments(argc, argv);
    struct result result = measure(&request);

    printf("%.6f %.6f %ld %d\n", result.cpu_seconds, result.wall_seconds, result.max_rss_kib, result.status);
    return 0;
}
