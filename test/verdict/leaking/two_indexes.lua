-- Entity store: entities are found by number and by name; removing one clears only the first index.
local checkpoint = checkpoint or function() end

local Store = { by_id = {}, by_name = {}, next_id = 1 }

local seed = 77
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function vector(x, y)
  return { x = x, y = y } --@also
end

function Store:spawn(kind)
  local id = self.next_id
  self.next_id = id + 1
  local entity = { id = id, name = kind .. "_" .. id, position = vector(random(100), random(100)), speed = vector(1, 0) } --@leak
  self.by_id[id] = entity
  self.by_name[entity.name] = entity --@also
  return entity
end

function Store:remove(entity)
  self.by_id[entity.id] = nil
end

function Store:step()
  for _, entity in pairs(self.by_id) do
    entity.position.x = (entity.position.x + entity.speed.x) % 100
  end
end

local alive = {}
for frame = 1, 6000 do
  for _ = 1, 3 do
    alive[#alive + 1] = Store:spawn(random(2) == 1 and "orc" or "elf")
  end
  while #alive > 250 do
    Store:remove(table.remove(alive, 1))
  end
  Store:step()
  if frame % 200 == 0 then checkpoint() end
end
print("alive", #alive)
