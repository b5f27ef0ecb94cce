-- Open world: entities move over a grid; a cell is made when somebody comes in and stays when the last one leaves.
local checkpoint = checkpoint or function() end

local CELL = 16
local grid, cells = {}, 0

local function cell_at(x, y)
  local cx, cy = math.floor(x / CELL), math.floor(y / CELL)
  local key = cx * 65536 + cy
  local cell = grid[key]
  if not cell then
    cell = { cx = cx, cy = cy, members = {}, count = 0 } --@leak
    grid[key] = cell --@also
    cells = cells + 1
  end
  return cell
end

local function enter(entity)
  local cell = cell_at(entity.x, entity.y)
  cell.members[entity.id] = entity --@leak
  cell.count = cell.count + 1
  entity.cell = cell
end

local function leave(entity)
  local cell = entity.cell
  cell.members[entity.id] = nil
  cell.count = cell.count - 1
end

local seed = 1492
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n
end

local entities = {}
for id = 1, 40 do
  entities[id] = { id = id, x = 20000 + random(500), y = 20000 + random(500), dx = random(7) - 3, dy = random(7) - 3 }
  enter(entities[id])
end

local function move(entity)
  leave(entity)
  entity.x, entity.y = entity.x + entity.dx, entity.y + entity.dy
  enter(entity)
end

local function nearby(entity)
  local found = {}
  for _, other in pairs(entity.cell.members) do
    if other ~= entity then found[#found + 1] = { id = other.id, distance = math.abs(other.x - entity.x) } end
  end
  return #found
end

local met = 0
for frame = 1, 6000 do
  for _, entity in ipairs(entities) do
    move(entity)
    met = met + nearby(entity)
  end
  if frame % 150 == 0 then checkpoint() end
end
print(cells, met)
