-- C functions that call Lua functions that call C functions.
local kept = {}
local function note(x) local t = { x } kept[#kept + 1] = t return t end
local items = {}
for i = 1, 300 do items[i] = (i * 7919) % 1000 end
table.sort(items, function(a, b) note(a) return a < b end)
print(items[1], items[300])
print((("abc def ghi"):gsub("%a+", function(word)
  note(word)
  return (word:gsub(".", function(letter) note(letter) return letter:upper() end))
end)))
print(select("#", pcall(pcall, pcall, note, 1)))
for name in ("a,b,c"):gmatch("[^,]+") do note(name) end
print(tostring(setmetatable({}, { __tostring = function() note("tostring") return "shown" end })))
package.preload["a module"] = function(...) note(...) return { "module" } end
print(require("a module")[1], #kept > 300)
print(pcall(table.sort, { 3, 1, 2 }, function() error({ note("fails") }) end) == false)
local iterate = function(t, i) i = i + 1 if t[i] then return i, note(t[i]) end end
for _, t in iterate, { 1, 2, 3 }, 0 do assert(t) end
