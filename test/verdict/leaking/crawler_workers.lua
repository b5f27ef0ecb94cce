-- Web crawler: workers are coroutines that come and end; inside them every page seen is put into a shared table.
local checkpoint = checkpoint or function() end

local visited, frontier = {}, { "/" }
local head, tail, pages = 1, 1, 0

local seed = 24
local function random(n)
  seed = (seed * 16807) % 2147483647
  return seed % n + 1
end

local function download(url)
  coroutine.yield("wait")
  local html = {}
  for i = 1, 5 do html[i] = '<a href="/p' .. random(1000000) .. '">link</a>' end
  return "<html>" .. url .. table.concat(html, " ") .. "</html>"
end

local function remember(url, html)
  pages = pages + 1
  local page = { url = url, size = #html, number = pages, links = 0 } --@leak
  visited[url] = page --@also
  return page
end

local function worker(budget)
  for _ = 1, budget do
    local url = frontier[head]
    if not url then return end
    frontier[head] = nil
    head = head + 1
    local html = download(url)
    local page = remember(url, html)
    for link in html:gmatch('href="([^"]+)"') do --@also
      page.links = page.links + 1
      if not visited[link] and tail - head < 500 then
        tail = tail + 1
        frontier[tail] = link
      end
    end
  end
end

local function crawl(workers, budget)
  local threads = {}
  for i = 1, workers do threads[i] = coroutine.create(worker) end
  while #threads > 0 do
    for i = #threads, 1, -1 do
      assert(coroutine.resume(threads[i], budget))
      if coroutine.status(threads[i]) == "dead" then table.remove(threads, i) end
    end
  end
end

for round = 1, 40 do
  for _ = 1, 8 do crawl(6, 10) end
  checkpoint()
end
print("pages", pages > 10000)
