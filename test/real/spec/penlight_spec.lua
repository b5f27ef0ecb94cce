-- What busted.t lets busted run: some of Penlight's corners, the same on every Lua.
-- Two tests, marked #fails, do not pass, so that failures are reported too.

local List = require "pl.List"
local OrderedMap = require "pl.OrderedMap"
local Set = require "pl.Set"
local class = require "pl.class"
local data = require "pl.data"
local lexer = require "pl.lexer"
local pretty = require "pl.pretty"
local seq = require "pl.seq"
local stringx = require "pl.stringx"
local tablex = require "pl.tablex"
local template = require "pl.template"
local xml = require "pl.xml"

describe("List", function()
  local list

  before_each(function()
    list = List { 10, 20, 30 }
  end)

  it("appends and extends", function()
    list:append(40):extend { 50, 60 }
    assert.equal(6, #list)
    assert.equal(60, list[6])
  end)

  it("slices", function()
    assert.same({ 20, 30 }, list:slice(2, 3))
    assert.same({ 20, 30 }, list:slice(-2, -1))
  end)

  it("maps, filters and reduces", function()
    assert.same({ 11, 21, 31 }, list:map(function(x) return x + 1 end))
    assert.same({ 30 }, list:filter(function(x) return x > 20 end))
    assert.equal(60, list:reduce(function(a, b) return a + b end))
  end)

  it("prints itself", function()
    assert.equal("{10,20,30}", tostring(list))
  end)
end)

describe("OrderedMap", function()
  it("keeps the order of keys", function()
    local map = OrderedMap()
    for i = 9, 1, -1 do map:set("key" .. i, i) end
    assert.equal("key9 key8 key7 key6 key5 key4 key3 key2 key1", table.concat(map:keys(), " "))
    assert.equal(4, map:get("key4"))
  end)
end)

describe("Set", function()
  local odd, small = Set { 1, 3, 5, 7 }, Set { 1, 2, 3 }

  it("knows union, intersection and difference", function()
    assert.is_true(odd + small == Set { 1, 2, 3, 5, 7 })
    assert.is_true(odd * small == Set { 1, 3 })
    assert.is_true(odd - small == Set { 5, 7 })
  end)

  it("knows subsets", function()
    assert.is_true(Set { 1, 3 } < odd)
    assert.is_false(small < odd)
  end)
end)

describe("class", function()
  local Animal = class()
  function Animal:_init(name) self.name = name end
  function Animal:speak() return self.name .. " makes a noise" end
  local Dog = class(Animal)
  function Dog:speak() return self.name .. " barks" end

  it("inherits", function()
    assert.equal("cat makes a noise", Animal("cat"):speak())
    assert.equal("rex barks", Dog("rex"):speak())
    assert.is_true(Animal:class_of(Dog("rex")))
  end)

  it("makes many objects", function()
    local pack = {}
    for i = 1, 2000 do pack[i] = Dog("dog" .. i) end
    assert.equal("dog2000 barks", pack[2000]:speak())
  end)
end)

describe("stringx", function()
  it("splits and joins", function()
    assert.same({ "a", "b", "c" }, stringx.split("a,b,c", ","))
    assert.equal("a-b-c", stringx.join("-", { "a", "b", "c" }))
  end)

  it("wraps and justifies", function()
    assert.equal("  seep  ", stringx.center("seep", 8))
    assert.equal("seep....", stringx.ljust("seep", 8, "."))
  end)

  it("expands tabs and strips", function()
    assert.equal("a   b", stringx.expandtabs("a\tb", 4))
    assert.equal("line", stringx.strip("  line\n"))
  end)
end)

describe("tablex", function()
  it("copies deeply", function()
    local original = { 1, { 2, { 3, { 4 } } } }
    local copy = tablex.deepcopy(original)
    assert.same(original, copy)
    assert.are_not.equal(original[2], copy[2])
  end)

  it("compares and searches", function()
    assert.is_true(tablex.deepcompare({ a = { b = 1 } }, { a = { b = 1 } }))
    assert.equal(3, tablex.find({ "x", "y", "z" }, "z"))
    assert.same({ 1, 2, 3, 4 }, tablex.range(1, 4))
  end)
end)

describe("seq", function()
  it("works lazily", function()
    local squares = seq.map(function(x) return x * x end, seq.range(1, 5))
    assert.same({ 1, 4, 9, 16, 25 }, seq.copy(squares))
    assert.equal(15, seq.sum(seq.range(1, 5)))
  end)

  it("runs in coroutines", function()
    local words = coroutine.wrap(function()
      for word in ("one two three"):gmatch("%a+") do coroutine.yield(word) end
    end)
    assert.same({ "one", "two", "three" }, seq.copy(words))
  end)
end)

describe("text", function()
  it("is cut into tokens", function()
    local kinds = {}
    for kind in lexer.lua("for i = 1, 10 do print(i) end") do kinds[#kinds + 1] = kind end
    assert.equal("keyword iden = number , number keyword iden ( iden ) keyword", table.concat(kinds, " "))
  end)

  it("is made from templates", function()
    local text = template.substitute("# for i = 1, 3 do\n$(i) squared is $(i * i)\n# end\n", {})
    assert.equal("1 squared is 1\n2 squared is 4\n3 squared is 9\n", text)
  end)

  it("is written and read as Lua", function()
    local value = { 1, 2, { name = "seep", list = { true, false } } }
    assert.same(value, pretty.read(pretty.write(value)))
  end)

  it("is read as columns", function()
    local rows = data.read(require("pl.stringio").open("x,y\n1,2\n3,4\n"))
    assert.same({ "x", "y" }, rows.fieldnames)
    assert.same({ 1, 3 }, rows:column_by_name("x"))
  end)

  it("is parsed as XML", function()
    local document = xml.parse("<a><b x='1'>one</b><b x='2'>two</b></a>", false, true)
    assert.equal("a", document.tag)
    assert.equal("two", document:get_elements_with_name("b")[2]:get_text())
  end)
end)

describe("Errors", function()
  it("are caught", function()
    assert.has_error(function() error("no way", 0) end, "no way")
    assert.has_error(function() List.new(1) end)
  end)

  it("are reported #fails", function()
    assert.equal("expected", "got")
  end)

  it("are reported with their place #fails", function()
    local nothing
    return nothing.field
  end)

  pending("can wait")
end)
