// The WebAssembly compiler behind the two flags forge uses: `--version`, and `--standard-json` from standard input.
const fs = require("fs");
const path = require("path");
const solc = require(process.env.PROOFYARD_SOLC);

function open(name) {
  const place = path.join(process.env.PROOFYARD_SOLC, "..", name);
  return fs.existsSync(place) ? { contents: fs.readFileSync(place, "utf8") } : { error: "no such package file: " + name };
}

if (process.argv.includes("--version")) {
  console.log("solc, the solidity compiler commandline interface");
  console.log("Version: " + solc.version().replace(".Emscripten.clang", ".Linux.g++"));
} else {
  process.stdout.write(solc.compile(fs.readFileSync(0, "utf8"), { import: open }));
}
