-- Ends with an error that is a table.
kept = { {}, {}, {} }
print("so far")
error({ code = 3 })
