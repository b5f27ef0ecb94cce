-- Functions of a module in C, called in several ways.
package.cpath = arg[1]
local native = require "native"
native.work()
local run = native.get_hidden()
run()
native.object():poke()
