-- Chunks loaded many times, so that prototypes come, go and take each other's
-- addresses; some with names of a megabyte.
local load = loadstring or load
local kept = {}
for i = 1, 1500 do
  local chunk = assert(load(("\n"):rep(i % 7) .. "local a = ... return { a, { a } }, function() return a end", "=chunk" .. i % 5))
  kept[i % 100] = { chunk(i) }
end
print(#kept)

local megabyte = ("m"):rep(2 ^ 20)
local outcomes = {}
for i, name in ipairs { "@" .. megabyte, "=" .. megabyte, megabyte, megabyte .. "\nsecond line" } do
  local chunk = assert(load("local t = {} for i = 1, 100 do t[i] = { i } end return t", name))
  outcomes[i] = chunk()
end
print(#outcomes, #outcomes[1])

local pieces, at = { "local x = {} ", "x[1] = { 'a' } ", "return x" }, 0
local reader = (loadstring and _G.load or load)
print(#assert(reader(function() at = at + 1 return pieces[at] end, "=pieces"))())
print(load("this is no Lua", "=(bad)"))
print(select("#", load("return (((((((((((((((((((1)))))))))))))))))))")()))
print(pcall(load(("local t = { "):rep(50) .. ("}"):rep(50))))

-- A long program, then thrown away.
local lines = {}
for i = 1, 3000 do lines[i] = "function f" .. i .. "() return { " .. i .. " } end" end
local env = {}
local program = table.concat(lines, "\n")
local chunk = setfenv and setfenv(load(program), env) or load(program, "=long", "t", env)
chunk()
print(env.f3000()[1])
env, chunk, program, lines = nil, nil, nil, nil
collectgarbage()
collectgarbage()
local again = assert(load("return { 'after' }", "=after"))
print(again()[1])
