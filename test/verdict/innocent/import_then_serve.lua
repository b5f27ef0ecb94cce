-- Price list: a large import is turned into a small index, the raw data is dropped, and requests are answered.
local checkpoint = checkpoint or function() end
local function import(count)
  local raw = {}
  for i = 1, count do raw[i] = { sku = "sku" .. i % 800, price = i % 97 + 1, shop = "shop" .. i % 50 } end
  return raw
end
local function index(raw)
  local best = {}
  for _, offer in ipairs(raw) do
    local known = best[offer.sku]
    if not known or offer.price < known.price then best[offer.sku] = { price = offer.price, shop = offer.shop } end
  end
  return best
end
local best = index(import(20000))
local answers = 0
for round = 1, 40 do
  for i = 1, 2500 do
    local offer = best["sku" .. (i * round) % 800]
    local page = { title = "best price", text = offer.shop .. " sells at " .. offer.price }
    answers = answers + #page.text
  end
  checkpoint()
end
print(answers)
