package SeepTest;

# What the black-box tests share: which VMs there are, running the command as a
# user would, and reading what it answers. Everything a test writes goes to a
# folder of its own that is removed at the end.

use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname basename);
use File::Temp qw(tempdir);
use JSON::PP qw(decode_json);

our @EXPORT_OK = qw(root seepline_path vms execute seepline record record_fallback show_json rows_of scratch slurp spew captures_at
                    programs have_command lua_version module_environment run_lua why_not_recorded);

my $root = abs_path(dirname(__FILE__) . '/../..');
my $build = $ENV{BUILD} // "$root/build";
my $scratch;

sub root          { return $root }
sub seepline_path { return "$build/seepline" }

# A folder for this test alone.
sub scratch {
    $scratch //= tempdir('seepline-test-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    return $scratch;
}

sub have_command {
    my ($name) = @_;
    for my $folder (split /:/, $ENV{PATH}) { return "$folder/$name" if -x "$folder/$name" }
    return;
}

# The interpreters to test with: the one from outside (make test LUA=…), else
# every one of the five that is installed.
sub vms {
    return ($ENV{LUA}) if $ENV{LUA};
    return grep { have_command($_) } qw(lua5.1 lua5.2 lua5.3 lua5.4 luajit);
}

sub slurp {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "$path: $!";
    local $/;
    return scalar <$file>;
}

sub spew {
    my ($path, $content) = @_;
    open my $file, '>:raw', $path or die "$path: $!";
    print {$file} $content or die "$path: $!";
    close $file or die "$path: $!";
    return $path;
}

# Waits for a command that leads a session of its own; one that hangs is killed
# with all that it started. Returns its status, and whether that was needed.
sub wait_for {
    my ($pid, $seconds) = @_;
    my $timed_out = 0;
    local $SIG{ALRM} = sub { $timed_out = 1; kill KILL => -$pid };
    alarm $seconds;
    waitpid $pid, 0;
    my $wait = $?;
    alarm 0;
    return ($wait, $timed_out);
}

# Runs a command with its streams in files. Options: stdin => text, cwd => dir,
# env => {…} (undef removes), timeout => seconds (the alarm outlives the exec; a
# recorder passes it on). Whatever still runs after that, or after 100 s, is
# killed. Returns {status, signal, out, err, timed_out}.
my $runs = 0;
sub execute {
    my ($words, %options) = @_;
    my $base = scratch() . '/run' . $$ . '.' . $runs++;
    spew("$base.in", $options{stdin} // '');
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        POSIX::setsid();
        chdir $options{cwd} or die if $options{cwd};
        for my $name (keys %{$options{env} // {}}) {
            my $value = $options{env}{$name};
            if (defined $value) { $ENV{$name} = $value } else { delete $ENV{$name} }
        }
        open STDIN,  '<', "$base.in"  or die;
        open STDOUT, '>', "$base.out" or die;
        open STDERR, '>', "$base.err" or die;
        alarm $options{timeout} if $options{timeout};
        exec { $words->[0] } @$words or do { print STDERR "exec: $!\n"; POSIX::_exit(127) };
    }
    my ($wait, $timed_out) = wait_for($pid, ($options{timeout} // 80) + 20);
    return {
        status => $wait >> 8, signal => $wait & 127, pid => $pid, timed_out => $timed_out,
        out => slurp("$base.out"), err => slurp("$base.err"),
    };
}

sub seepline {
    my @words = @_;
    my %options = ref $words[-1] eq 'HASH' ? %{pop @words} : ();
    return execute([seepline_path(), @words], %options);
}

# Records `script` under `vm` and returns (result, capture path).
my $captures = 0;
sub record {
    my ($vm, $script, @arguments) = @_;
    my %options = @arguments && ref $arguments[-1] eq 'HASH' ? %{pop @arguments} : ();
    my $capture = scratch() . '/capture' . $captures++ . '.seep';
    my @run_options = @{delete $options{run_options} // ['--no-summary']};
    my $result = execute([seepline_path(), 'run', @run_options, '-o', $capture, '--lua', $vm, $script, @arguments], %options);
    return ($result, $capture);
}

# Records a command with a fall-back that the library is told to take by a word of its
# request (src/reach/contract.h) that `run` never says. Options as for execute.
my %mode_number = (exact => 1, sample => 2, line => 3, call => 4, count => 5);
sub record_fallback {
    my ($fallback, $mode, $words, %options) = @_;
    my $capture = scratch() . "/$fallback" . $captures++ . '.seep';
    my ($library) = grep { -e } map { "$_/libseepline-preload.so" } seepline_path() =~ s{/[^/]*$}{}r;
    my %request = (SEEPLINE_RUN => "0123456789abcdef:-:$capture",
                   SEEPLINE_MODE => "$mode_number{$mode}:1000:$fallback", LD_PRELOAD => $library);
    my $env = { %request, %{delete $options{env} // {}} };
    return (execute($words, %options, env => $env), $capture);
}

# Why an interpreter from outside is not recorded block by block, in the command's words: its version, or how it was built.
# Nothing for those that must be: the packaged ones, and whatever fails for another reason.
my %unrecorded;
sub why_not_recorded {
    my ($vm) = @_;
    return if !$ENV{LUA};
    $unrecorded{$vm} //= do {
        my $script = spew(scratch() . '/empty.lua', '');
        my $result = seepline('run', '--no-summary', '--no-snapshot', '-o', scratch() . '/empty.seep', '--', $vm, $script);
        $result->{status} == 125 && $result->{err} =~ /was not recorded: (.*(?:not described for modes|lets nobody replace its allocator).*)/ ? $1 : '';
    };
    return $unrecorded{$vm} || undef;
}

# The captures of a pattern, without the heap snapshots beside them.
sub captures_at {
    my ($pattern) = @_;
    return grep { !/\.heap\.seep$/ } glob($pattern);
}

# The decoded answer of `show --json`, or undef; in list context also the result.
sub show_json {
    my ($what, @options) = @_;
    my $result = seepline('show', $what, '--json', @options);
    my $answer = $result->{status} == 0 ? decode_json($result->{out}) : undef;
    return wantarray ? ($answer, $result) : $answer;
}

# The rows of an answer that a predicate picks.
sub rows_of {
    my ($answer, $wanted) = @_;
    return grep { $wanted->($_) } @{$answer->{sites}};
}

# "5.1" to "5.4" (LuaJIT is a 5.1).
my %versions;
sub lua_version {
    my ($vm) = @_;
    $versions{$vm} //= execute([$vm, '-e', 'io.write((_VERSION:match("%d+%.%d+")))'])->{out};
    return $versions{$vm};
}

# What a program needs in its environment to find the module and the drop-in: those of this build, for INCLUDE the one
# that was compiled with it.
sub module_environment {
    my ($vm) = @_;
    my $version = $ENV{INCLUDE} ? 'given' : lua_version($vm);
    my $there = ";;";
    return { LUA_CPATH => "$build/lua/$version/?.so$there", LUA_PATH => "$build/lua/?.lua$there",
             map { $_ => undef } map { ("LUA_PATH_$_", "LUA_CPATH_$_") } qw(5_2 5_3 5_4 5_5) };
}

# Runs Lua text with the module at hand, in the scratch folder. Options as for execute, and arguments => […].
my $scripts = 0;
sub run_lua {
    my ($vm, $text, %options) = @_;
    my $name = delete $options{name} // 'script' . $scripts++ . '.lua';
    my @arguments = @{delete $options{arguments} // []};
    my $env = { %{module_environment($vm)}, %{delete $options{env} // {}} };
    spew(scratch() . "/$name", $text);
    return execute([@{delete $options{before} // []}, $vm, $name, @arguments], cwd => scratch(), env => $env, %options);
}

# The Lua programs that every VM must survive and count right.
sub programs { return sort glob("$root/test/programs/*.lua") }

# Whoever starts the tests may have some signals ignored (nohup, a job in the
# background), and ignored signals are inherited; programs here get the usual.
$SIG{$_} = 'DEFAULT' for qw(HUP INT QUIT TERM PIPE USR1 USR2);

require POSIX;
1;
