#!/usr/bin/perl
# Hosts whose programs use the module (host.c): several states, threads, forks, allocators, memory that runs out; and
# the module under valgrind.
use strict;
use warnings;
use Test::More;
use SeepTest qw(root vms lua_version module_environment execute show_json rows_of scratch spew have_command run_lua);

my $folder = scratch();

my %library = ('lua5.1' => 'lua5.1', 'lua5.2' => 'lua5.2', 'lua5.3' => 'lua5.3', 'lua5.4' => 'lua5.4', luajit => 'luajit');

# The host for a VM, or nothing when its headers and shared library are not there.
sub compile {
    my ($vm) = @_;
    my ($name) = $vm =~ m{([^/]+)$};
    my $library = $library{$name} // return;
    my $flags = execute(['pkg-config', '--cflags', '--libs', $library]);
    return if $flags->{status} != 0;
    chomp(my $words = $flags->{out} =~ s/\n/ /gr);
    my $source = root() . '/test/lua/host.c';
    my $heap = $ENV{ASAN_OPTIONS} ? '' : '-DFAILING_HEAP'; # the sanitizer has a heap of its own
    my $result = execute(['sh', '-c', "gcc -g -O1 $heap -o $folder/host-$name $source $words -lpthread -ldl -lm"]);
    return "$folder/host-$name" if $result->{status} == 0;
    diag $result->{err};
    return;
}

my ($host, $vm);

# An error of Lua's jumps out of our frames, which the sanitizer does not see: what it has marked around their variables
# would stay on the stack. So it keeps variables elsewhere.
sub host_environment {
    my $environment = module_environment($vm);
    return $environment if !$ENV{ASAN_OPTIONS};
    return {%$environment, ASAN_OPTIONS => "$ENV{ASAN_OPTIONS}:detect_stack_use_after_return=1"};
}

sub run_host {
    my ($case, @before) = @_;
    unlink glob "$folder/*.seep";
    my $result = execute([@before, $host, $case], cwd => $folder, env => host_environment(), timeout => 60);
    is($result->{signal}, 0, "$case ends by itself") or diag $result->{err};
    is($result->{status}, 0, 'and well') or diag $result->{out}, $result->{err};
    unlike($result->{out}, qr/^(?:error: |failed: |left )/m, 'without complaints');
    return $result;
}

sub capture {
    my ($name) = @_;
    my ($answer, $show) = show_json("$folder/$name.seep");
    ok($answer, "$name.seep can be read") or diag($show->{err}), return {totals => {}, states => []};
    ok($answer->{complete}, 'and is complete') or diag $answer->{problem};
    is($answer->{totals}{live_bytes}, $answer->{totals}{vm_bytes}, 'live is what the VMs count');
    return $answer;
}

sub test_two {
    my $result = run_host('two');
    is($result->{out}, "two.seep\t3\t2\ntrue\n0 0\n", 'the second state joins');
    my $answer = capture('two');
    is(scalar(@{$answer->{states}}), 2, 'two states');
    is($answer->{totals}{live_bytes}, $result->{err} + 0, 'each with what it held when it stopped');
    ok(!-e "$folder/other.seep", 'no second file');
}

sub test_rejoin {
    my $result = run_host('rejoin');
    is($result->{out}, "true\t7\n", 'a state that comes back is counted once');
    my $answer = capture('rejoin');
    is(scalar(@{$answer->{states}}), 1, 'a new recording when all had left');
    is($answer->{totals}{live_bytes}, $result->{err} + 0, 'with the one state');
}

sub test_close {
    my $result = run_host('close');
    is($result->{out}, "closed\n", 'states closed while they record');
    is(capture('close')->{totals}{live_bytes}, $result->{err} + 0, 'and the last one is there at the end');
}

sub test_fork {
    my $result = run_host('fork');
    is($result->{out}, "nil\talready recording\ntrue\ttrue\nchild 0\n", 'a child records into a file of its own');
    my %bytes = $result->{err} =~ /^(\w+) (\d+)$/mg;
    is(capture('fork')->{totals}{live_bytes}, $bytes{parent}, 'the parent');
    is(capture('child')->{totals}{live_bytes}, $bytes{child}, 'the child, which started again');
}

sub test_replaced {
    my $result = run_host('replaced');
    is($result->{out}, "replaced 0\n", "the program's allocator stays");
    my $answer = show_json("$folder/replaced.seep");
    ok($answer && !$answer->{complete}, 'the capture is incomplete');
    like($answer->{problem}, qr/an allocator of its own/, 'and says why');
    is(capture('again')->{totals}{live_bytes}, $result->{err} + 0, 'and the next one is whole');
}

sub test_lines {
    my ($case, $wanted) = @_;
    is(run_host($case)->{out}, $wanted, $case);
}

sub test_valgrind {
    plan skip_all => 'valgrind is not there' unless have_command('valgrind');
    plan skip_all => 'not with a sanitizer' if $ENV{ASAN_OPTIONS};
    my @valgrind = ('valgrind', '-q', '--error-exitcode=77', '--child-silent-after-fork=yes',
        '--suppressions=' . root() . '/test/valgrind/vms.supp');
    for my $case (qw(two errors)) {
        my $result = run_host($case, @valgrind);
        unlike($result->{err}, qr/^==\d+==/m, 'no bad access') or diag $result->{err};
    }
}

my $heap = join '', map { "$_ failed and went on\n" } qw(show top stats mark since check leak);

for my $one (vms()) {
    $vm = $one;
    subtest $vm => sub {
        plan skip_all => 'given from outside: there is no shared library to link with' if $ENV{INCLUDE};
        $host = compile($vm) or plan skip_all => 'no headers or shared library';
        subtest 'two states' => \&test_two;
        subtest 'leaving and coming back' => \&test_rejoin;
        subtest 'closed while it records' => \&test_close;
        subtest 'many states' => sub { test_lines(many => "many\n") };
        subtest 'threads' => sub { test_lines(threads => "joined\n") };
        subtest 'fork' => \&test_fork;
        subtest 'a kept allocator' => sub { test_lines(kept => "kept 0\n") };
        subtest 'a replaced allocator' => \&test_replaced;
        subtest 'errors' => sub { test_lines(errors => "errors 0\n") };
        subtest 'no memory in the VM' => sub { test_lines(failing => "survived\n") };
        subtest 'no memory in C' => sub {
            plan skip_all => 'the sanitizer has a heap of its own' if $ENV{ASAN_OPTIONS};
            test_lines(heap => "${heap}stopped\n");
        };
        subtest 'valgrind' => \&test_valgrind;
    };
}

done_testing();
