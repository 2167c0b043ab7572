/**
 * Sends random sequences of requests to upstream's kube-apiserver and to ours and prints, made as
 * short as they will be, those whose answers differ. Use: `npm run peers -- etcd kube-apiserver`,
 * then `node scripts/compare-random.ts [--seed N] [--steps M] [--area NAME] [--shown K]`. A
 * sequence has a seed of its own: `--seed N --steps 1` with its area sends it again. Answers that
 * are known to differ (test/contract/apiserver/random/known.ts) are passed over.
 */
import { parseArgs } from "node:util";
import { randomInteger, seededRandom, systemRandom } from "@raft2kube/std/random.ts";
import { AREAS } from "../test/contract/apiserver/random/areas/all.ts";
import { Pair, signOf } from "../test/contract/apiserver/random/compare.ts";
import type { Step } from "../test/contract/apiserver/random/step.ts";
import { startOurs, startTheirs } from "../test/contract/apiserver/transcripts/servers.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    steps: { type: "string", default: "2000" },
    area: { type: "string", multiple: true },
    shown: { type: "string", default: "20" },
  },
});
const say = (line: string) => void process.stdout.write(`${line}\n`);

const first = Number(values.seed ?? randomInteger(systemRandom, 1, 2 ** 30));
const areas = values.area ?? Object.keys(AREAS);
const steps_max = Number(values.steps);
const shown_max = Number(values.shown);

const servers = [await startTheirs(), await startOurs()] as const;
const pair = new Pair(servers[0], servers[1]);
const signs = new Map<string, number>();
let sent = 0;
/** The servers are ended with this program, after the sequence under way. */
let stopped = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => (stopped = true));

async function compareOne(area: string, seed: number): Promise<void> {
  const steps = AREAS[area]!(seededRandom(seed));
  sent += steps.length;
  const found = await pair.parting(steps);
  if (found === undefined) return;
  const kind = found.theirs.ask
    .split(" ")[1]!
    .replace(/\/s-random-\d+/, "")
    .split("?")[0]!;
  const sign = `${area} ${kind} ${signOf(found)}`;
  const times = (signs.get(sign) ?? 0) + 1;
  signs.set(sign, times);
  if (times > 1 || signs.size > shown_max) return;
  const short = await pair.shortest(steps, found);
  const last = await pair.parting(short);
  say(`\n--- ${area}, seed ${seed}: ${sign}`);
  for (const step of short) say(`  ${textOf(step)}`);
  for (const line of (last ?? found).lines.slice(0, 8)) say(`    ${line}`);
}

function textOf({ method, path, body, ...rest }: Step): string {
  const more = Object.keys(rest).length === 0 ? "" : ` ${JSON.stringify(rest)}`;
  return `${method} ${path}${more}${body === undefined ? "" : ` ${JSON.stringify(body)}`}`;
}

say(`${steps_max} steps of ${areas.join(", ")} from seed ${first}`);
try {
  for (let seed = first; sent < steps_max && !stopped; seed++) {
    for (const area of areas) if (!stopped) await compareOne(area, seed);
  }
} finally {
  await Promise.all(servers.map((server) => server.close()));
}
say(`\n${sent} steps, seeds from ${first}: ${signs.size} kinds of differences`);
for (const [sign, times] of signs) say(`  ${times} x ${sign}`);
process.exitCode = signs.size === 0 ? 0 : 1;
