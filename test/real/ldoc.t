# LDoc over all of Penlight: a parser, templates that are compiled at run time, and
# forty pages written. Debian starts it through two programs that have no Lua in them.

use strict;
use warnings;
use Test::More;
use SeepTest qw(vms slurp);
use RealProgram qw(need_programs lua_environment label twice same_run same_text check_capture top_lines);

my $PENLIGHT = '/usr/share/lua/5.1/pl';
my @OPTIONS = ('--testing', '-d', 'pages', $PENLIGHT);   # --testing: without the date

need_programs(ldoc => 'lua-ldoc', 'lua-any' => 'lua-any');
plan skip_all => "$PENLIGHT is not there (package lua-penlight)" unless -d $PENLIGHT;

sub pages_in {
    my ($folder) = @_;
    my @paths = grep { -f } glob("$folder/pages/* $folder/pages/*/*");
    return map { substr($_, length "$folder/pages/") => slurp($_) } @paths;
}

sub same_pages {
    my ($alone, $recorded) = @_;
    my %expected = pages_in($alone->{folder});
    my %got = pages_in($recorded->{folder});
    cmp_ok(scalar keys %expected, '>', 30, 'many pages were written');
    is_deeply([sort keys %got], [sort keys %expected], 'the same pages');
    my @different = grep { ($got{$_} // '') ne $expected{$_} } sort keys %expected;
    is("@different", '', 'with the same content');
    return;
}

sub check_ldoc {
    my ($alone, $recorded, $capture) = @_;
    same_run($alone, $recorded);
    same_pages($alone, $recorded);
    my $answer = check_capture($capture) or return;
    cmp_ok(scalar @{$answer->{sites}}, '>', 1000, 'rows with stacks');
    my @top = top_lines($capture, 10);
    ok((grep { m{/ldoc/|/pl/template\.lua} } @top) >= 3, 'lines of ldoc and its templates are at the top') or diag join "\n", @top;
    return $answer;
}

for my $vm (vms()) {
    subtest label($vm) => sub {
        my ($alone, $recorded, $capture) = twice(['/usr/bin/ldoc', @OPTIONS], lua => $vm, env => lua_environment($vm));
        plan skip_all => "ldoc does not run here: $alone->{err}" unless $alone->{out} =~ /^output written to/;
        check_ldoc($alone, $recorded, $capture);
    };
}

subtest 'through its wrappers' => sub {
    my ($alone, $recorded, $capture) = twice(['ldoc', @OPTIONS]);
    my $answer = check_ldoc($alone, $recorded, $capture) or return;
    like($answer->{command}, qr{lua5\.\d .*/ldoc --testing}, 'env and the shell were passed through');
};

done_testing;
