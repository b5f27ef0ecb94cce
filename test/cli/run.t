#!/usr/bin/perl
# The contract of `seepline run`: the program must not notice, its status is
# passed on, and everything of ours goes to stderr.
use strict;
use warnings;
use File::Basename qw(basename);
use POSIX ();
use Test::More;
use SeepTest qw(seepline_path vms execute seepline record show_json scratch slurp spew have_command captures_at);

# Nothing but what is needed, so that a test of the environment is of ours.
my $build = $ENV{BUILD};
%ENV = map { defined $ENV{$_} ? ($_ => $ENV{$_}) : () } qw(PATH HOME TMPDIR LUA INCLUDE ASAN_OPTIONS);
$ENV{BUILD} = $build if defined $build;

my $seepline = seepline_path();
my $folder = scratch();
my $number = 0;

sub script { my ($text, $name) = @_; return spew("$folder/" . ($name // 'script' . $number++ . '.lua'), $text) }

# The same command with and without us.
sub both {
    my ($vm, $words, %options) = @_;
    my $plain = execute([$vm, @$words], %options);
    my $recorded = execute([$seepline, 'run', '--no-summary', '-o', "$folder/both.seep", $vm, @$words], %options);
    return ($plain, $recorded);
}

sub is_alike {
    my ($name, $plain, $recorded) = @_;
    is($recorded->{out}, $plain->{out}, "$name: stdout");
    is($recorded->{err}, $plain->{err}, "$name: stderr");
    is($recorded->{status}, $plain->{status}, "$name: status");
    is($recorded->{signal}, $plain->{signal}, "$name: signal");
}

sub test_statuses {
    my ($vm) = @_;
    for my $status (0, 1, 2, 7, 42, 125, 126, 127, 128, 255) {
        my ($result) = record($vm, script("print('x') os.exit($status)"));
        is($result->{status}, $status, "exit $status is passed on");
        is($result->{err}, '', 'and --no-summary says nothing');
    }
    my ($result, $capture) = record($vm, script('error("oh no")'));
    is($result->{status}, 1, 'an uncaught error');
    like($result->{err}, qr/oh no/, 'with its message');
    ok(show_json($capture)->{complete}, 'and the capture is complete');
}

sub test_signals {
    my ($vm) = @_;
    # A sanitizer in the library would take the program's SIGSEGV for its own find.
    my %env = (ASAN_OPTIONS => join(':', $ENV{ASAN_OPTIONS} // (), 'handle_segv=0'));
    for my $signal (qw(TERM KILL USR1 ABRT SEGV)) {
        my $script = script("local x = {} for i = 1, 100 do x[i] = {} end io.stdout:write('before') io.stdout:flush() os.execute('kill -$signal \$PPID') while true do end");
        my ($result, $capture) = record($vm, $script, { timeout => 10, env => \%env });
        is($result->{signal}, POSIX->can("SIG$signal")->(), "ends by SIG$signal as the program did");
        is($result->{out}, 'before', 'with what it had written');
        my $answer = show_json($capture);
        ok($answer && @{$answer->{sites}} > 0, 'the capture can be read') or next;
        ok(!$answer->{complete}, 'and is marked as not finished');
        is($answer->{totals}{live_bytes}, $answer->{totals}{vm_bytes}, 'to the byte');
    }
}

# A signal to `seepline run` itself reaches the program.
sub test_signal_is_passed_on {
    my ($vm) = @_;
    my $script = script("io.stdout:write(('ready\\n')) io.stdout:flush() while true do local t = {} end");
    for my $signal (qw(TERM HUP USR1)) {
        pipe(my $from, my $to) or die;
        my $pid = fork() // die;
        if ($pid == 0) {
            open STDOUT, '>&', $to or die;
            alarm 20;
            exec $seepline, 'run', '--no-summary', '-o', "$folder/passed.seep", $vm, $script;
        }
        close $to;
        is(scalar(<$from>), "ready\n", 'it runs');
        kill $signal, $pid;
        waitpid $pid, 0;
        is($? & 127, POSIX->can("SIG$signal")->(), "SIG$signal to us ends the program by it, and us");
    }
}

sub test_streams {
    my ($vm) = @_;
    my $echo = script("io.write(io.read('*a')) io.stderr:write('to stderr') for i = 0, #arg do io.write('[', arg[i], ']') end io.write(select('#', ...))");
    my $bytes = join('', map { chr } 0 .. 255) x 50;
    my @arguments = ('one', '', 'two words', '--no-summary', '-n', "\xff\n", '*', '-o');
    is_alike('streams and arguments', both($vm, [$echo, @arguments], stdin => $bytes));
    is_alike('a script from stdin', both($vm, ['-'], stdin => 'print("from stdin", ...)'));
    is_alike('-e', both($vm, ['-e', 'print(1, ...) x = {}']));
    is_alike('no program at all', both($vm, [], stdin => 'print(5)'));
    is_alike('a missing script', both($vm, ["$folder/none.lua"]));
    is_alike('a syntax error', both($vm, [script('this is no lua')]));
    is_alike('-v', both($vm, ['-v']));
    is_alike('-E', both($vm, ['-E', '-e', 'print(os.getenv("HOME"))'])) if $vm !~ /5\.1/;
    is_alike('a closed stdin', both($vm, ['-e', 'print(io.read())'], stdin => ''));
}

sub test_summary {
    my ($vm) = @_;
    my $script = script('kept = {} for i = 1, 1000 do kept[i] = { i } end print("mine")', 'summary.lua');
    my $result = seepline('run', '-o', "$folder/summary.seep", '--lua', $vm, $script);
    is($result->{out}, "mine\n", 'the summary is not on stdout');
    like($result->{err}, qr/summary\.lua:1\b/, 'but on stderr, with the line');
    like($result->{err}, qr/Capture: \Q$folder\E\/summary\.seep/, 'and the name of the capture');
    my $few = seepline('run', '-n', '1', '-o', "$folder/summary.seep", '--lua', $vm, $script);
    ok(length $few->{err} < length $result->{err}, '-n 1 says less');
    my $none = seepline('run', '--no-summary', '-o', "$folder/summary.seep", '--lua', $vm, $script);
    is($none->{err}, '', '--no-summary says nothing');
}

# What the program and its children see of the environment.
sub test_environment {
    my ($vm) = @_;
    my $script = script(<<'LUA');
print(os.getenv("LD_PRELOAD"), os.getenv("SEEPLINE_RUN"))
local kept = { {}, {} }
io.stdout:flush()
os.execute("env | grep -v -e '^_=' -e ^SHLVL= -e ^PWD= -e ^OLDPWD= | sort")
local child = io.popen("env | grep -c -i -e seepline")
io.write(child:read("*a"))
LUA
    my %without = (BUILD => undef);
    is_alike('nothing was there', both($vm, [$script], env => { %without }, cwd => '/'));
    my $libm = (grep { -e } glob('/lib/*/libm.so.6 /lib64/libm.so.6'))[0];
    SKIP: {
        skip 'no libm to preload', 12 if !$libm;
        my ($plain, $recorded) = both($vm, [$script], env => { %without, LD_PRELOAD => $libm }, cwd => '/');
        like($plain->{out}, qr/libm/, "the user's own LD_PRELOAD");
        is_alike("the user's LD_PRELOAD", $plain, $recorded);
        is_alike('two of them', both($vm, [$script], env => { %without, LD_PRELOAD => "$libm:$libm" }, cwd => '/'));
        is_alike('an empty one', both($vm, [$script], env => { %without, LD_PRELOAD => '' }, cwd => '/'));
    }
    my $lines = script('for line in io.lines("/proc/self/environ") do local _, n = line:gsub("LUA_INIT", "") print(n) end');
    is_alike('no LUA_INIT', both($vm, [$lines], env => { %without }));
}

# The VM's own count is as always: same environment, same arguments.
sub test_count {
    my ($vm) = @_;
    my $script = script(<<'LUA');
local function count() return string.format("%.0f", collectgarbage("count") * 1024) end
collectgarbage("stop")
print(count())
local kept = {}
for i = 1, 200 do kept[i] = { i, "text" .. i, function() return i end } end
print(count())
local co = coroutine.wrap(function() coroutine.yield({}) end)
co()
print(count())
collectgarbage("restart")
collectgarbage()
collectgarbage()
print(count())
LUA
    is_alike('collectgarbage("count")', both($vm, [$script]));
    is_alike('with arguments', both($vm, [$script, 'a', 'b']));
    my ($result, $capture) = record($vm, script('collectgarbage("stop") local t = {} print(string.format("%.0f", collectgarbage("count") * 1024)) os.exit(0)'));
    my $live = show_json($capture)->{totals}{live_bytes};
    cmp_ok($live, '>=', $result->{out}, 'what is live at the end is what the program counted');
    cmp_ok($live, '<', $result->{out} + 4000, 'and not much more');
}

sub test_children {
    my ($vm) = @_;
    my $inner = script('kept = {} for i = 1, 500 do kept[i] = { i } end print("inner")', "inner-$vm.lua");
    my $outer = script("print('outer') io.stdout:flush() os.execute('$vm $inner')", "outer-$vm.lua");
    my ($result, $capture) = record($vm, $outer);
    is($result->{out}, "outer\ninner\n", 'a child runs');
    like(show_json($capture)->{command}, qr/outer/, 'and the capture is the parent\'s');
    my @others = grep { $_ ne $capture } captures_at("$capture*"), captures_at($capture =~ s/\.seep$/.*.seep/r);
    is(scalar @others, 0, 'without --children, no child is recorded');
    ($result, $capture) = record($vm, $outer, { run_options => ['--no-summary', '--children'], timeout => 10 });
    is($result->{out}, "outer\ninner\n", 'with --children it runs as well');
    @others = captures_at($capture =~ s/\.seep$/.*.seep/r);
    is(scalar @others, 1, 'and has a capture of its own');
    my $answer = show_json($others[0] // $capture);
    like($answer->{command}, qr/inner/, 'of its own command');
    ok($answer->{complete}, 'complete');
    is($answer->{totals}{live_bytes}, $answer->{totals}{vm_bytes}, 'to the byte');
}

# A shell script in between.
sub test_wrapper {
    my ($vm) = @_;
    my $lua = script('kept = {} for i = 1, 300 do kept[i] = { i } end print("from lua", ...) os.exit(5)', "wrapped-$vm.lua");
    my $wrapper = script("#!/bin/sh\nls / >/dev/null\nexec $vm $lua \"\$@\"\n", "wrapper-$vm");
    chmod 0755, $wrapper;
    my $result = seepline('run', '--no-summary', '-o', "$folder/wrapper.seep", '--', $wrapper, 'a', 'b', { timeout => 10 });
    is($result->{out}, "from lua\ta\tb\n", 'a shell script that becomes the interpreter');
    is($result->{status}, 5, 'with its status');
    my $answer = show_json("$folder/wrapper.seep");
    ok($answer->{complete}, 'is recorded');

    # Two at the same time: each waits until the other runs.
    my $both = script("#!/bin/sh\nmkfifo $folder/a $folder/b\n$vm $folder/pair.lua a b & $vm $folder/pair.lua b a\nwait\nrm $folder/a $folder/b\n", "both-$vm");
    script(<<"LUA", 'pair.lua');
local mine, other = "$folder/" .. arg[1], "$folder/" .. arg[2]
if arg[1] == "a" then do local f = io.open(mine, "w") f:write("x") f:close() end io.open(other):read("*a")
else io.open(other):read("*a") do local f = io.open(mine, "w") f:write("x") f:close() end end
kept = {} for i = 1, 100 do kept[i] = { i } end
LUA
    chmod 0755, $both;
    unlink glob("$folder/pair*.seep");
    $result = seepline('run', '--no-summary', '-o', "$folder/pair.seep", '--', $both, { timeout => 10 });
    is($result->{signal}, 0, 'a shell script with two interpreters at once ends');
    is($result->{status}, 0, 'well');
    my @captures = captures_at("$folder/pair*.seep");
    is(scalar @captures, 2, 'makes two captures');
    for my $capture (@captures) {
        my $answer = show_json($capture);
        ok($answer && $answer->{complete}, 'each complete');
    }
    unlink "$folder/a", "$folder/b";
}

for my $vm (vms()) {
    subtest "$vm: exit statuses" => sub { test_statuses($vm) };
    subtest "$vm: signals" => sub { test_signals($vm) };
    subtest "$vm: signals to us" => sub { test_signal_is_passed_on($vm) };
    subtest "$vm: streams and arguments" => sub { test_streams($vm) };
    subtest "$vm: summary" => sub { test_summary($vm) };
    subtest "$vm: environment" => sub { test_environment($vm) };
    subtest "$vm: the count" => sub { test_count($vm) };
    subtest "$vm: children" => sub { test_children($vm) };
    subtest "$vm: a shell script around it" => sub { test_wrapper($vm) };
}

# -- What does not depend on the VM -------------------------------------------------------------------------------

my ($vm) = vms();
my $marker = "$folder/was-started";
my $starts = script("io.open('$marker', 'w'):close() kept = { {}, {} } print('ran')");

# Runs and expects that the program was not started.
sub is_refused {
    my ($name, $status, $like, @words) = @_;
    my %options = ref $words[-1] eq 'HASH' ? %{pop @words} : ();
    unlink $marker;
    my $result = seepline('run', @words, { %options });
    is($result->{status}, $status, "$name: $status") or diag($result->{err});
    is($result->{signal}, 0, 'not a signal');
    is($result->{out}, '', 'nothing on stdout');
    like($result->{err}, $like, 'a message');
    cmp_ok(($result->{err} =~ tr/\n//), '<=', 2, 'of one line');
    ok(!-e $marker, 'and the program was not started');
    return $result;
}

subtest 'wrong usage' => sub {
    is_refused('-n abc', 125, qr/-n/, '-n', 'abc', $starts);
    is_refused('-n 0', 125, qr/-n/, '-n', '0', $starts);
    is_refused('-n -3', 125, qr/-n/, '-n', '-3', $starts);
    is_refused('-n 99999999999', 125, qr/-n/, '-n', '99999999999', $starts);
    is_refused('an unknown option', 125, qr/unknown|unrecognized|invalid/i, '--frobnicate', $starts);
    is_refused('an unknown mode', 125, qr/mode/, '--mode', 'guess', $starts);
    is_refused('no program', 125, qr/which program/);
    is_refused('no program after --', 125, qr/which program/, '--');
    is_refused('an empty -o', 125, qr/-o/, '-o', '', $starts);
    is_refused('-o without a name', 125, qr/-o|argument/, '-o');
    my $help = seepline('run', '--help');
    is($help->{status}, 0, '--help is not wrong');
    like($help->{out}, qr/--no-summary/, 'and says what there is');
    is(seepline()->{status}, 2, 'no verb');
    is(seepline('frobnicate')->{status}, 2, 'an unknown verb');
    is(seepline('--help')->{status}, 0, '--help');
    like(seepline('--version')->{out}, qr/^seepline \d/, '--version');
};

subtest 'programs that cannot be run' => sub {
    my $not_executable = script('print(1)', 'not-executable');
    my $no_interpreter = script("#!/nowhere/at/all\n", 'no-interpreter');
    my $no_format = script("print(1)\n", 'no-format');
    chmod 0755, $no_interpreter, $no_format;
    my @o = ('-o', "$folder/refused.seep");
    is_refused('not there', 127, qr/none/, @o, "$folder/none");
    is_refused('not on PATH', 127, qr/no-such-program-anywhere/, @o, 'no-such-program-anywhere');
    is_refused('a script that is not there', 127, qr/none\.lua/, @o, '--lua', $vm, "$folder/none.lua");
    is_refused('an interpreter that is not there', 127, qr/no-such-lua/, @o, '--lua', 'no-such-lua', $starts);
    is_refused('not executable', 126, qr/not-executable/, @o, $not_executable);
    is_refused('a directory', 126, qr/\Q$folder\E/, @o, $folder);
    is_refused('neither program nor script', 126, qr/no-format/, @o, $no_format);
    is_refused('a #! line that leads nowhere', 127, qr/no-interpreter/, @o, $no_interpreter);
    ok(!-e "$folder/refused.seep", 'and no capture is left behind');
};

subtest 'programs without Lua' => sub {
    my $result = seepline('run', '-o', "$folder/true.seep", '/bin/true');
    is($result->{status}, 125, '/bin/true was not recorded');
    like($result->{err}, qr/nothing was recorded|not recorded/, 'a message');
    ok(!-e "$folder/true.seep", 'no capture is left behind');
    $result = seepline('run', '-o', "$folder/false.seep", '/bin/sh', '-c', 'echo out; exit 3');
    is($result->{status}, 3, "a program's own failure is passed on");
    is($result->{out}, "out\n", 'with its output');
    isnt($result->{err}, '', 'and a message');
    $result = seepline('run', '--no-summary', '-o', "$folder/true.seep", '/bin/true');
    isnt($result->{err}, '', 'a failure is told with --no-summary as well');
    my $sh = script("echo shell\n", 'shell.lua');
    $result = seepline('run', '-o', "$folder/sh.seep", '--lua', '/bin/sh', $sh);
    is($result->{status}, 125, '--lua /bin/sh');
    is($result->{out}, "shell\n", 'ran');
};

subtest 'a static program' => sub {
    plan skip_all => 'no gcc' if !have_command('gcc');
    spew("$folder/static.c", 'int main(void) { return 0; }');
    plan skip_all => 'cannot link statically' if system("gcc -static -o $folder/static $folder/static.c 2>$folder/static.err") != 0;
    is_refused('a static program', 125, qr/static/, '-o', "$folder/static.seep", "$folder/static");
    ok(!-e "$folder/static.seep", 'no capture is left behind');
};

subtest 'captures that cannot be written' => sub {
    my @program = ('--lua', $vm, $starts);
    is_refused('a directory', 125, qr/\Q$folder\E/, '-o', $folder, @program);
    is_refused('a missing folder', 125, qr/none/, '-o', "$folder/none/x.seep", @program);
    is_refused('below a file', 125, qr/x\.seep/, '-o', "$starts/x.seep", @program);
    is_refused('/dev/null', 125, qr/\/dev\/null/, '-o', '/dev/null', @program);
    is_refused('/proc', 125, qr/\/proc/, '-o', '/proc/x.seep', @program);
    is_refused('a name that is too long', 125, qr/x{50}/, '-o', "$folder/" . ('x' x 300), @program);
    my $precious = spew("$folder/precious.txt", "precious\n" x 1000);
    is_refused('a file that is no capture', 125, qr/precious/, '-o', $precious, @program);
    is(slurp($precious), "precious\n" x 1000, 'and it is left as it was');
    symlink 'precious.txt', "$folder/link.seep";
    is_refused('a link to a file that is no capture', 125, qr/link/, '-o', "$folder/link.seep", @program);
    is(slurp($precious), "precious\n" x 1000, 'and it is left as it was');
    mkdir "$folder/readonly" or die;
    chmod 0555, "$folder/readonly";
    SKIP: {
        skip 'root may write anywhere', 1 if $> == 0;
        is_refused('a folder without permission', 125, qr/readonly/, '-o', "$folder/readonly/x.seep", @program);
    }
    is_refused('a folder that takes no files', 125, qr/readonly|anywhere|[Nn]o such|ermission/,
        '-o', '/proc/x.seep', @program);
};

subtest 'the capture' => sub {
    mkdir "$folder/here" or die;
    my $result = execute([$seepline, 'run', '--lua', $vm, $starts], cwd => "$folder/here");
    my @found = glob("$folder/here/*");
    is(scalar(grep { /\.heap\.seep$/ } @found), 1, 'a heap snapshot');
    @found = captures_at("$folder/here/*");
    is(scalar @found, 1, 'and one other file in the current folder');
    my $name = basename($starts);
    like(basename($found[0]), qr/^seepline\.\Q$name\E\.\d+\.seep$/, 'with the default name');
    my ($pid) = $found[0] =~ /\.(\d+)\.seep$/;
    is(show_json($found[0])->{pid}, $pid, 'of the process that it recorded');
    is((stat $found[0])[2] & 07777, 0600, 'mode 0600');
    $result = execute([$seepline, 'run', '--no-summary', '-o', 'relative.seep', '--lua', $vm,
        script("kept = {} print(1)")], cwd => "$folder/here");
    ok(-e "$folder/here/relative.seep", 'a relative -o is in the current folder');
    my $first = (stat _)[1];
    my $old = umask 0;
    execute([$seepline, 'run', '--no-summary', '-o', 'relative.seep', '--lua', $vm, $starts], cwd => "$folder/here");
    umask $old;
    like(show_json("$folder/here/relative.seep")->{command}, qr/\Q$name\E/, 'an earlier capture is overwritten');
    is((stat "$folder/here/relative.seep")[2] & 07777, 0600, 'mode 0600 whatever the umask');
    my $chdir = script("os.execute('true') kept = {} print(1)");
    ($result) = record($vm, $chdir);
    is($result->{err}, '', 'nothing is said');
    my $no_suffix = seepline('run', '--no-summary', '-o', "$folder/no suffix\n", '--lua', $vm, $starts);
    ok(-s "$folder/no suffix\n", 'any name will do');
};

subtest 'which interpreter' => sub {
    my $print = 'print(_VERSION, jit ~= nil) kept = {}';
    for my $interpreter (vms()) {
        my $path = have_command($interpreter) // $interpreter;
        my $plain = execute([$path, '-e', $print]);
        my $script = script("#!$path\n$print");
        is(seepline('run', '--no-summary', '-o', "$folder/i.seep", $script)->{out}, $plain->{out}, "#!$path");
        next if !have_command($interpreter);
        $script = script("#!/usr/bin/env $interpreter\n$print");
        is(seepline('run', '--no-summary', '-o', "$folder/i.seep", $script)->{out}, $plain->{out}, "#!/usr/bin/env $interpreter");
        my $executable = script("#!$path\n$print", "executable-" . basename($interpreter));
        chmod 0755, $executable;
        is(seepline('run', '--no-summary', '-o', "$folder/i.seep", $executable)->{out}, $plain->{out}, 'an executable script');
        my $result = execute([$seepline, 'run', '--no-summary', '-o', "$folder/i.seep", './' . basename($executable)], cwd => $folder);
        is($result->{out}, $plain->{out}, 'by a relative path');
        $result = seepline('run', '--no-summary', '-o', "$folder/i.seep", basename($executable), { env => { PATH => "$folder:$ENV{PATH}" } });
        is($result->{out}, $plain->{out}, 'from PATH');
    }
    my ($newest) = grep { have_command($_) } qw(lua5.5 lua5.4 lua5.3 lua5.2 lua5.1 lua luajit);
    SKIP: {
        skip 'no lua on PATH', 1 if !$newest;
        my $expected = execute([$newest, '-e', $print])->{out};
        is(seepline('run', '--no-summary', '-o', "$folder/i.seep", script($print))->{out}, $expected, 'without #!, the newest on PATH');
    }
    my $spaces = script('print(...) kept = {}', 'a script with spaces.lua');
    is(seepline('run', '--no-summary', '-o', "$folder/i.seep", '--lua', $vm, $spaces, 'x y')->{out}, "x y\n", 'a name with spaces');
    is(seepline('run', '--no-summary', '-o', "$folder/i.seep", '--lua', $vm, '--', $spaces, '--', '-n')->{out}, "--\t-n\n", 'after --');
};

done_testing();
