#!/usr/bin/perl
# The hook modes against a measure of their own: the program reads its count before
# and after the work of a line, on that line, and the recording must say the same.
use strict;
use warnings;
use Test::More;
use SeepTest qw(root vms record show_json slurp spew scratch have_command);
use HookTest qw(record_mode record_publicly sum);

my $program = root() . '/test/hooks/lines.lua';

# "--@name" marks a line.
my %line_of;
{
    my $number = 0;
    for my $line (split /\n/, slurp($program)) {
        $number++;
        $line_of{$1} = $number if $line =~ /--\@(\w+)$/;
    }
}

sub by_line {
    my ($capture) = @_;
    my ($answer) = show_json($capture, '--by', 'line');
    return { map { $_->{line} => $_ } grep { $_->{file} =~ /lines\.lua$/ } @{$answer->{sites}} };
}

sub check_lines {
    my ($rows, $printed) = @_;
    my %expected = map { split ' ' } split /\n/, $printed;
    for my $name (grep { $_ ne 'error' } sort keys %expected) {
        my $row = $rows->{$line_of{$name}};
        is($row->{growth_bytes}, $expected{$name}, "line $line_of{$name}, $name");
        is($row->{gain_bytes}, $expected{$name}, 'all of it gained');
    }
}

# PUC gives memory of the stack back when an error unwinds it, and takes it again for
# the next frames: not more than a table or two.
sub check_errors {
    my ($rows, $printed) = @_;
    my %expected = map { split ' ' } split /\n/, $printed;
    my %gained = map { $_ => $rows->{$line_of{$_}}{gain_bytes} } qw(error outer);
    my %least = (error => $expected{error}, outer => 2 * $expected{middle});
    for my $name (qw(error outer)) {
        cmp_ok($gained{$name}, '>=', $least{$name}, "$name: it gained what it made");
        cmp_ok($gained{$name}, '<', $least{$name} + 2 * $expected{middle}, 'and not what the other made');
    }
}

for my $vm (vms()) {
    subtest "$vm: lines" => sub {
        my ($result, $capture) = record_mode('line', $vm, $program);
        is($result->{status}, 0, 'it ran') or diag $result->{err};
        check_lines(by_line($capture), $result->{out});
        check_errors(by_line($capture), $result->{out});
    };
    subtest "$vm: lines by the public API alone" => sub {
        my ($result, $capture) = record_publicly('line', $vm, $program);
        is($result->{status}, 0, 'it ran') or diag $result->{err};
        my ($answer) = show_json($capture);
        is($answer->{mode}, 'line', 'it is a recording by hooks');
        check_lines(by_line($capture), $result->{out});
        check_errors(by_line($capture), $result->{out});
    };
}

done_testing();
