local function a(i) return { i } end
local function b(i) return "flushed " .. i end
for r = 1, 5 do
  for i = 1, N / 5 do
    kept[i] = a(i)
    kept[i + N] = b(i + r * N)
    if i % 3 == r % 3 then
      kept[i + 2 * N] = { i, r }
    end
  end
  jit.flush()
end
for i = 1, N do
  other[i] = { a(i) }
  other[i + N] = {
    "z" .. i }
  if i == N / 2 then jit.flush() end
end
