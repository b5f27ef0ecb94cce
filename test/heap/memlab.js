// Reads a .heapsnapshot with memlab and prints, a line for each node: id, retained size, id of the dominator.
// memlab's own messages are kept off stdout. Run: node memlab.js FOLDER_WITH_NODE_MODULES FILE
const path = require('path');
const {createRequire} = require('module');
const need = createRequire(path.join(path.resolve(process.argv[2]), 'package.json'));
const print = process.stdout.write.bind(process.stdout);
process.stdout.write = (text, encoding, done) => { if (typeof encoding === 'function') encoding(); else if (done) done(); return true; };
const {getFullHeapFromFile} = need('@memlab/heap-analysis');

getFullHeapFromFile(process.argv[3]).then((heap) => {
  const lines = [];
  heap.nodes.forEach((node) => { lines.push(`${node.id} ${node.retainedSize} ${node.dominatorNode ? node.dominatorNode.id : 0}`); });
  print(lines.join('\n') + '\n', () => process.exit(0));
}).catch((error) => { console.error(error); process.exit(1); });
