package RealProgram;

# What the tests with real programs share. Such a test runs a program twice, alone
# and recorded, and wants two things: that the program cannot tell the difference,
# and that the capture's numbers add up. Programs that serve are started, talked to
# and stopped; whatever happens, none of them outlives its test.

use strict;
use warnings;
use Exporter qw(import);
use File::Basename qw(basename);
use Fcntl qw(F_SETFD);
use IO::Socket::INET;
use List::Util qw(sum0);
use Test::More;
use Time::HiRes qw(sleep time);
use SeepTest qw(execute have_command scratch seepline_path show_json slurp spew);

our @EXPORT_OK = qw(need_programs lua_environment label twice same_run same_text check_rows check_stacks check_capture
                    check_answer check_by_line top_lines line_of start_program finish_program stop_all
                    child_of listen_locally fetch_all serve_locally without_pids);

use constant TIMEOUT_S => 120;

my %TYPES = map { $_ => 1 }
    qw(table string function userdata thread proto upvalue cdata buffer other);

# -- What is there --------------------------------------------------------------

# Skips the whole test when a program is missing: need_programs(luacheck => 'lua-check').
sub need_programs {
    my %package_of = @_;
    for my $program (sort keys %package_of) {
        next if have_command($program);
        plan skip_all => "$program is not installed (package $package_of{$program})";
    }
    return;
}

# The name of an interpreter, for messages.
sub label { return basename($_[0]) }

# The environment in which any Lua finds Debian's modules. Those in Lua are the same
# files for every version, those in C have a folder for each. Nothing of the caller's
# own Lua set-up is left in it.
sub lua_environment {
    my ($vm) = @_;
    my $version = execute([$vm, '-e', 'io.write((_VERSION:gsub("Lua ", "")))'])->{out};
    my %environment = map { $_ => undef } grep { /^LUA_/ } keys %ENV;
    my ($modules) = glob "/usr/lib/*/lua/$version";
    $environment{LUA_PATH} = '/usr/share/lua/5.1/?.lua;/usr/share/lua/5.1/?/init.lua;;';
    $environment{LUA_CPATH} = defined $modules ? "$modules/?.so;;" : undef;
    return \%environment;
}

# -- Twice: alone and recorded --------------------------------------------------

# Runs a program alone, then recorded; both start in an empty folder of the same
# name, which is put aside afterwards: {folder}. Options: lua => VM when the words are a script and its
# arguments, run_options => […], and those of execute.
my $pairs = 0;
sub twice {
    my ($words, %options) = @_;
    my $lua = delete $options{lua};
    my @run_options = @{delete $options{run_options} // ['--no-summary']};
    my $folder = scratch() . '/pair' . $pairs++;
    my $capture = "$folder/capture.seep";
    my @alone = (defined $lua ? $lua : (), @$words);
    my @recorded = (seepline_path(), 'run', @run_options, '-o', $capture, defined $lua ? ('--lua', $lua) : (), @$words);
    mkdir $folder or die "$folder: $!";
    my @results;
    for my $run (['alone', @alone], ['recorded', @recorded]) {
        my ($name, @command) = @$run;
        mkdir "$folder/here" or die "$folder/here: $!";
        my $started = time;
        my $result = execute(\@command, timeout => TIMEOUT_S, cwd => "$folder/here", %options);
        $result->{seconds} = time - $started;
        $result->{folder} = "$folder/$name";
        rename "$folder/here", "$folder/$name" or die "$folder/$name: $!";
        push @results, $result;
    }
    note sprintf '%.2f s alone, %.2f s recorded: %s', (map { $_->{seconds} } @results), join ' ', @alone;
    return (@results, $capture);
}

# Byte for byte; where two long texts part is said in one line.
sub same_text {
    my ($got, $expected, $name) = @_;
    return pass($name) if $got eq $expected;
    my @got = split /^/, $got;
    my @expected = split /^/, $expected;
    my $at = 0;
    $at++ while $at < @got && $at < @expected && $got[$at] eq $expected[$at];
    fail($name);
    diag sprintf "line %d is\n  %s\nand should be\n  %s", $at + 1, map { $_ // '(no such line)' } $got[$at], $expected[$at];
    return;
}

# Three tests: the program said and did the same both times.
sub same_run {
    my ($alone, $recorded) = @_;
    same_text($recorded->{out}, $alone->{out}, 'the same on stdout');
    same_text($recorded->{err}, $alone->{err}, 'the same on stderr');
    is("$recorded->{status}/$recorded->{signal}", "$alone->{status}/$alone->{signal}", 'the same exit status and signal');
    return;
}

# Process numbers in log lines, "(1234) :", differ from run to run.
sub without_pids {
    my ($text) = @_;
    $text =~ s/\(\d+\)/(PID)/g;
    return $text;
}

# -- The capture ----------------------------------------------------------------

sub sum { my ($field, @rows) = @_; return sum0(map { $_->{$field} } @rows) }

sub describe { my ($row) = @_; return sprintf '%s:%s %s', map { $row->{$_} // '?' } qw(file line type) }

# What was there before the recording is known in bytes alone.
sub was_before { my ($row) = @_; return ($row->{file} // '') eq '(before recording)' }

sub check_rows {
    my ($answer) = @_;
    my @unequal = grep { $_->{alloc_bytes} - $_->{freed_bytes} != $_->{live_bytes} } @{$answer->{sites}};
    my @uncounted = grep { $_->{alloc_count} - $_->{freed_count} != $_->{live_count} } @{$answer->{sites}};
    my @older = grep { $_->{survivor_bytes} > $_->{live_bytes} || $_->{survivor_count} > $_->{live_count} }
        @{$answer->{sites}};
    my @typeless = grep { defined $_->{type} && !$TYPES{$_->{type}} } @{$answer->{sites}};
    is(join("\n", map { describe($_) } @unequal), '', 'in every row: allocated - freed = live, in bytes');
    is(join("\n", map { describe($_) } @uncounted), '', 'and in blocks');
    is(join("\n", map { describe($_) } @older), '', 'no row has more survivors than live blocks');
    is(join("\n", map { describe($_) } @typeless), '', 'every type is one of the ten');
    return;
}

sub check_sums {
    my ($answer) = @_;
    my $totals = $answer->{totals};
    my @sites = @{$answer->{sites}};
    for my $field (qw(live_bytes alloc_bytes freed_bytes growth_bytes survivor_bytes)) {
        is(sum($field, @sites), $totals->{$field}, "the rows add up to the total: $field");
    }
    return;
}

# The tests on one answer of `show --json` with all its rows. Options: complete
# (default 1), host => 1 for a program that is no interpreter, outside => 'why' when blocks past the VM's own count are expected.
sub check_answer {
    my ($answer, %options) = @_;
    my $totals = $answer->{totals};
    check_rows($answer);
    check_sums($answer);
    is($answer->{complete} ? 1 : 0, $options{complete} // 1, 'complete, or not, as it should be');
    is($answer->{problem} // '', '', 'no problem was noted');
    if (defined $options{outside}) {
        cmp_ok($totals->{live_bytes}, '>=', $totals->{vm_bytes}, "live bytes: the VM's own count and $options{outside}");
    } else {
        is($totals->{live_bytes}, $totals->{vm_bytes}, "live bytes: the VM's own count");
    }
    is($totals->{dropped}, 0, 'every block has its whole stack');
    return;
}

# An interpreter's stacks end in a C function of its own; a host calls Lua itself.
# A stack is empty while a state is opened.
sub check_stacks {
    my ($answer, %options) = @_;
    my @rootless = $options{host} ? ()
        : grep { @{$_->{stack}} && $_->{stack}[-1]{file} ne '[C]' && !was_before($_) } @{$answer->{sites}};
    my @bare = grep { !@{$_->{stack}} && "$_->{file}:$_->{line}" ne '[C]:0' } @{$answer->{sites}};
    my @unlike = grep { !was_before($_) && !names_its_line($_) } @{$answer->{sites}};
    is(join("\n", map { describe($_) } @rootless), '', "every stack goes down to the program's own code");
    is(join("\n", map { describe($_) } @bare), '', 'no stack is empty but of rows without Lua');
    is(join("\n", map { describe($_) } @unlike), '', "every row's line is that of its innermost Lua frame");
    return;
}

sub names_its_line {
    my ($row) = @_;
    my ($innermost) = grep { $_->{file} ne '[C]' } @{$row->{stack}};
    my $place = defined $innermost ? "$innermost->{file}:$innermost->{line}" : '[C]:0';
    return "$row->{file}:$row->{line}" eq $place;
}

# The whole capture, every row with its stack. For captures of a few thousand rows.
sub check_capture {
    my ($capture, %options) = @_;
    my ($answer, $result) = show_json($capture);
    ok($answer, 'the capture can be shown') or return diag $result->{err};
    check_answer($answer, %options);
    check_stacks($answer, %options);
    note sprintf '%d rows, %d bytes of capture, %d of %d bytes live', scalar @{$answer->{sites}}, -s $capture,
        @{$answer->{totals}}{qw(live_bytes alloc_bytes)};
    return $answer;
}

# The same, merged by line: for captures that have too many rows to read them all.
sub check_by_line {
    my ($capture, %options) = @_;
    my ($answer, $result) = show_json($capture, '--by', 'line');
    ok($answer, 'the capture can be shown by line') or return diag $result->{err};
    check_answer($answer, %options);
    return $answer;
}

# The first `count` lines of code that `show` names, as "file:line".
sub top_lines {
    my ($capture, $count, @options) = @_;
    my $answer = show_json($capture, '--by', 'line', '-n', $count, @options);
    return map { "$_->{file}:" . ($_->{line} // '?') } @{($answer // {sites => []})->{sites}};
}

# The number of the line in `file` that matches.
sub line_of {
    my ($file, $pattern) = @_;
    my $number = 0;
    for my $line (split /^/, slurp($file)) {
        $number++;
        return $number if $line =~ $pattern;
    }
    die "$file: no line matches $pattern";
}

# -- Programs that serve --------------------------------------------------------

my %running;   # pid => {out, err}

# Starts a program in the background. A listening socket given as `inherits` stays
# open in it, and is closed here: once the program is gone, nobody answers.
my $started_count = 0;
sub start_program {
    my ($words, %options) = @_;
    my $base = scratch() . '/started' . $$ . '.' . $started_count++;
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        fcntl($options{inherits}, F_SETFD, 0) if $options{inherits};
        open STDIN,  '<', '/dev/null' or die;
        open STDOUT, '>', "$base.out" or die;
        open STDERR, '>', "$base.err" or die;
        exec { $words->[0] } @$words or POSIX::_exit(127);
    }
    close $options{inherits} if $options{inherits};
    $running{$pid} = {out => "$base.out", err => "$base.err"};
    return $pid;
}

# Waits until a program that was started has ended; undef, and it is killed, when it
# does not end in time.
sub finish_program {
    my ($pid, $seconds) = @_;
    my $give_up = time + ($seconds // 20);
    my $streams = $running{$pid} or die "process $pid was not started here";
    while (waitpid($pid, POSIX::WNOHANG()) == 0) {
        if (time > $give_up) { kill_with_children($pid); return }
        sleep 0.01;
    }
    my $wait = $?;
    delete $running{$pid};
    return {status => $wait >> 8, signal => $wait & 127, out => slurp($streams->{out}), err => slurp($streams->{err})};
}

# The processes whose parent is `pid`.
sub children_of {
    my ($pid) = @_;
    my @children;
    for my $stat (glob '/proc/[0-9]*/stat') {
        my $content = eval { slurp($stat) } // next;
        push @children, $1 if $content =~ /^(\d+) \(.*\) \S (\d+)/s && $2 == $pid;
    }
    return @children;
}

# The one process that `pid` has started, when it has become `program`.
sub child_of {
    my ($pid, $program) = @_;
    my $give_up = time + 20;
    while (time < $give_up) {
        for my $child (children_of($pid)) {
            my $name = eval { slurp("/proc/$child/comm") } // next;
            return $child if $name eq "$program\n";
        }
        sleep 0.02;
    }
    return;
}

sub kill_with_children {
    my ($pid) = @_;
    kill_with_children($_) for children_of($pid);
    kill 'KILL', $pid;
    return unless delete $running{$pid};
    waitpid $pid, 0;
    return;
}

sub stop_all { kill_with_children($_) for keys %running; return }

END { local $?; stop_all() }

# -- A little HTTP ----------------------------------------------------------------

sub listen_locally {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 128, Proto => 'tcp');
    return $socket // die "no port on 127.0.0.1: $!";
}

sub open_request {
    my ($port, $path) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp', Timeout => 10)
        // return;
    print {$socket} "GET $path HTTP/1.1\r\nHost: test\r\nUser-Agent: seepline-test\r\nConnection: close\r\n\r\n";
    return $socket;
}

sub read_answer {
    my ($socket) = @_;
    my $answer = '';
    return 'no connection' unless $socket;
    eval {
        local $SIG{ALRM} = sub { die "no answer in time\n" };
        alarm 20;
        while (sysread $socket, my $part, 65536) { $answer .= $part }
        alarm 0;
        1;
    } or $answer = $@;
    alarm 0;
    return $answer;
}

# The whole answers to all paths, `at_once` of them on their way at a time.
sub fetch_all {
    my ($port, $at_once, @paths) = @_;
    my @answers;
    while (my @some = splice @paths, 0, $at_once) {
        my @sockets = map { open_request($port, $_) } @some;
        push @answers, map { read_answer($_) } @sockets;
    }
    return @answers;
}

# A page server of `count` processes, each of which serves one connection at a time.
# Returns its port; stop_all ends it.
sub serve_locally {
    my ($count) = @_;
    my $listener = listen_locally();
    my $port = $listener->sockport;
    for (1 .. $count) {
        my $pid = fork() // die "fork: $!";
        if ($pid == 0) {
            serve_pages($listener);
            POSIX::_exit(0);
        }
        $running{$pid} = {};
    }
    close $listener;
    return $port;
}

sub serve_pages {
    my ($listener) = @_;
    local $SIG{PIPE} = 'IGNORE';
    while (my $socket = $listener->accept) {
        $socket->autoflush(1);
        my $buffer = '';
        while (sysread $socket, $buffer, 65536, length $buffer) {
            while ($buffer =~ s/^GET (\S+) .*?\r\n\r\n//s) {
                my $body = "this is $1\n";
                print {$socket} "HTTP/1.1 200 OK\r\nContent-Length: ", length $body, "\r\n\r\n", $body;
            }
        }
        close $socket;
    }
    return;
}

require POSIX;
1;
