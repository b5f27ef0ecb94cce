#!/usr/bin/env perl
# What functions are called: in the programmer's own words where their source is to be had, and never worse than the
# debug.traceback of 5.4. shapes.lua says for each function what it should be called, and prints what traceback says.

use strict;
use warnings;
use Test::More;
use FindBin;
use lib "$FindBin::Bin/../lib";
use SeepTest qw(vms record execute seepline show_json scratch slurp spew lua_version have_command);

my $shapes = slurp("$FindBin::Bin/shapes.lua");

# Lines of the program, by number: [with the source, without it].
sub expectations {
    my @lines = split /\n/, $shapes;
    my %wanted;
    for my $i (0 .. $#lines) { $wanted{$i + 1} = [$1, $2] if $lines[$i] =~ /--: (.*) \| (.*)/ }
    return \%wanted;
}

# What a capture calls the functions on the lines of a file; a line on which the main chunk makes a function is both's.
sub names_in {
    my ($capture, $file) = @_;
    my %names;
    for my $row (@{show_json($capture)->{sites}}) {
        next if $row->{file} ne $file;
        my $known = $names{$row->{line}};
        $names{$row->{line}} = $row->{function} if !defined $known || $known eq 'main chunk';
    }
    return \%names;
}

sub plain { return $_[0] =~ s/^anonymous <.*>$/anonymous/r }

# Compares all lines at once: what differs is listed. `which`: 0 with the source, 1 without it.
sub names_are {
    my ($names, $which, $what) = @_;
    my $wanted = expectations();
    my %got = map { $_ => plain($names->{$_} // 'nothing') } keys %$wanted;
    my %should = map { $_ => $wanted->{$_}[$which] } keys %$wanted;
    cmp_ok(scalar keys %should, '>', 25, 'there are functions to name');
    return is_deeply(\%got, \%should, $what);
}

sub run_shapes {
    my ($vm, @arguments) = @_;
    my $program = spew(scratch() . '/shapes.lua', $shapes);
    my ($result, $capture) = record($vm, $program, @arguments);
    is($result->{status}, 0, 'the program runs') or diag($result->{err});
    return ($program, $capture, $result->{out});
}

# -- With the source and without it ------------------------------------------------

sub test_source {
    my ($vm) = @_;
    my ($program, $capture) = run_shapes($vm);
    names_are(names_in($capture, $program), 0, 'the source says it');
    my $text = seepline('show', $capture, '-n', 99999)->{out};
    like($text, qr/shapes\.lua:\d+ +Account:deposit\n/, 'so does the table');
    like($text, qr/\Q[string "..."]:4\E +inside\n/, 'a chunk that was loaded from a text has its own');
    like($text, qr/\Q[string "..."]:8\E +list\.deep\.down\n/, 'at any depth');
    like($text, qr/\Q[string "..."]:13\E +local f\n/, 'or is named by its call');
}

sub test_gone {
    my ($vm) = @_;
    my ($program, $capture, $said) = run_shapes($vm, 'gone');
    ok(!-e $program, 'the source is gone');
    my $names = names_in($capture, $program);
    names_are($names, 1, 'calls and package.loaded say it');
    compare_with_traceback($names, $said) if $vm eq 'lua5.4';
}

# "upvalue 'handler'" is what we call upvalue handler; an event has its underscores.
sub in_our_words {
    my ($said) = @_;
    return 'anonymous' if $said =~ /^function </ || $said =~ /^\w+ 'integer index'$/;
    return 'for iterator' if $said =~ /^for iterator/;
    return 'hook' if $said =~ /^hook/;
    return $said =~ s/^metamethod '(?:__)?(\w+)'$/metamethod __$1/r if $said =~ /^metamethod/;
    return $1 if $said =~ /^function '(.*)'$/;
    return $said =~ s/^(\w+) '(.*)'$/$1 $2/r;
}

sub compare_with_traceback {
    my ($names, $said) = @_;
    my $wanted = expectations();
    my %traced = map { /^(\d+)\t(.*)/ ? ($1 => in_our_words($2)) : () } split /\n/, $said;
    my @lines = grep { exists $traced{$_} } keys %$wanted;
    cmp_ok(scalar @lines, '>', 25, 'traceback has spoken');
    is_deeply({map { $_ => plain($names->{$_}) } @lines}, {map { $_ => $traced{$_} } @lines},
        'without a source, the same as the traceback of 5.4');
}

# A source that is not the one that ran says nothing.
sub test_changed {
    my ($vm) = @_;
    my ($program, $capture) = run_shapes($vm);
    spew($program, "local function liar()\nend\n" . $shapes =~ s/^function (\w+)/function liar_$1/gmr);
    my $newer = names_in($capture, $program);
    names_are($newer, 1, 'a newer file is not read');
    utime 1, 1, $program;
    my $older = names_in($capture, $program);
    is((scalar grep { /liar/ } values %$older), 0, 'functions on other lines are not taken for these');
}

sub test_text {
    my ($vm) = @_;
    spew(scratch() . '/shapes.lua', $shapes);
    my $loader = spew(scratch() . '/loader.lua', 'local f = io.open(arg[1]) local text = f:read("*a") f:close()'
        . ' assert((loadstring or load)(text))()');
    my ($result, $capture) = record($vm, $loader, scratch() . '/shapes.lua');
    is($result->{status}, 0, 'a program runs that is loaded as a text') or diag($result->{err});
    my ($file) = map { $_->{file} } grep { $_->{file} =~ /Functions of every/ } @{show_json($capture)->{sites}};
    my $names = names_in($capture, $file);
    is($names->{line_of('a.b.c')}, 'a.b.c', 'its text says what its functions are called');
    is($names->{line_of('t.on.click')}, 't.on.click', 'at any depth');
    is($names->{line_of('Account:deposit')}, 'Account:deposit', 'methods too');
    is($names->{line_of('upvalue handler')}, 'upvalue handler', 'what it does not say, a call does');
}

sub line_of {
    my ($name) = @_;
    my $wanted = expectations();
    my ($line) = grep { $wanted->{$_}[0] eq $name } keys %$wanted;
    return $line;
}

sub test_stripped {
    my ($vm) = @_;
    plan skip_all => 'this Lua cannot strip a function' if $vm !~ /jit/ && lua_version($vm) < 5.3;
    spew(scratch() . '/plain.lua', $shapes);
    my $program = spew(scratch() . '/stripped.lua', 'local f = assert(loadfile(arg[1]))'
        . ' local s = string.dump(f, true) f = nil (loadstring or load)(s, "=stripped", "b")()');
    my ($result, $capture) = record($vm, $program, scratch() . '/plain.lua');
    is($result->{status}, 0, 'it runs') or diag($result->{err});
    my %names = map { $_->{function} => 1 } @{show_json($capture)->{sites}};
    ok($names{$_}, "$_ is told without lines and locals")
        for 'global_one', 'field c', 'method deposit', 'shapes.module.exported', 'metamethod __index', 'for iterator';
}

# -- C functions --------------------------------------------------------------------

sub compile_native {
    my ($vm) = @_;
    my $flags = $ENV{INCLUDE} ? "-I$ENV{INCLUDE}" : execute(['pkg-config', '--cflags', $vm])->{out} =~ s/\s+$//r;
    my $built = execute(['gcc', '-shared', '-fPIC', split(' ', $flags), '-o', scratch() . '/native.so', "$FindBin::Bin/native.c"]);
    is($built->{status}, 0, 'the module compiles') or diag($built->{err});
}

sub test_native {
    my ($vm) = @_;
    plan skip_all => 'no compiler' if !have_command('gcc') || !have_command('pkg-config');
    compile_native($vm);
    my ($result, $capture) = record($vm, "$FindBin::Bin/native.lua", scratch() . '/?.so');
    is($result->{status}, 0, 'it runs') or diag($result->{err});
    my %leaves = map { $_->{type} eq 'table' ? (($_->{stack}[0] // {})->{function} // '' => 1) : () } @{show_json($capture)->{sites}};
    ok($leaves{$_}, "$_ is told") for 'native.work', 'local run', 'method poke';
}

# -- The modes ------------------------------------------------------------------------

# Modes that set a hook of their own: the program's would end the recording.
sub test_mode {
    my ($vm, $mode) = @_;
    my $program = spew(scratch() . '/shapes.lua', $shapes);
    my ($result, $capture) = record($vm, $program,
        { run_options => ['--no-summary', '--mode', $mode], env => { SHAPES_WITHOUT_HOOK => 1 } });
    is($result->{status}, 0, 'it runs') or diag($result->{err});
    my %names = map { $_->{function} // '' => 1 } map { @{$_->{stack}} } @{show_json($capture)->{sites}};
    ok($names{$_}, "$_ is told") for 'Account:deposit', 't.on.click', 'upvalue handler', 'local f', 'metamethod __index';
}

for my $vm (vms()) {
    subtest "$vm: with the source" => sub { test_source($vm) };
    subtest "$vm: the source is gone" => sub { test_gone($vm) };
    subtest "$vm: the source has changed" => sub { test_changed($vm) };
    subtest "$vm: loaded from a text" => sub { test_text($vm) };
    subtest "$vm: stripped" => sub { test_stripped($vm) };
    subtest "$vm: functions in C" => sub { test_native($vm) };
    subtest "$vm: mode $_" => sub { test_mode($vm, $_) } for qw(line call);
}

done_testing();
