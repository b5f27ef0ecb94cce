# Luacheck, a linter of some ten thousand lines of Lua, over all of Penlight: deep
# recursion from many files, a hundred thousand stacks, and an exit status of 1.

use strict;
use warnings;
use Test::More;
use SeepTest qw(vms show_json scratch);
use RealProgram qw(need_programs lua_environment label twice same_run check_rows check_stacks check_by_line top_lines);

my $PENLIGHT = '/usr/share/lua/5.1/pl';
my $ROWS_READ = 1000;   # of those with stacks, which are too many to read them all
my @WORDS = ('/usr/bin/luacheck', $PENLIGHT, '--no-config', '--no-cache');

need_programs(luacheck => 'lua-check');
plan skip_all => "$PENLIGHT is not there (package lua-penlight)" unless -d $PENLIGHT;

sub check_top_rows {
    my ($capture) = @_;
    my $answer = show_json($capture, '-n', $ROWS_READ);
    is(scalar @{$answer->{sites}}, $ROWS_READ, "more than $ROWS_READ rows with stacks");
    check_rows($answer);
    check_stacks($answer);
    my ($deepest) = sort { $b <=> $a } map { scalar @{$_->{stack}} } @{$answer->{sites}};
    cmp_ok($deepest, '>', 20, 'a parser and its visitors make deep stacks');
    return;
}

sub check_luacheck {
    my ($alone, $recorded, $capture) = @_;
    same_run($alone, $recorded);
    my $answer = check_by_line($capture) or return;
    cmp_ok($answer->{totals}{epochs}, '>', 2, 'some collections were seen');
    my @top = top_lines($capture, 10);
    ok((grep { m{/luacheck/} } @top) >= 5, 'most of the top lines are of luacheck') or diag join "\n", @top;
    check_top_rows($capture);
    note sprintf '%d lines, %d bytes of capture, %d allocations', scalar @{$answer->{sites}}, -s $capture,
        $answer->{totals}{alloc_count};
    return;
}

for my $vm (vms()) {
    subtest label($vm) => sub {
        my ($alone, $recorded, $capture) = twice(\@WORDS, lua => $vm, env => lua_environment($vm));
        plan skip_all => "luacheck does not run here: $alone->{err}" unless $alone->{out} =~ /warnings.*in \d+ files/;
        check_luacheck($alone, $recorded, $capture);
    };
}

subtest 'started by its own name' => sub {
    my ($alone, $recorded, $capture) = twice(['luacheck', "$PENLIGHT/List.lua"]);
    same_run($alone, $recorded);
    ok(check_by_line($capture), 'recorded through env');
};

done_testing;
