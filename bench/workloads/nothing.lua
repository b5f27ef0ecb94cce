-- Nothing: a program that computes for a while and allocates nothing.
--
-- Mental model: everything is made before the loop. The loop then walks a ring of linked tables, updates fields
-- with constant names, multiplies rows of a matrix in place, and calls functions. A profiler that works at the
-- allocator must cost nothing here; one that works with a line hook pays for every line.
--
-- Argument: the number of rounds (default 10000).

local ROUND_COUNT = tonumber((...)) or 10000
local RING_SIZE = 1000
local MATRIX_SIZE = 16

local function make_ring()
  local first = { value = 1, visits = 0 }
  local last = first
  for index = 2, RING_SIZE do
    last.next = { value = index, visits = 0 }
    last = last.next
  end
  last.next = first
  return first
end

local function make_matrix(offset)
  local matrix = {}
  for row = 1, MATRIX_SIZE do
    matrix[row] = {}
    for column = 1, MATRIX_SIZE do
      matrix[row][column] = (row * 7 + column * 3 + offset) % 10
    end
  end
  return matrix
end

-- The walk carries its sum modulo a prime, so that it stays the same whether numbers are integers or doubles.
local function walk_ring(node, sum)
  for _ = 1, RING_SIZE do
    node.visits = node.visits + 1
    sum = (sum * 31 + node.value) % 1000003
    node = node.next
  end
  return sum
end

local function multiply(left, right, result)
  for row = 1, MATRIX_SIZE do
    local left_row, result_row = left[row], result[row]
    for column = 1, MATRIX_SIZE do
      local sum = 0
      for index = 1, MATRIX_SIZE do
        sum = sum + left_row[index] * right[index][column]
      end
      result_row[column] = sum % 97
    end
  end
end

local ring = make_ring()
local left, right, result = make_matrix(1), make_matrix(2), make_matrix(0)
local sum = 0
for _ = 1, ROUND_COUNT do
  sum = walk_ring(ring, sum)
  multiply(left, right, result)
  left, result = result, left
end
print(string.format("nothing %d: sum %d, corner %d, visits %d", ROUND_COUNT, sum, left[1][1], ring.visits))
