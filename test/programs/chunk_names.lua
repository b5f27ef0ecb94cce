-- Chunk names that could hurt whoever prints them. What they allocate stays.
local load = loadstring or load
kept = {}
local names = {
  "@</script><script>alert(1)</script>",
  "=\27[2J\27[31mred\27]0;title\7",
  "@bad\255\254utf8\192\128.lua",
  "=\155" .. "31mC1",
  "@with\nnewline\rreturn\tand tab",
  "@quote\"back\\slash'",
  "return '</script>' -- \27[0m text of a program \255",
  "@",
  "=",
  "",
  "=" .. ("long"):rep(300),
  "@-- a=%s%n%d",
  "=a\226\128\174b",
  "\n\nthird line",
}
for i, name in ipairs(names) do
  local chunk = assert(load("local t = {}\nfor i = 1, 50 do t[i] = { i } end\nreturn t", name))
  kept[i] = chunk()
end
local zero = load("return { 1 }", "=zero\0inside")
kept[#kept + 1] = zero and zero()
print(#kept, #names)
