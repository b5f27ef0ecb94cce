-- Page generator: long pages are built by concatenation, written, and forgotten.
local checkpoint = checkpoint or function() end

local function escape(text)
  return (text:gsub("[<>&]", { ["<"] = "&lt;", [">"] = "&gt;", ["&"] = "&amp;" }))
end

local function tag(name, content)
  return "<" .. name .. ">" .. content .. "</" .. name .. ">"
end

local function table_of(rows)
  local html = ""
  for r = 1, rows do
    local line = ""
    for c = 1, 6 do line = line .. tag("td", escape(r .. " < " .. c .. " & more")) end
    html = html .. tag("tr", line) .. "\n"
  end
  return tag("table", html)
end

local function page(number)
  local head = tag("title", "page " .. number)
  local body = tag("h1", "Report " .. number) .. table_of(14 + number % 9)
  return tag("html", tag("head", head) .. tag("body", body))
end

local written, number = 0, 0
for run = 1, 36 do
  for _ = 1, 36 do
    number = number + 1
    written = written + #page(number)
  end
  checkpoint()
end
print("written", written)
