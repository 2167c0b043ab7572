// `npm run fuzz -- NAME --runs N --seed S`: gives a reader changed inputs, and says what it did.
//   NAME      a target, or `all`, which is the default
//   --runs N  inputs, by default as many as a minute has; --seed S of the first, by default random
// A failure prints its seed, which alone makes the input again: --seed S --runs 1.
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { randomInteger, systemRandom } from "@raft2kube/std/random.ts";
import { fuzz } from "./fuzz.ts";
import type { Target } from "./target.ts";
import { TARGETS } from "./targets.ts";

const TIME_MS = 60_000;
/** A reader that makes room for what a length promises would need far more. */
const MEMORY_GROWTH_BYTES_MAX = 512 * 1024 * 1024;

const say = (line: string) => void process.stdout.write(`${line}\n`);

async function run(target: Target, seed: number, runs: number | undefined): Promise<boolean> {
  say(`${target.name}: ${runs ?? "a minute of"} runs from seed ${seed}`);
  const before = process.memoryUsage().rss;
  const onProgress = (done: number) => say(`${target.name}: ${done} done`);
  const length = runs === undefined ? { runs: Infinity, time_ms: TIME_MS } : { runs };
  const { taken, refused, failure } = await fuzz(target, { seed, ...length, onProgress });
  const growth_bytes = process.memoryUsage().rss - before;
  if (!failure) {
    say(`${target.name}: ${taken} taken, ${refused} refused, 0 failed`);
    if (growth_bytes < MEMORY_GROWTH_BYTES_MAX) return true;
    say(`${target.name}: memory grew by ${growth_bytes >> 20} MiB`);
    return false;
  }
  const path = join(tmpdir(), `r2k-fuzz-${target.name}-${failure.seed}`);
  writeFileSync(path, failure.input);
  const { stack = String(failure.thrown) } = failure.thrown as { stack?: string };
  say(`${target.name}: seed ${failure.seed} failed; its input is in ${path}\n${stack}`);
  return false;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: "string" }, seed: { type: "string" } },
});
const [chosen = "all"] = positionals;
const wanted = TARGETS.filter(({ name }) => chosen === name || chosen === "all");
const runs = values.runs === undefined ? undefined : Number(values.runs);
const seed = Number(values.seed ?? randomInteger(systemRandom, 1, 2 ** 30));
if (wanted.length === 0 || (runs !== undefined && !(runs > 0)) || !Number.isSafeInteger(seed)) {
  const names = TARGETS.map(({ name }) => name).join(" | ");
  process.stderr.write(`usage: npm run fuzz -- ${names} | all [--runs N] [--seed S]\n`);
  process.exitCode = 2;
} else {
  for (const target of wanted) if (!(await run(target, seed, runs))) process.exitCode = 1;
}
