# A library that is loaded late gets its thread-local variables from a small reserve that the C library keeps (less than
# 2 KiB for all such libraries together): what the modules ask for must stay far below it, or `require` fails.
use strict;
use warnings;
use SeepTest qw(root have_command);
use Test::More;

plan skip_all => 'readelf (binutils) is not there' if !have_command('readelf');

my $build = $ENV{BUILD} // root() . '/build';
my @modules = glob("$build/lua/*/seepline.so");
cmp_ok(scalar @modules, '>=', 4, 'a module for each Lua');
for my $module (@modules) {
    my ($size) = map { hex } map { /^\s*TLS\s+(?:0x\w+\s+){4}0x(\w+)/ ? $1 : () } split /\n/, `readelf -lW '$module'`;
    cmp_ok($size // 0, '<=', 512, "$module: bytes of thread-local variables");
}

done_testing;
