# The tests run on every VM that is installed. One that is missing would leave no trace but a smaller number at the end,
# so this says it. With an interpreter from outside (LUA=…) there is nothing to ask for.

use strict;
use warnings;
use Test::More;
use SeepTest qw(vms have_command);

plan skip_all => "the tests run on $ENV{LUA} alone" if $ENV{LUA};

for my $vm (qw(lua5.1 lua5.2 lua5.3 lua5.4 luajit)) {
    ok(have_command($vm), "$vm is installed (dev/install-packages test)");
    is(scalar(grep { $_ eq $vm } vms()), 1, "and the tests run on it");
}
done_testing;
