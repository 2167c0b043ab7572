// `npm run chaos -- machines --minutes 30`: a cluster of three control planes and two nodes, each a
// network namespace, of which one after the other is killed, paused, cut off, has its disk full, is
// lost, while clients work.
//   --minutes M     starts no fault after M minutes; at least one is made
//   --only NAME     faults whose name has this text alone
//   --seed N        the chances' seed, printed when none is given
//   --result FILE   writes totals, and what did not hold, as JSON
// It needs root. The cluster is in namespaces that end with it.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { pick, randomInteger, seededRandom, systemRandom } from "@raft2kube/std/random.ts";
import { Violation } from "../../../../testing/violation.ts";
import { FAULTS, type MachineFault } from "./faults.ts";
import { CONTROL_PLANES, Machines } from "./machines.ts";

const NAME = "chaos";
const NODES = ["node-2"] as const;

/** Totals of one kind of fault. */
type Total = { count: number; slowest_ms: number; over: number; readonly goal_ms: number | null };

const say = (line: string) => void process.stdout.write(`${line}\n`);

/** A fault while clients work; resolves with the time that its goal is about. */
export async function round(
  machines: Machines,
  fault: MachineFault,
  victim: Parameters<MachineFault["run"]>[1],
): Promise<number> {
  await machines.startClients();
  const returned_ms = await fault.run(machines, victim);
  await machines.well();
  const slowest_ms = Math.max(...machines.attempts.map(({ took_ms }) => took_ms));
  await machines.judge();
  return returned_ms ?? slowest_ms;
}

/** Runs faults for a time; returns the exit code. */
export async function machines(args: readonly string[]): Promise<number> {
  const text = { type: "string" } as const;
  const options = { minutes: { ...text, default: "1" }, seed: text, result: text, only: text };
  const {
    minutes,
    only = "",
    result,
    seed = String(randomInteger(systemRandom, 1, 2 ** 31)),
  } = parseArgs({ args: [...args], options }).values;
  say(`seed ${seed}`);
  const random = seededRandom(Number(seed));
  const faults = FAULTS.filter(({ name }) => name.includes(only));
  const totals = new Map<string, Total>();
  const under = await Machines.open(NAME);
  let broken: string | undefined;
  try {
    const end_ms = performance.now() + Number(minutes) * 60_000;
    for (let turn = 0; turn === 0 || performance.now() < end_ms; turn++) {
      const fault = faults[turn % faults.length]!;
      const victim = pick(random, fault.ofNodes ? [...CONTROL_PLANES, ...NODES] : CONTROL_PLANES);
      const slowest_ms = await round(under, fault, victim);
      const at_s = (performance.now() / 1000).toFixed(0).padStart(5);
      say(`${at_s} s  ${victim}  ${fault.name}: ${slowest_ms} ms`);
      const { slowest_ms: goal_ms = null } = fault;
      const total = totals.get(fault.name) ?? { count: 0, slowest_ms: 0, over: 0, goal_ms };
      total.count++;
      if (goal_ms !== null && slowest_ms > goal_ms) total.over++;
      total.slowest_ms = Math.max(total.slowest_ms, slowest_ms);
      totals.set(fault.name, total);
    }
  } catch (thrown) {
    broken = thrown instanceof Violation ? thrown.message : ((thrown as Error).stack ?? "?");
    say(broken);
    say(under.logTails());
  }
  const seconds = Math.round(performance.now() / 1000);
  const results = Object.fromEntries(totals);
  say(JSON.stringify(results, undefined, 2));
  say(broken === undefined ? "all properties held" : "a property did not hold");
  if (result !== undefined) {
    const record = { seed, minutes, seconds, broken, requests: under.judged, faults: results };
    writeFileSync(result, `${JSON.stringify(record, undefined, 2)}\n`);
  }
  await under.close();
  return broken === undefined ? 0 : 1;
}
