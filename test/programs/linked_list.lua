-- A list of 300,000 nodes, taken apart and built again.
local head
for i = 1, 300000 do head = { next = head, value = i } end
local count, node = 0, head
while node do count = count + 1 node = node.next end
print(count)
for _ = 1, 100000 do head = head.next end
collectgarbage()
count, node = 0, head
while node do count = count + 1 node = node.next end
print(count)
