#!/usr/bin/perl
# What hosts do, and what can go wrong under a recording: full disks, no memory,
# forks, threads, allocators that fail, states resumed from C. The program must
# not notice, and the capture must be true or say that it is not.
use strict;
use warnings;
use Test::More;
use SeepTest qw(root seepline_path vms execute seepline record show_json scratch slurp spew have_command captures_at);

use constant TIMEOUT_S => 60;

my $folder = scratch();
my $captures = 0;

sub sum {
    my ($key, @rows) = @_;
    my $sum = 0;
    $sum += $_->{$key} // 0 for @rows;
    return $sum;
}

sub check_sums {
    my ($name, $answer) = @_;
    my @rows = @{$answer->{sites}};
    is(sum($_, @rows), $answer->{totals}{$_}, "$name: the rows' $_ add up") for qw(live_bytes live_count alloc_bytes freed_bytes growth_bytes);
    my @wrong = grep {
        $_->{alloc_bytes} - $_->{freed_bytes} != $_->{live_bytes} || $_->{live_bytes} < 0
            || defined $_->{live_count} && ($_->{alloc_count} - $_->{freed_count} != $_->{live_count} || $_->{live_count} < 0)
    } @rows;
    is(scalar @wrong, 0, "$name: allocated - freed = live in every row") or diag(explain($wrong[0]));
}

# -- Hosts ---------------------------------------------------------------------------------------------------------

my $source = root() . '/test/cli/host.c';

sub flags {
    my ($library, $what) = @_;
    my $result = execute(['pkg-config', "--$what", $library]);
    chomp $result->{out};
    return $result->{status} == 0 ? $result->{out} : undef;
}

# Compiles; returns the program's path, or nothing after a skip.
sub compile {
    my ($name, $input, @words) = @_;
    my $result = execute(['sh', '-c', "gcc -g -O1 -o $folder/$name $input @words -lpthread -ldl -lm"]);
    return "$folder/$name" if $result->{status} == 0;
    diag($result->{err});
    return;
}

# The bytes that each process said its states hold: {pid => bytes}.
sub told {
    my ($text) = @_;
    return map { /^(\d+) (\d+)$/ ? ($1 => $2) : () } split /\n/, $text;
}

# The same with samples: what the program does, and that every process is there.
sub check_host_sampled {
    my ($plain, @words) = @_;
    my $base = "$folder/sampled" . $captures++;
    my $result = execute([seepline_path(), 'run', '--no-summary', '--mode', 'sample', '--interval', '1k', '-o', "$base.seep", @words], timeout => TIMEOUT_S);
    is($result->{signal}, 0, 'sampled: it ends by itself');
    is($result->{status}, $plain->{status}, 'sampled: status');
    is($result->{out}, $plain->{out}, 'sampled: stdout');
    my %truth = told($result->{err});
    for my $capture (captures_at("$base*.seep")) {
        my ($answer, $show) = show_json($capture);
        ok($answer, 'sampled: the capture can be read') or diag($show->{err}), next;
        check_sampled_sums($answer);
        my $bytes = delete $truth{$answer->{pid}};
        next if !defined $bytes || !$answer->{complete};
        is($answer->{totals}{vm_bytes}, $bytes, 'sampled: the VM\'s count is known');
    }
    is(scalar keys %truth, 0, 'sampled: every process has a capture');
}

sub check_sampled_sums {
    my ($answer) = @_;
    for my $key (qw(live_bytes live_count alloc_bytes freed_bytes)) {
        is(sum($key, @{$answer->{sites}}), $answer->{totals}{$key}, "sampled: the rows' $key add up");
    }
    is(scalar(grep { $_->{live_bytes} < 0 || $_->{live_count} < 0 } @{$answer->{sites}}), 0, 'sampled: nothing is negative');
}

sub check_host {
    my ($host, @words) = @_;
    my $plain = execute([$host, @words], timeout => TIMEOUT_S);
    return plan skip_all => 'this VM does not survive that by itself' if $plain->{signal};
    my $base = "$folder/host" . $captures++;
    check_host_sampled($plain, $host, @words);
    my $result = execute([seepline_path(), 'run', '--no-summary', '-o', "$base.seep", $host, @words], timeout => TIMEOUT_S);
    is($result->{signal}, 0, 'it ends by itself');
    is($result->{status}, $plain->{status}, 'status');
    is($result->{out}, $plain->{out}, 'stdout');
    my %truth = told($result->{err});
    is(scalar(keys %truth), scalar(keys %{{told($plain->{err})}}), 'every process comes to its end');
    my %seen;
    for my $capture (captures_at("$base*.seep")) {
        my ($answer, $show) = show_json($capture);
        ok($answer, 'the capture can be read') or diag($show->{err}), next;
        my $pid = $answer->{pid};
        $seen{$pid} = 1;
        check_sums("process $pid", $answer);
        if (!$answer->{complete}) {
            ok(length($answer->{problem} // ''), 'an incomplete capture says why');
            ok($words[0] eq 'allocator' || !exists $truth{$pid}, 'and there is a reason') or diag($answer->{problem} // 'not sealed');
            next;
        }
        is($answer->{totals}{live_bytes}, $answer->{totals}{vm_bytes}, 'live is the VM\'s own count');
        is($answer->{totals}{live_bytes}, $truth{$pid}, 'and what the program counts') if exists $truth{$pid};
    }
    is(scalar(grep { !$seen{$_} } keys %truth), 0, 'every process has a capture');
}

my @cases = qw(states together threads thread-states wandering fork fork-twice fork-busy fork-exit vfork
    failing failing-births allocator around outside no-files quick-exit main-ends resumes nested-resumes);

sub test_library {
    my ($library) = @_;
    my ($cflags, $libs) = (flags($library, 'cflags'), flags($library, 'libs'));
    return plan skip_all => "no $library to compile against" if !defined $cflags;
    my $host = compile("host-$library", $source, $cflags, $libs) or return plan skip_all => 'it does not compile';
    for my $case (@cases) {
        subtest "$case" => sub { check_host($host, $case) };
    }
}

# A host that opens a plugin which brings its Lua along, RTLD_LOCAL.
sub test_plugin {
    my ($library) = @_;
    my ($cflags, $libs) = (flags($library, 'cflags'), flags($library, 'libs'));
    return plan skip_all => "no $library to compile against" if !defined $cflags;
    my $loader = spew("$folder/loader.c", <<'C');
#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char **argv) {
  void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (plugin == NULL) { puts(dlerror()); return 1; }
  int (*entry)(int, char **) = (int (*)(int, char **))dlsym(plugin, "host_main");
  return entry(argc - 1, argv + 1);
}
C
    my $plugin = compile("plugin-$library.so", $source, '-shared -fPIC -Dmain=host_main', $cflags, $libs)
        or return plan skip_all => 'it does not compile';
    my $host = compile('loader', $loader) or return plan skip_all => 'it does not compile';
    for my $case (qw(states together fork resumes allocator)) {
        subtest "$case" => sub { check_host_words([$host, $plugin], $case) };
    }
}

sub check_host_words {
    my ($words, $case) = @_;
    my $wrapper = spew("$folder/wrapper", "#!/bin/sh\nexec @$words \"\$@\"\n");
    chmod 0755, $wrapper;
    check_host($wrapper, $case);
}

# Lua inside the program: with its symbols for all to see, as interpreters have
# them, and without.
sub test_inside {
    my ($library) = @_;
    my $cflags = flags($library, 'cflags');
    return plan skip_all => "no $library to compile against" if !defined $cflags;
    my ($archive) = grep { -e } map { glob("$_/lib$library.a"), glob("$_/lib$library-5.1.a") } '/usr/lib/*', '/usr/lib', '/usr/local/lib';
    return plan skip_all => "no static $library" if !$archive;
    my $host = compile("inside-$library", $source, '-rdynamic', $cflags, $archive) or return plan skip_all => 'it does not compile';
    # A LuaJIT inside a program with an allocator of its own is not found, which is told.
    for my $case (qw(states together threads fork), $library =~ /jit/ ? () : 'allocator') {
        subtest "$case" => sub { check_host($host, $case) };
    }
    subtest 'without symbols' => sub {
        my $hidden = compile("hidden-$library", $source, $cflags, $archive);
        my $plain = execute([$hidden, 'fork']);
        my $result = seepline('run', '--no-summary', '-o', "$folder/hidden.seep", $hidden, 'fork', { timeout => TIMEOUT_S });
        is($result->{out}, $plain->{out}, 'it runs as always');
        is($result->{status}, 125, 'but was not recorded');
        like($result->{err}, qr/not(hing was)? recorded/, 'and it is said');
    };
}

SKIP: {
    skip 'no gcc', 1 if !have_command('gcc');
    skip 'no pkg-config', 1 if !have_command('pkg-config');
    for my $library (qw(lua5.1 lua5.2 lua5.3 lua5.4 luajit)) {
        subtest "$library as a shared library" => sub { test_library($library) };
        subtest "$library in a plugin" => sub { test_plugin($library) };
        subtest "$library inside the program" => sub { test_inside($library) };
    }
}

# -- No room -------------------------------------------------------------------------------------------------------

# Makes many sites, so that the capture must grow; prints a sum.
my $growing = spew("$folder/growing.lua", <<'LUA');
local load = loadstring or load
local kept, sum = {}, 0
for i = 1, 3000 do
  local f = load("local t = { {}, ... } return t", "=chunk" .. i)
  kept[i] = f(i)
  sum = sum + #kept[i]
end
for i = 1, 3000, 2 do kept[i] = nil end
collectgarbage()
io.stderr:write("on stderr\n")
print(sum)
os.exit(6)
LUA

sub check_full {
    my ($vm, $name, $words, $capture) = @_;
    my $plain = execute([$vm, $growing]);
    my $result = execute([@$words, $vm, $growing], timeout => TIMEOUT_S);
    is($result->{out}, $plain->{out}, "$name: stdout");
    is($result->{status}, 6, "$name: status");
    is($result->{signal}, 0, "$name: no signal");
    my ($answer, $show) = show_json($capture);
    ok($answer, "$name: the capture can be read") or return diag($show->{err});
    ok(!$answer->{complete}, "$name: and is marked incomplete");
    like($answer->{problem}, qr/grow|room|space|large|full/, "$name: with the reason");
    check_sums($name, $answer);
    is($answer->{totals}{live_bytes}, $answer->{totals}{vm_bytes}, "$name: and to the VM's count, in whichever row");
}

sub test_limit {
    my ($vm) = @_;
    for my $blocks (96, 128, 200, 400) {
        my $capture = "$folder/limited.seep";
        check_full($vm, "$blocks KiB", ['bash', '-c', "ulimit -f $blocks && exec \"\$@\"", 'bash', seepline_path(), 'run', '--no-summary', '-o', $capture], $capture);
    }
}

# Too little for even the beginning: told before, or recorded as far as it went.
sub test_tight_limit {
    my ($vm) = @_;
    for my $blocks (0, 1, 4, 8, 16, 40, 64) {
        my $capture = "$folder/tight.seep";
        unlink $capture;
        # The limit is for our own output files as well, so that goes through a pipe.
        my $result = execute(['bash', '-c', "{ ulimit -f $blocks; \"\$@\"; echo \" status \$?\"; } 2>&1 | cat", 'bash', seepline_path(), 'run', '--no-summary', '-o', $capture, $vm, '-e', 'io.stderr:write("I was started") os.exit(6)'], timeout => TIMEOUT_S);
        my ($status) = $result->{out} =~ / status (\d+)$/;
        if ($blocks < 4) {
            is($status, 125, "$blocks KiB: cannot be written, so the program is not started") or diag($result->{out});
            unlike($result->{out}, qr/I was started/, "$blocks KiB: and it is not");
        } else {
            is($status, 6, "$blocks KiB: the program runs") or diag($result->{out});
        }
    }
}

sub test_full_disk {
    my ($vm) = @_;
    my $disk = "$folder/disk";
    mkdir $disk;
    for my $size (100, 150, 300) {
        return plan skip_all => 'no permission to mount a small disk' if system("mount -t tmpfs -o size=${size}k tmpfs $disk 2>/dev/null") != 0;
        eval { check_full($vm, "$size KiB", [seepline_path(), 'run', '--no-summary', '-o', "$disk/x.seep"], "$disk/x.seep") };
        my $problem = $@;
        system('umount', $disk) == 0 or diag("umount $disk failed");
        is($problem, '', 'no exception');
    }
    return if system("mount -t tmpfs -o size=4k tmpfs $disk 2>/dev/null") != 0;
    spew("$disk/fill", 'x' x 4096);
    my $result = execute([seepline_path(), 'run', '-o', "$disk/x.seep", $vm, '-e', 'print("ran")']);
    is($result->{status}, 125, 'a disk that is full from the start');
    is($result->{out}, '', 'the program is not started');
    system('umount', $disk);
}

# The program runs out of memory and goes on.
sub test_memory {
    my ($vm) = @_;
    return plan skip_all => 'a sanitizer needs more address space than that' if $ENV{ASAN_OPTIONS};
    my $hungry = spew("$folder/hungry.lua", <<'LUA');
local much = ("x"):rep(50000)
local function eat() local t = {} local i = 0 while true do i = i + 1 t[i] = much .. i end end
for _ = 1, 3 do
  local ok, problem = pcall(eat)
  collectgarbage()
  print(ok, tostring(problem):match("not enough memory"))
end
LUA
    my $limit = 'ulimit -v 200000 && exec "$@"';
    my $plain = execute(['bash', '-c', $limit, 'bash', $vm, $hungry], timeout => TIMEOUT_S);
    my $capture = "$folder/memory.seep";
    my $result = execute(['bash', '-c', $limit, 'bash', seepline_path(), 'run', '--no-summary', '-o', $capture, $vm, $hungry], timeout => TIMEOUT_S);
    is($result->{signal}, 0, 'it ends by itself');
    is($result->{out}, $plain->{out}, 'its errors are the same');
    my $answer = show_json($capture);
    ok($answer, 'the capture can be read') or return;
    check_sums('no memory', $answer);
}

# The capture is taken away, or others write into its folder.
sub test_removed {
    my ($vm) = @_;
    my $capture = "$folder/removed.seep";
    my $script = spew("$folder/removes.lua", "os.remove('$capture') " . slurp($growing));
    my $result = seepline('run', '--no-summary', '-o', $capture, '--lua', $vm, $script, { timeout => TIMEOUT_S });
    is($result->{signal}, 0, 'it ends by itself');
    is($result->{out}, execute([$vm, $growing])->{out}, 'the program is not disturbed');
    is($result->{status}, 6, 'status');
    like($result->{err}, qr/gone|removed/, 'it is said');
    $script = spew("$folder/truncates.lua", "io.open('$capture', 'w'):close() " . slurp($growing));
    $result = seepline('run', '--no-summary', '-o', $capture, '--lua', $vm, $script, { timeout => TIMEOUT_S });
    my $survived = $result->{signal} == 0;
    ok(defined $result->{status}, 'a capture that the program itself cuts to nothing' . ($survived ? '' : ' ends it'));
}

# Descriptors: a program that closes all it has, and one that has none left.
sub test_descriptors {
    my ($vm) = @_;
    my $script = spew("$folder/descriptors.lua", <<'LUA');
local files = {}
while true do
  local file = io.open("/dev/null")
  if not file then break end
  files[#files + 1] = file
end
print(#files)
local load = loadstring or load
local kept = {}
for i = 1, 2000 do kept[i] = load("return { {}, ... }", "=chunk" .. i)(i) end
print(#kept)
LUA
    my $plain = execute(['bash', '-c', 'ulimit -n 30 && exec "$@"', 'bash', $vm, $script]);
    my $capture = "$folder/descriptors.seep";
    my $result = execute(['bash', '-c', 'ulimit -n 30 && exec "$@"', 'bash', seepline_path(), 'run', '--no-summary', '-o', $capture, $vm, $script], timeout => TIMEOUT_S);
    is($result->{out}, $plain->{out}, 'as many descriptors as without us');
    is($result->{status}, $plain->{status}, 'status');
    my $answer = show_json($capture);
    ok($answer, 'the capture can be read') or return;
    check_sums('no descriptors', $answer);
    ok($answer->{complete} || length $answer->{problem}, 'complete, or it says why not');
}

for my $vm (vms()) {
    subtest "$vm: a limit on file sizes" => sub { test_limit($vm) };
    subtest "$vm: a tight limit" => sub { test_tight_limit($vm) };
    subtest "$vm: a full disk" => sub { test_full_disk($vm) };
    subtest "$vm: no memory" => sub { test_memory($vm) };
    subtest "$vm: the capture is removed" => sub { test_removed($vm) };
    subtest "$vm: no descriptors" => sub { test_descriptors($vm) };
}

done_testing();
