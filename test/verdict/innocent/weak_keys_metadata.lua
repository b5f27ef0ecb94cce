-- Document tree: remarks of a checker are put beside the nodes in a table with weak keys and go with the nodes.
local checkpoint = checkpoint or function() end

local remarks = setmetatable({}, { __mode = "k" })
local seed = 8848
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function node(tag, depth)
  local self = { tag = tag, children = {} }
  if depth > 0 then
    for i = 1, 1 + random(3) do self.children[i] = node("h" .. depth, depth - 1) end
  else
    self.text = "text " .. random(500)
  end
  return self
end

local function remark(target, text)
  local list = remarks[target]
  if not list then
    list = {}
    remarks[target] = list
  end
  list[#list + 1] = { text = text, severity = random(3) }
end

local function check(target)
  local count = 1
  if #target.children > 2 then remark(target, "too many children: " .. #target.children) end
  if target.text and #target.text < 7 then remark(target, "short text: " .. target.text) end
  for _, child in ipairs(target.children) do count = count + check(child) end
  return count
end

local function severity(target)
  local sum = 0
  for _, one in ipairs(remarks[target] or {}) do sum = sum + one.severity end
  for _, child in ipairs(target.children) do sum = sum + severity(child) end
  return sum
end

local checked, sum = 0, 0
for round = 1, 40 do
  for _ = 1, 22 do
    local document = node("root", 5)
    checked = checked + check(document)
    sum = sum + severity(document)
  end
  checkpoint()
end
print(checked, sum)
