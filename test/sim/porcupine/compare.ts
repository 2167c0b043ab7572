// `node test/sim/porcupine/compare.ts` (needs Go): how much processor time this checker takes for a
// history, and porcupine for the same one. Fails if it takes more than TIMES_MAX times porcupine's.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import {
  checkLinearizability,
  type Model,
  type Operation,
} from "../../../testing/history/linearizability.ts";

const CALLS = 10_000;
const CLIENTS = 6;
/** A call in so many is answered late: the order has gaps until then. */
const LATE = 500;
const LATE_CALLS = 100;
const ROUNDS = 10;
const TIMES_MAX = 3;
const PORCUPINE = "github.com/anishathalye/porcupine";

interface Call {
  readonly Began: number;
  readonly Ended: number;
  readonly Operation: "get" | "put" | "append";
  /** The value written, or the value read. */
  readonly Text: string;
}

/** A value, and its FNV-1a hash: an append goes on from the hash of what was there. */
type Text = { readonly value: string; readonly hash: number };
const EMPTY: Text = { value: "", hash: 0x811c9dc5 | 0 };

function appended({ value, hash }: Text, more: string): Text {
  for (let i = 0; i < more.length; i++) hash = Math.imul(hash ^ more.charCodeAt(i), 0x01000193);
  return { value: value + more, hash };
}

const TEXT: Model<Text, Call, undefined> = {
  initial: EMPTY,
  equal: (a, b) => a.value === b.value,
  hash: ({ hash }) => hash,
  step(state, { Operation, Text }) {
    if (Operation === "get") return Text === state.value ? state : undefined;
    return appended(Operation === "put" ? EMPTY : state, Text);
  },
};

/** A history of a register that is linearizable: each call takes effect at a moment within it. */
function register(): Call[] {
  const random = seededRandom(1);
  const pending: { began: number; due: number; write: string | undefined }[] = [];
  const calls: Call[] = [];
  let value = "";
  for (let now = 0; calls.length < CALLS; now++) {
    while (pending.length < CLIENTS) {
      const write = random.next() < 0.3 ? String(randomInteger(random, 1, 1_000_000)) : undefined;
      const late = random.next() * LATE < 1;
      const due = now + randomInteger(random, 1, late ? LATE_CALLS : 2 * CLIENTS);
      pending.push({ began: 3 * now + pending.length / CLIENTS, due, write });
    }
    for (const call of pending.filter(({ due }) => due <= now)) {
      const { began, write } = call;
      value = write ?? value;
      pending.splice(pending.indexOf(call), 1);
      const Ended = 3e3 * now + (calls.length % 1e3);
      const Operation = write === undefined ? "get" : "put";
      calls.push({ Began: Math.round(began * 1e3), Ended, Operation, Text: value });
    }
  }
  return calls;
}

const EVENT = /:process (\d+), :type :(\w+), :f :(\w+), :key "(.*?)", :value (?:"(.*)"|nil)/;

/** One of porcupine's own test histories of appends: the calls of each key. */
function recorded(folder: string, name: string): Call[][] {
  const text = readFileSync(join(folder, "test_data/kv", `${name}.txt`), "utf8");
  const lines = text.trim().split("\n");
  const pending = new Map<string, { began: number; written: string }>();
  const keys = new Map<string, Call[]>();
  lines.forEach((line, at) => {
    const found = EVENT.exec(line) ?? [];
    const [, process = "", type = "", operation = "", key = "", value = ""] = found;
    if (type === "invoke") return pending.set(process, { began: at, written: value });
    const { began, written } = pending.get(process)!;
    const Text = operation === "get" ? value : written;
    const Operation = operation as Call["Operation"];
    keys.set(key, [...(keys.get(key) ?? []), { Began: began, Ended: at, Operation, Text }]);
  });
  return [...keys.values()];
}

type Measured = { readonly linearizable: boolean; readonly ms: number };

function measured(histories: readonly Call[][]): Measured {
  const all = histories.map((calls) => {
    return calls.map((call): Operation<Call, undefined> => {
      return { began: call.Began, ended: call.Ended, input: call, output: undefined };
    });
  });
  let ms = Infinity;
  let linearizable = true;
  for (let round = 0; round < ROUNDS; round++) {
    const began = process.cpuUsage();
    const verdicts = all.map((calls) => checkLinearizability(TEXT, calls, Infinity));
    const { user, system } = process.cpuUsage(began);
    linearizable = verdicts.every((verdict) => verdict.linearizable === true);
    ms = Math.min(ms, (user + system) / 1_000);
  }
  return { linearizable, ms };
}

function compare(name: string, histories: readonly Call[][], porcupine: string): boolean {
  const own = measured(histories);
  const input = JSON.stringify(histories);
  const theirs = JSON.parse(execFileSync(porcupine, { input }).toString()) as Measured;
  const times = own.ms / theirs.ms;
  const agree = own.linearizable === theirs.linearizable;
  const verdict = agree ? String(own.linearizable) : `${own.linearizable}, not as porcupine`;
  process.stdout.write(
    `| ${name} | ${histories.flat().length} | ${verdict} | ${own.ms.toFixed(1)} ms ` +
      `| ${theirs.ms.toFixed(1)} ms | ${times.toFixed(2)} |\n`,
  );
  return agree && times <= TIMES_MAX;
}

const folder = mkdtempSync(join(tmpdir(), "r2k-porcupine-"));
try {
  const go = (...args: string[]) =>
    execFileSync("go", args, { cwd: import.meta.dirname })
      .toString()
      .trim();
  const porcupine = join(folder, "porcupine");
  go("build", "-o", porcupine, ".");
  const module = go("list", "-m", "-f", "{{.Dir}}", PORCUPINE);
  const passed = [
    compare("register", [register()], porcupine),
    ...["c10-ok", "c10-bad", "c50-ok"].map((name) => {
      return compare(name, recorded(module, name), porcupine);
    }),
  ];
  process.exitCode = passed.every(Boolean) ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
