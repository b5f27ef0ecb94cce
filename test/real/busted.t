# Busted, a test framework: coroutine-like control by errors, environments, many
# closures, and an exit status that says whether tests failed.

use strict;
use warnings;
use Test::More;
use SeepTest qw(root vms);
use RealProgram qw(need_programs lua_environment label twice same_run check_by_line check_capture top_lines);

my $SPEC = root() . '/test/real/spec/penlight_spec.lua';

need_programs(busted => 'lua-busted');
plan skip_all => 'Penlight is not there (package lua-penlight)' unless -e '/usr/share/lua/5.1/pl/init.lua';

# TAP has no timings in it.
sub busted_words { my ($program, @options) = @_; return [$program, '-o', 'TAP', @options, $SPEC] }

sub check_busted {
    my ($check, $alone, $recorded, $capture) = @_;
    same_run($alone, $recorded);
    $check->($capture) or return;
    my @top = top_lines($capture, 10);
    ok((grep { m{/(?:busted|luassert|pl|cliargs|mediator|say|term)\b} } @top) >= 3, 'its modules are at the top') or diag join "\n", @top;
    return;
}

sub check_passing {
    my ($vm) = @_;
    my ($alone, $recorded, $capture) =
        twice(busted_words('/usr/bin/busted', '--exclude-tags=fails'), lua => $vm, env => lua_environment($vm));
    plan skip_all => "busted does not run here: $alone->{err}" unless $alone->{out} =~ /^1\.\.\d+$/m;
    is($alone->{status}, 0, 'all pass');
    check_busted(\&check_capture, $alone, $recorded, $capture);
    ok((grep { /penlight_spec\.lua/ } top_lines($capture, 5000)), 'lines of the spec file itself are there');
    return;
}

sub check_failing {
    my ($vm) = @_;
    my ($alone, $recorded, $capture) = twice(busted_words('/usr/bin/busted'), lua => $vm, env => lua_environment($vm));
    is($alone->{status}, 1, 'two do not pass');
    check_busted(\&check_by_line, $alone, $recorded, $capture);
    return;
}

for my $vm (vms()) {
    subtest label($vm) . ', all pass' => sub { check_passing($vm) };
    subtest label($vm) . ', some fail' => sub { check_failing($vm) };
}

subtest 'started by its own name' => sub {
    check_busted(\&check_by_line, twice(busted_words('busted', '--exclude-tags=fails')));
};

done_testing;
