#!/usr/bin/env perl
# The house rules that a machine can check: includes point down the layers, what
# runs inside a program uses libc alone, files stay readable.

use strict;
use warnings;
use Test::More;
use FindBin;

my $src = "$FindBin::Bin/../../src";

# What a folder may include, besides itself (ARCHITECTURE.md has the same table).
my %below = (
    base   => [],
    vm     => [qw(base)],
    store  => [qw(base)],
    record => [qw(base vm store)],
    heap   => [qw(base vm store)],
    model  => [qw(base vm store record)],
    verdict => [qw(base vm store record model)],
    report => [qw(base vm store record heap model verdict)],
    reach  => [qw(base vm store record heap)],
    lua    => [qw(base vm store record model verdict report reach)],
    cli    => [qw(base vm store record heap model verdict report reach)],
);

my @inside_hosts = (glob("$src/base/*.[ch] $src/vm/*.[ch] $src/record/*.[ch] $src/store/*.[ch] $src/model/*.[ch] $src/verdict/*.[ch] $src/lua/*.[ch]"),
    glob("$src/report/report.h $src/report/parts.h $src/report/table.c $src/reach/contract.h $src/reach/preload.c"));
my $libc = qr{^(?:sys/)?[a-z0-9_]+\.h$}; # and Lua's own headers, for the module

sub includes_of {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!";
    return map { /^\s*#\s*include\s+([<"])([^>"]+)[>"]/ ? [$1, $2] : () } <$file>;
}

for my $folder (sort keys %below) {
    my %allowed = map { $_ => 1 } $folder, @{$below{$folder}};
    my @bad;
    for my $path (glob("$src/$folder/*.[ch]")) {
        for my $include (includes_of($path)) {
            my ($quote, $name) = @$include;
            next if $quote eq '<';
            my ($layer) = $name =~ m{^([a-z]+)/};
            push @bad, "$path includes $name" unless $layer && $allowed{$layer};
        }
    }
    is_deeply(\@bad, [], "$folder includes only what is below it");
}

is_deeply([map { s{^.*/}{}r } grep { -d } glob("$src/*")], [sort keys %below], 'every folder is in the table');

{
    my @bad;
    for my $path (@inside_hosts) {
        for my $include (includes_of($path)) {
            push @bad, "$path includes <$include->[1]>" if $include->[0] eq '<' && $include->[1] !~ $libc;
        }
    }
    is_deeply(\@bad, [], 'what runs inside a program includes libc alone');
}

{
    my @long;
    for my $path (glob("$src/*/*.[ch]")) {
        open my $file, '<', $path or die "$path: $!";
        my $lines = () = <$file>;
        push @long, "$path has $lines lines" if $lines > 800;
    }
    is_deeply(\@long, [], 'no file is over 800 lines');
}

{
    my @versions = grep { !m{/vm/|/lua/compat\.h:?} } split /\n/, `grep -lE 'LUA_VERSION_NUM|LUAJIT_VERSION|lstate\\.h"|lj_obj\\.h"' $src/*/*.[ch]`;
    is_deeply(\@versions, [], 'versions are told apart in vm/, and of the public API in lua/compat.h, alone');
}

done_testing();
