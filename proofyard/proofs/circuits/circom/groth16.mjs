// Groth16 with snarkjs: for each line {"do", …} on standard input, one line {"ok", "error", "system", "ms", …} on standard output.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { groth16, r1cs, wtns, zKey } from "snarkjs";

const quiet = () => {};
const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
console.log = quiet; // standard output is for answers

const doing = {
  async compile({ folder, main }) {
    const program = createRequire(import.meta.url).resolve("circom2/cli.js");
    const done = spawnSync(process.execPath, [program, main, "--r1cs", "--wasm", "--O1"], { cwd: folder, encoding: "utf8" });
    const name = main.replace(/\.circom$/, "");
    const wasm = `${folder}/${name}_js/${name}.wasm`;
    if (done.status !== 0 || !existsSync(wasm)) {
      throw new Error(`${done.stderr}${done.stdout}`.split("\n").filter((line) => /error|╭|│/.test(line)).slice(0, 8).join(" "));
    }
    const { nConstraints, nPubInputs, nOutputs } = await r1cs.info(`${folder}/${name}.r1cs`, log);
    return { constraints: nConstraints, public: nPubInputs + nOutputs };
  },
  async keys({ zkey, key, contract, template }) {
    writeFileSync(key, JSON.stringify(await zKey.exportVerificationKey(zkey, log)));
    writeFileSync(contract, await zKey.exportSolidityVerifier(zkey, { groth16: readFileSync(template, "utf8") }, log));
  },
  async witness({ wasm, inputs, out }) {
    await wtns.calculate(inputs, wasm, out);
  },
  async prove({ zkey, witness, threads }) {
    return groth16.prove(zkey, witness, log, threads === 1 ? { singleThread: true } : undefined);
  },
  async verify({ key, publicSignals, proof }) {
    return { valid: await groth16.verify(JSON.parse(readFileSync(key, "utf8")), publicSignals, proof, log) };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  const start = performance.now();
  const used = process.cpuUsage();
  let answer;
  try {
    answer = { ok: true, ...(await doing[question.do](question)) };
  } catch (error) {
    answer = { ok: false, error: String(error?.message ?? error).slice(0, 500), system: Boolean(error?.syscall) };
  }
  const { user, system } = process.cpuUsage(used);
  const mib = Math.round(process.resourceUsage().maxRSS / 1024);
  const times = { mib, ms: Math.round(performance.now() - start), cpu_ms: Math.round((user + system) / 1000) };
  process.stdout.write(`${JSON.stringify({ ...answer, ...times })}\n`);
}
process.exit(0); // snarkjs leaves its threads running
