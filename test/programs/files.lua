-- Files: userdata with finalizers, buffers, and a child process.
local files = {}
for i = 1, 50 do
  local file = assert(io.tmpfile())
  file:write(("x"):rep(i), "\n")
  file:seek("set")
  assert(#file:read() == i)
  if i % 10 == 0 then files[#files + 1] = file end
end
collectgarbage()
print(#files, io.type(files[1]), io.type(io.stdout))
local child = assert(io.popen("echo from the child; exit 3"))
print(child:read("*l"))
child:close()
print(os.execute("exit 0") ~= nil)
io.stderr:write("on stderr\n")
io.stdout:setvbuf("no")
io.write("unbuffered\n")
print(io.read("*l"))
print(io.open("/nowhere/at/all") == nil)
