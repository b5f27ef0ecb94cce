-- Console: everything that is ever printed is appended to one string for the scroll-back buffer.
local checkpoint = checkpoint or function() end
local console = { text = "", lines = 0 }
local function put(line)
  console.text = console.text .. line .. "\n" --@leak
  console.lines = console.lines + 1
end
for second = 1, 1500 do
  put("[" .. second .. "] server: " .. ("all is well "):rep(second % 4 + 1))
  if second % 50 == 0 then checkpoint() end
end
print(#console.text)
