// Make witnesses: for each line {"program", "inputs", "out"} on standard input, one line {"ok", "error", "system", "ms"} on standard output.
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Noir } from "@noir-lang/noir_js";

const programs = new Map();

for await (const line of createInterface({ input: process.stdin })) {
  const { program, inputs, out } = JSON.parse(line);
  const start = performance.now();
  const used = process.cpuUsage();
  let answer;
  try {
    if (!programs.has(program)) {
      programs.set(program, new Noir(JSON.parse(readFileSync(program, "utf8"))));
    }
    const { witness } = await programs.get(program).execute(inputs);
    writeFileSync(out, witness);
    answer = { ok: true };
  } catch (error) {
    answer = { ok: false, error: String(error.message).slice(0, 500), system: Boolean(error.syscall) };
  }
  const { user, system } = process.cpuUsage(used);
  const times = { ms: Math.round(performance.now() - start), cpu_ms: Math.round((user + system) / 1000) };
  process.stdout.write(`${JSON.stringify({ ...answer, ...times })}\n`);
}
