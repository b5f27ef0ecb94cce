-- Table constructors of every shape.
local kept = {}
local function keep(...) kept[#kept + 1] = ... end
local function three() return 1, 2, 3 end

for i = 1, 200 do
  keep {}
  keep { i }
  keep { i, i, i, i, i }
  keep { x = i }
  keep { x = i, y = i, z = { i } }
  keep { i, x = i, [i + 10] = i, }
  keep { [1] = 1, [2] = 2, [2.5] = 3 }
  keep { three() }
  keep { three(), three() }
  keep { (three()) }
  keep {
    { { { { i } } } },
    function() return i end,
    "text" .. i,
    name = {
      i,
      i
    },
  }
  keep { [{}] = {}, [keep] = {} }
end

local function pack(...) return { ... } end
for i = 1, 100 do keep(pack(three(), i, three())) end

local long = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
  26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50,
  51, 52, 53, 54, 55, 56, 57, 58, 59, 60, three() }
print(#long, #kept)

-- Growing by assignment, shrinking by assignment, and holes.
local array, hash = {}, {}
for i = 1, 5000 do array[i] = i hash["k" .. i] = i end
for i = 5000, 10, -1 do array[i] = nil hash["k" .. i] = nil end
for i = 1, 1000 do array[i * 7] = i end
local count = 0
for _ in pairs(array) do count = count + 1 end
for _ in pairs(hash) do count = count + 1 end
print(count)

local moved = {}
for i = 1, 300 do table.insert(moved, 1, { i }) end
for i = 1, 100 do table.remove(moved, 1) end
print(#moved, moved[1][1])
table.sort(moved, function(a, b) return a[1] < b[1] end)
print(moved[1][1])

-- A source with a constructor of 3,000 items: several SETLISTs.
local parts = {}
for i = 1, 3000 do parts[i] = i % 3 == 0 and "{" .. i .. "}" or tostring(i) end
local big = (loadstring or load)("return {" .. table.concat(parts, ",\n") .. "}")
print(#big(), #big())
