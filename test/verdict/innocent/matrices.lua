-- Linear algebra: powers of matrices; every product is a new matrix and the operands are dropped.
local checkpoint = checkpoint or function() end

local Matrix = {}
Matrix.__index = Matrix

function Matrix.new(size, fill)
  local m = setmetatable({ size = size }, Matrix)
  for i = 1, size do
    local row = {}
    for j = 1, size do row[j] = fill(i, j) end
    m[i] = row
  end
  return m
end

Matrix.__mul = function(a, b)
  return Matrix.new(a.size, function(i, j)
    local sum = 0
    for k = 1, a.size do sum = sum + a[i][k] * b[k][j] end
    return sum % 9973
  end)
end

function Matrix:trace()
  local sum = 0
  for i = 1, self.size do sum = sum + self[i][i] end
  return sum
end

local function power(matrix, exponent)
  local result = Matrix.new(matrix.size, function(i, j) return i == j and 1 or 0 end)
  while exponent > 0 do
    if exponent % 2 == 1 then result = result * matrix end
    matrix = matrix * matrix
    exponent = math.floor(exponent / 2)
  end
  return result
end

local sum = 0
for round = 1, 36 do
  for size = 4, 16, 4 do
    local base = Matrix.new(size, function(i, j) return (i * round + j) % 11 end)
    sum = sum + power(base, 4000 + round):trace()
  end
  checkpoint()
end
print("sum", sum)
