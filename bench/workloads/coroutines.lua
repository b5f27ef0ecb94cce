-- Coroutines: many threads made, resumed, finished and abandoned.
--
-- Mental model: a scheduler runs a bounded population of tasks in turns. Each task is a coroutine that allocates in
-- its own stack, reads from a generator (a coroutine of its own, so resumes nest two deep), and either ends,
-- fails with an error, or is abandoned half-way for the collector to find. What a task makes is allocated inside
-- a coroutine: a profiler that only looks at the main thread sees nothing here but `resume`.
--
-- Argument: the number of tasks (default 250000).

local TASK_COUNT = tonumber((...)) or 250000
local POPULATION = 200

local seed = 99
local function random(limit)
  seed = (seed * 16807) % 2147483647
  return seed % limit
end

local function numbers(first, count)
  return coroutine.wrap(function()
    for value = first, first + count - 1 do
      coroutine.yield({ value = value })
    end
  end)
end

local function work(id, step_count)
  local sum = 0
  for item in numbers(id, step_count) do
    local squares = { item.value, item.value * 2 }
    sum = (sum + squares[1] + squares[2]) % 1000003
    coroutine.yield(sum)
  end
  if id % 17 == 0 then
    error({ failed = id })
  end
  return { sum = sum }
end

local function spawn(id)
  return {
    thread = coroutine.create(work),
    id = id,
    step_count = random(6) + 1,
    -- One task in eight is dropped before its end.
    steps_left = random(8) == 0 and 2 or 1000,
  }
end

local tally = { finished = 0, failed = 0, abandoned = 0, sum = 0 }

-- One turn of a task. The answer says whether the task wants another.
local function take_turn(task)
  if task.steps_left == 0 then
    tally.abandoned = tally.abandoned + 1
    return false
  end
  task.steps_left = task.steps_left - 1
  local ok, result = coroutine.resume(task.thread, task.id, task.step_count)
  if not ok then
    tally.failed = tally.failed + 1
    return false
  end
  if coroutine.status(task.thread) == "dead" then
    tally.finished = tally.finished + 1
    tally.sum = (tally.sum + result.sum) % 1000003
    return false
  end
  return true
end

local function run_all()
  local slots, next_id, alive = {}, 1, true
  while alive do
    alive = false
    for slot = 1, POPULATION do
      if not slots[slot] and next_id <= TASK_COUNT then
        slots[slot] = spawn(next_id)
        next_id = next_id + 1
      end
      if slots[slot] then
        alive = true
        slots[slot] = take_turn(slots[slot]) and slots[slot] or nil
      end
    end
  end
end

run_all()
print(string.format("coroutines %d: %d finished, %d failed, %d abandoned, sum %d",
  TASK_COUNT, tally.finished, tally.failed, tally.abandoned, tally.sum))
