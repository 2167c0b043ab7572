// `node test/sim/porcupine/compare.ts [PORCUPINE]`: how much processor time the checker takes
// for a history, and porcupine (built from main.go by `go build`) for the same one.
import { execFileSync } from "node:child_process";
import { randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import {
  type Model,
  type Operation,
  checkLinearizability,
} from "../../../testing/history/linearizability.ts";

const CALLS = 10_000;
const CLIENTS = 6;
/** A call in so many is answered late: the order has gaps until then. */
const LATE = 500;
const LATE_CALLS = 100;
const ROUNDS = 10;

interface Call {
  readonly began: number;
  readonly ended: number;
  /** The value written; undefined for a read. */
  readonly write: number | undefined;
  /** The value read. */
  readonly read: number;
}

const REGISTER: Model<number, Call, number> = {
  initial: 0,
  equal: (a, b) => a === b,
  step: (state, { write }, read) => write ?? (read === state ? state : undefined),
};

/** A history of a register that is linearizable: each call takes effect at a moment within it. */
function history(): Call[] {
  const random = seededRandom(1);
  const pending: { began: number; due: number; write: number | undefined }[] = [];
  const calls: Call[] = [];
  let value = 0;
  for (let now = 0; calls.length < CALLS; now++) {
    while (pending.length < CLIENTS) {
      const write = random.next() < 0.3 ? randomInteger(random, 1, 1_000_000) : undefined;
      const late = random.next() * LATE < 1;
      const due = now + randomInteger(random, 1, late ? LATE_CALLS : 2 * CLIENTS);
      pending.push({ began: 3 * now + pending.length / CLIENTS, due, write });
    }
    for (const call of pending.filter(({ due }) => due <= now)) {
      const { began, write } = call;
      value = write ?? value;
      pending.splice(pending.indexOf(call), 1);
      const ended = 3e3 * now + (calls.length % 1e3);
      calls.push({ began: Math.round(began * 1e3), ended, write, read: value });
    }
  }
  return calls;
}

const calls = history();
const operations: Operation<Call, number>[] = calls.map((call) => {
  return { began: call.began, ended: call.ended, input: call, output: call.read };
});
let best_ms = Infinity;
let verdict = checkLinearizability(REGISTER, operations);
for (let round = 0; round < ROUNDS; round++) {
  const began = process.cpuUsage();
  verdict = checkLinearizability(REGISTER, operations, Infinity);
  const { user, system } = process.cpuUsage(began);
  best_ms = Math.min(best_ms, (user + system) / 1_000);
}
process.stdout.write(`this checker: ${String(verdict.linearizable)}, ${best_ms.toFixed(1)} ms\n`);
const porcupine = process.argv[2];
if (porcupine !== undefined) {
  const input = calls.map(({ began, ended, write, read }) => {
    return { Began: began, Ended: ended, Write: write ?? null, Read: read };
  });
  const output = execFileSync(porcupine, { input: JSON.stringify(input) }).toString();
  const { linearizable, ms } = JSON.parse(output) as { linearizable: boolean; ms: number };
  process.stdout.write(`porcupine: ${linearizable}, ${ms.toFixed(1)} ms\n`);
  process.stdout.write(`${(best_ms / ms).toFixed(2)} times its time\n`);
}
