#!/usr/bin/env perl
# seepline snapshot: the heap of processes that know nothing of it (idle, busy, stopped, with threads), of core files, and
# what it says when there is nothing to take. The processes are the test's own and end by themselves.

use strict;
use warnings;
use Test::More;
use FindBin;
use JSON::PP qw(decode_json);
use POSIX qw(:sys_wait_h);
use lib "$FindBin::Bin/../lib";
use SeepTest qw(root vms execute seepline seepline_path scratch slurp spew have_command);

my $victim = root() . '/test/heap/victim.lua';
my $folder = scratch();
my @started;
my %pipes;   # kept open for as long as the program runs
my $files = 0;

END { my $status = $?; kill KILL => @started if @started; waitpid $_, 0 for @started; $? = $status }

# Starts a program; returns its id and a handle on what it prints, after it has printed a line. undef: it has not.
sub start {
    my @words = @_;
    pipe(my $from_program, my $to_us) or die;
    pipe(my $to_program, my $from_us) or die;
    my $pid = fork() // die;
    if ($pid == 0) {
        open STDIN, '<&', $to_program or POSIX::_exit(1);
        open STDOUT, '>&', $to_us or POSIX::_exit(1);
        close $_ for $from_program, $from_us, $to_us, $to_program;
        alarm 120;
        exec { $words[0] } @words or POSIX::_exit(127);
    }
    push @started, $pid;
    close $_ for $to_us, $to_program;
    my $line = <$from_program>;
    $pipes{$pid} = [$from_program, $from_us];
    return defined $line ? ($pid, $from_program) : ();
}

sub stop {
    my ($pid) = @_;
    kill KILL => $pid;
    waitpid $pid, 0;
    @started = grep { $_ != $pid } @started;
    delete $pipes{$pid};
    return;
}

sub state_of {
    my ($pid) = @_;
    return slurp("/proc/$pid/status") =~ /^State:\s+(\S)/m ? $1 : '';
}

# Takes a snapshot; returns (answer, file), and fails the test when there is none.
sub snapshot {
    my ($what, $name) = @_;
    my $file = "$folder/heap" . $files++ . '.seep';
    my $result = seepline('snapshot', $what, '-o', $file, '--json');
    is($result->{status}, 0, "$name: it is taken") or diag($result->{err});
    return $result->{status} == 0 ? (decode_json($result->{out}), $file, $result->{err}) : ();
}

sub path_is_found {
    my ($file, $path, $name) = @_;
    my $result = seepline('path', $file, $path);
    is($result->{status}, 0, "$name: $path is found") or diag($result->{err});
    return $result->{out};
}

# A program at work can be stopped in the middle of an operation in which not all of its objects are in their lists (while a
# string table is moved, say). The answer then says that something is in flight, and a path may be missing.
sub is_whole { my ($file) = @_; return slurp_text($file) !~ /in flight/ }

sub check_heap {
    my ($answer, $file, $name) = @_;
    is($answer->{graph_bytes}, $answer->{state_bytes}, "$name: it adds up to the VM's count");
    return if !is_whole($file);
    cmp_ok($answer->{objects}, '>', 4000, "$name: its objects are there");
    path_is_found($file, '_G.app.cache.entries', $name);
    path_is_found($file, '_G.app.cache.entries[77].value', $name);
    return;
}

sub test_idle {
    my ($vm) = @_;
    my ($pid) = start($vm, $victim, 2000, 'idle') or return fail('the program starts');
    my ($answer, $file, $messages) = snapshot($pid, 'idle') or return;
    check_heap($answer, $file, 'idle');
    is($messages, '', 'nothing is missed');
    unlike(slurp_text($file), qr/in flight/, 'nothing is in flight');
    cmp_ok($answer->{pause_ms}, '>', 0, 'it says how long the program stood');
    path_is_found($file, '_G.app.co', 'idle');
    like(path_of_string($file, 'planted_in_coroutine'), qr/held_by_local/, "a coroutine's local variable has its name");
    like(path_of_string($file, 'planted_in_upvalue'), qr/hidden/, 'an upvalue has its name');
    like(state_of($pid), qr/[SR]/, 'the program goes on');
    stop($pid);
    return;
}

# What `heap` prints.
sub slurp_text {
    my ($file) = @_;
    return seepline('heap', $file)->{out};
}

sub path_of_string {
    my ($file, $text) = @_;
    return seepline('path', $file, $text)->{out};
}

sub test_busy {
    my ($vm) = @_;
    my ($pid, $output) = start($vm, $victim, 2000, 'busy') or return fail('the program starts');
    for my $round (1 .. 3) {
        my ($answer, $file) = snapshot($pid, "busy, round $round") or last;
        check_heap($answer, $file, "busy, round $round");
        ok(defined scalar <$output>, 'the program goes on');
    }
    stop($pid);
    return;
}

# A snapshot that is killed anywhere leaves the program running.
sub test_killed {
    my ($vm) = @_;
    my ($pid, $output) = start($vm, $victim, 2000, 'busy') or return fail('the program starts');
    for my $round (1 .. 15) {
        my $child = fork() // die;
        if ($child == 0) {
            open STDOUT, '>', '/dev/null';
            open STDERR, '>', '/dev/null';
            exec seepline_path(), 'snapshot', $pid, '-o', "$folder/killed.seep";
        }
        select undef, undef, undef, 0.004 * $round;
        kill KILL => $child;
        waitpid $child, 0;
        ok(defined scalar <$output>, "killed, round $round: the program goes on") or last;
    }
    stop($pid);
    return;
}

sub test_stopped {
    my ($vm) = @_;
    my ($pid, $output) = start($vm, $victim, 2000, 'busy') or return fail('the program starts');
    kill STOP => $pid;
    waitpid $pid, WUNTRACED;
    my ($answer, $file) = snapshot($pid, 'stopped') or return stop($pid);
    check_heap($answer, $file, 'stopped');
    is(state_of($pid), 'T', 'a program that somebody has stopped stays stopped');
    kill CONT => $pid;
    ok(defined scalar <$output>, 'and goes on when it is told to');
    stop($pid);
    return;
}

sub test_core {
    my ($vm) = @_;
    my $core_folder = "$folder/core" . $files++;
    mkdir $core_folder or die;
    my $result = execute(['sh', '-c', 'ulimit -c unlimited && exec "$@"', 'sh', $vm, $victim, 2000, 'abort'], cwd => $core_folder);
    my ($core) = glob("$core_folder/core*");
    return plan skip_all => 'no core file was left (kernel.core_pattern is ' . slurp('/proc/sys/kernel/core_pattern') =~ s/\n//r . ')'
        if !$core;
    my ($answer, $file, $messages) = snapshot($core, 'core') or return;
    check_heap($answer, $file, 'core');
    ok(!$answer->{pause_ms}, 'nothing stood still');
    like(slurp_text($file), qr/from a core file/, 'it says where it is from');
    cut_cores($core);
    return;
}

# Cores that end early or have other bytes in them: an answer or a line, never a signal.
sub cut_cores {
    my ($core) = @_;
    my $whole = slurp($core);
    my $size = length $whole;
    for my $end (0, 3, 63, 64, 200, 4096, int($size / 3), int($size / 2), $size - 5000) {
        my $cut = spew("$folder/cut.core", substr $whole, 0, $end);
        my $result = seepline('snapshot', $cut, '-o', "$folder/cut.seep");
        ok($result->{signal} == 0 && $result->{status} <= 1, "a core of which $end bytes are left")
            or diag("$result->{signal} $result->{err}");
        like($result->{err}, qr/^seepline snapshot: .*\n\z/s, 'and a line that says so') if $result->{status} == 1;
    }
    srand 7;
    for my $round (1 .. 12) {
        my $damaged = $whole;
        substr($damaged, int(rand($round % 2 ? 8192 : $size)), 1) = chr(int(rand(256))) for 1 .. 400;
        my $result = seepline('snapshot', spew("$folder/damaged.core", $damaged), '-o', "$folder/damaged.seep");
        ok($result->{signal} == 0 && $result->{status} <= 1 && !$result->{timed_out}, "a damaged core, round $round")
            or diag("$result->{signal} $result->{err}");
    }
    return;
}

for my $vm (vms()) {
    subtest "$vm, idle"    => sub { test_idle($vm) };
    subtest "$vm, busy"    => sub { test_busy($vm) };
    subtest "$vm, stopped" => sub { test_stopped($vm) };
    subtest "$vm, core"    => sub { test_core($vm) };
}
# A static, stripped host with a state on each of two threads.
sub test_host {
    my ($library) = @_;
    my ($flags, $archive) = map { execute(['pkg-config', @$_, $library])->{out} =~ s/\s+$//r } ['--cflags'], ['--variable=libdir'];
    my ($file) = grep { -e } map { "$archive/lib$_.a" } $library eq 'luajit' ? 'luajit-5.1' : $library;
    return plan skip_all => "no static $library" if !$file;
    my $host = "$folder/host-$library";
    my $built = execute(['sh', '-c', "gcc -O1 -static -s -o $host $flags " . root() . "/test/heap/host.c $file -lm -ldl -lpthread"]);
    return plan skip_all => 'it does not link statically' if $built->{status} != 0;
    my ($pid) = start($host) or return fail('the host starts');
    for my $round (1 .. 3) {
        my ($answer, $file) = snapshot($pid, "round $round") or last;
        is($answer->{graph_bytes}, $answer->{state_bytes}, 'both states add up');
        my $report = slurp_text($file);
        like($report, qr/== state $_/, "state $_ is told of") for 1, 2;
        next if !is_whole($file);
        path_is_found($file, "_G.app.state_$_", "round $round") for 1, 2;
    }
    like(state_of($pid), qr/[SR]/, 'the host goes on');
    my @stopped = grep { slurp($_) =~ /^State:\s+[tT]/m } glob "/proc/$pid/task/*/status";
    is_deeply(\@stopped, [], 'on every thread');
    stop($pid);
    return;
}
if (!$ENV{LUA}) {
    for my $library (qw(lua5.1 lua5.2 lua5.3 lua5.4 luajit)) {
        subtest "two states in a static host, $library" => sub { test_host($library) };
    }
}

subtest 'a snapshot that is killed' => sub { test_killed((vms())[0]) };

# -- What there is to say when there is nothing to take --------------------------------------

sub is_refused {
    my ($words, $pattern, $name, $status) = @_;
    my $result = seepline('snapshot', @$words);
    is($result->{status}, $status // 1, "$name: the status");
    like($result->{err}, $pattern, "$name: the message");
    is(scalar(() = $result->{err} =~ /\n/g), 1, "$name: one line");
    return;
}

{
    my $gone = fork() // die;
    POSIX::_exit(0) if $gone == 0;
    waitpid $gone, 0;
    is_refused([$gone], qr/there is no process $gone/, 'a process that has ended');
    my ($pid) = start('sh', '-c', 'echo ready; exec sleep 60');
    is_refused([$pid], qr/no Lua in it \(.* were searched for states of Lua 5\.1/, 'a process without Lua');
    stop($pid);
    is_refused(["$folder/none"], qr/No such file/, 'a file that is not there');
    is_refused([$0], qr/no core file/, 'a file that is no core');
    is_refused([$folder], qr/no core file/, 'a folder');
    is_refused([], qr/one process or one core file/, 'nothing', 2);
    is_refused([1, 2], qr/one process or one core file/, 'two things', 2);
    is_refused(['-n', 'x', 1], qr/-n takes a number/, 'a wrong number', 2);
}

SKIP: {
    skip 'needs root, to become somebody else', 3 if $> != 0;
    my ($pid) = start((vms())[0], $victim, 10, 'idle');
    my $result = execute(['setpriv', '--reuid=65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all', seepline_path(),
                          'snapshot', $pid, '-o', '/dev/null']);
    skip 'the command cannot be run by somebody else here', 3 if $result->{status} == 127 || $result->{err} =~ /Permission denied\n\z/ && $result->{err} !~ /^seepline/;
    is($result->{status}, 1, "another user's process: the status");
    like($result->{err}, qr/belongs to root: run seepline as that user, or as root/, "another user's process: the message");
    like(state_of($pid), qr/[SR]/, 'and it goes on');
    stop($pid);
}

# Programs that end while they are looked at.
for my $round (1 .. 10) {
    my ($pid) = start((vms())[0], $victim, 5000, 'busy');
    my $killer = fork() // die;
    if ($killer == 0) {
        select undef, undef, undef, 0.003 * $round;
        kill KILL => $pid;
        POSIX::_exit(0);
    }
    my $result = seepline('snapshot', $pid, '-o', "$folder/ending.seep");
    ok($result->{signal} == 0 && $result->{status} <= 1 && !$result->{timed_out}, "a program that ends meanwhile, round $round")
        or diag($result->{err});
    waitpid $killer, 0;
    stop($pid);
}

done_testing();
