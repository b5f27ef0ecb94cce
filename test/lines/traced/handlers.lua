local seen = {}
local handlers = {
  function(i) seen[i] = { i } end,
  function(i)
    local entry = { at = i }
    kept[i] = entry
  end,
  function(i) list[#list + 1] = { i } end,
}
for i = 1, N do
  for _, handler in ipairs(handlers) do
    handler(i)
  end
  local h = handlers[i % 3 + 1]
  h(i)
end
