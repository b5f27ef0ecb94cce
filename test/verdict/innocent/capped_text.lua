-- Console whose scroll-back text is cut to its newest four kilobytes.
local checkpoint = checkpoint or function() end
local text = ""
for second = 1, 9000 do
  text = text .. "[" .. second .. "] all is well\n"
  if #text > 4096 then text = text:sub(-2048) end
  if second % 250 == 0 then checkpoint() end
end
print(#text)
