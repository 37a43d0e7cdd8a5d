// Compile Noir packages: for each line {"folder", "out"} on standard input, one line {"ok", "error", "ms"} on standard output.
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { compile, createFileManager } from "@noir-lang/noir_wasm";

const quiet = () => {};
console.log = quiet; // standard output is for answers

for await (const line of createInterface({ input: process.stdin })) {
  const { folder, out } = JSON.parse(line);
  const start = Date.now();
  let answer;
  try {
    const { program, warnings } = await compile(createFileManager(folder), undefined, quiet, quiet);
    writeFileSync(out, JSON.stringify(program));
    answer = { ok: true, warnings: (warnings ?? []).map((warning) => warning.message ?? String(warning)) };
  } catch (error) {
    answer = { ok: false, error: error.message.slice(0, 2000) };
  }
  process.stdout.write(`${JSON.stringify({ ...answer, ms: Date.now() - start })}\n`);
}
