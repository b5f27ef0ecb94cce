-- Directory scanner: at every depth of the recursion it notes what it saw; the notes of all scans are kept.
local checkpoint = checkpoint or function() end

local notes = {}
local seed = 2718
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function make_tree(depth)
  local folder = { files = random(9), folders = {} }
  if depth > 0 then
    for i = 1, 2 + random(2) do folder.folders["dir" .. i] = make_tree(depth - 1) end
  end
  return folder
end

local function is_interesting(folder) return folder.files == 1 + random(9) end

local function scan(folder, path, depth)
  local bytes = folder.files * 100
  local names = {}
  for name in pairs(folder.folders) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    bytes = bytes + scan(folder.folders[name], path .. "/" .. name, depth + 1) --@also
  end
  if is_interesting(folder) then
    notes[#notes + 1] = { path = path, depth = depth, bytes = bytes } --@leak
  end
  return bytes
end

local tree = make_tree(5)
local total = 0
for round = 1, 45 do
  for _ = 1, 8 do total = total + scan(tree, "/home/user" .. round, 0) end --@also
  checkpoint()
end
print(total, #notes)
