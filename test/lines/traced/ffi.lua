local ffi = require "ffi"
ffi.cdef "typedef struct { int a; double b; } seep_pair;"
local pair = ffi.typeof("seep_pair")
local sum = 0LL
for i = 1, N do
  local p = pair(i, i)
  kept[i] = p
  local q = ffi.new("seep_pair")
  list[i] = q
  other[i] = ffi.cast("int64_t", i)
  sum = sum + i
  other[-i] = sum
  other[i + N] = ffi.string("abc" .. i, 3 + i % 2)
end
