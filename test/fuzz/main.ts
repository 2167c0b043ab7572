// `npm run fuzz -- NAME --runs N --seed S`: gives a reader changed inputs, and says what it did.
//   NAME      a target, or `all`
//   --runs N  inputs, by default 100,000; --seed S of the first, by default a random one
// A failure prints its seed, which alone makes the input again: --seed S --runs 1.
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { randomInteger, systemRandom } from "@raft2kube/std/random.ts";
import { fuzz } from "./fuzz.ts";
import type { Target } from "./target.ts";
import { TARGETS } from "./targets.ts";

const say = (line: string) => void process.stdout.write(`${line}\n`);

async function run(target: Target, seed: number, runs: number): Promise<boolean> {
  say(`${target.name}: ${runs} runs from seed ${seed}`);
  const onProgress = (done: number) => say(`${target.name}: ${done} done`);
  const { taken, refused, failure } = await fuzz(target, { seed, runs, onProgress });
  if (!failure) {
    say(`${target.name}: ${taken} taken, ${refused} refused, 0 failed`);
    return true;
  }
  const path = join(tmpdir(), `r2k-fuzz-${target.name}-${failure.seed}`);
  writeFileSync(path, failure.input);
  const { stack = String(failure.thrown) } = failure.thrown as { stack?: string };
  say(`${target.name}: seed ${failure.seed} failed; its input is in ${path}\n${stack}`);
  return false;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: "string", default: "100000" }, seed: { type: "string" } },
});
const wanted = TARGETS.filter(({ name }) => positionals[0] === name || positionals[0] === "all");
const runs = Number(values.runs);
const seed = Number(values.seed ?? randomInteger(systemRandom, 1, 2 ** 30));
if (wanted.length === 0 || !(runs > 0) || !Number.isSafeInteger(seed)) {
  const names = TARGETS.map(({ name }) => name).join(" | ");
  process.stderr.write(`usage: npm run fuzz -- ${names} | all [--runs N] [--seed S]\n`);
  process.exitCode = 2;
} else {
  for (const target of wanted) if (!(await run(target, seed, runs))) process.exitCode = 1;
}
