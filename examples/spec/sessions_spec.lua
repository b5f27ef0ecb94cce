-- A leak test with busted. `seepline.check` runs a function several times and fails when every round leaves something
-- behind, naming the line that made it. From the checkout, with Seepline built:
--
--     LUA_CPATH="build/lua/5.1/?.so;;" LUA_PATH="examples/spec/?.lua;;" busted --lua=lua5.1 examples/spec
--
-- The second test fails, because sessions.lua leaks.

local seepline = require "seepline"
local sessions = require "sessions"

describe("a store of sessions", function()
  it("keeps a session until it ends", function()
    sessions.start("anna")
    assert.is_table(sessions.open.anna)
    sessions.stop("anna")
    assert.is_nil(sessions.open.anna)
  end)

  it("leaves nothing behind", function()
    seepline.check(function()
      sessions.start("bert")
      sessions.stop("bert")
    end)
  end)

  it("leaves nothing behind once it is mended", function()
    sessions.fixed = true
    seepline.check(function()
      sessions.start("carl")
      sessions.stop("carl")
    end)
  end)
end)
