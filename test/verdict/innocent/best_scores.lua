-- High scores: a heap that keeps the best 800 of all that come in.
local checkpoint = checkpoint or function() end

local KEEP = 800
local heap, size = {}, 0

local seed = 10007
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function swap(i, j) heap[i], heap[j] = heap[j], heap[i] end

local function sift_up(i)
  while i > 1 do
    local parent = math.floor(i / 2)
    if heap[parent].points <= heap[i].points then return end
    swap(i, parent)
    i = parent
  end
end

local function sift_down()
  local i = 1
  while i * 2 <= size do
    local child = i * 2
    if child < size and heap[child + 1].points < heap[child].points then child = child + 1 end
    if heap[i].points <= heap[child].points then return end
    swap(i, child)
    i = child
  end
end

local function offer(score)
  if size < KEEP then
    size = size + 1
    heap[size] = score
    sift_up(size)
  elseif score.points > heap[1].points then
    heap[1] = score
    sift_down()
  end
end

local function play(number)
  local moves, points = {}, 0
  for i = 1, 10 do
    moves[i] = random(6)
    points = points + moves[i] * random(6)
  end
  -- Players get better with time, so the list keeps changing.
  return { player = "player" .. random(3000), points = points + number / 900, moves = moves }
end

local number = 0
for day = 1, 48 do
  for _ = 1, 2100 do
    number = number + 1
    offer(play(number))
  end
  checkpoint()
end
print(size, number)
