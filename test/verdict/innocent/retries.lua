-- Sender with a retry queue: while the other side is away it grows, then it is emptied, three times in all.
local checkpoint = checkpoint or function() end
local queue, sent, first = {}, 0, 1
local function send(message, up)
  if up then sent = sent + 1 else queue[#queue + 1] = { message = message, tries = 1 } end
end
local function retry(up)
  if not up then return end
  while queue[first] do
    sent = sent + 1
    queue[first] = false
    first = first + 1
    if first % 50 == 0 then break end
  end
  if not queue[first] then queue, first = {}, 1 end
end
for second = 1, 600 do
  local up = not ((second > 100 and second < 160) or (second > 260 and second < 330) or (second > 400 and second < 450))
  for i = 1, 30 do send({ id = second * 30 + i, text = "message " .. i, tags = { "a", "b" } }, up) end
  retry(up)
  if second % 15 == 0 then checkpoint() end
end
print(sent)
