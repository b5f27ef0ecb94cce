-- Automatic differentiation: operations are recorded on a tape that is never rewound.
local checkpoint = checkpoint or function() end
local tape = {}
local function record(op, a, b, value)
  local node = { op = op, a = a, b = b, value = value, grad = 0 } --@leak
  tape[#tape + 1] = node --@also
  return node
end
local function add(a, b) return record("+", a, b, a.value + b.value) end
local function mul(a, b) return record("*", a, b, a.value * b.value) end
local w, bias = { value = 0.5, grad = 0 }, { value = 0, grad = 0 }
for epoch = 1, 300 do
  local last
  for i = 1, 60 do
    local x = { value = i / 60, grad = 0 } --@also
    local y = add(mul(w, x), bias)
    last = add(y, { value = -2 * i / 60, grad = 0 }) --@also
  end
  w.value = w.value - 0.01 * last.value
  if epoch % 10 == 0 then checkpoint() end
end
print(w.value ~= 0, #tape)
