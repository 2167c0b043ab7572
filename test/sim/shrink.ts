import type { Violation } from "../../testing/violation.ts";
import type { Seams } from "./cluster/seams.ts";
import { runScript } from "./run.ts";
import type { Script } from "./script.ts";

export interface ShrinkOptions {
  readonly script: Script;
  readonly seams: Seams;
  readonly say: (line: string) => void;
}

export interface Shrunk {
  readonly script: Script;
  readonly violation: Violation;
  /** Runs that it took. */
  readonly runs: number;
}

/**
 * Leaves out of a failing run what it does not need to fail alike: first the time after the
 * failure, then faults, then clients, by delta debugging (Zeller and Hildebrandt): halves, then
 * quarters, and so on. Undefined when the run does not fail.
 */
export async function shrink({ script, seams, say }: ShrinkOptions): Promise<Shrunk | undefined> {
  const first = await runScript({ script, seams });
  if (!first.violation) return undefined;
  const wanted = nameOf(first.violation);
  let least: Shrunk = { script, violation: first.violation, runs: 1 };
  let runs = 1;
  const fails = async (candidate: Script): Promise<boolean> => {
    runs++;
    const { violation } = await runScript({ script: candidate, seams });
    if (!violation || nameOf(violation) !== wanted) return false;
    least = { script: candidate, violation, runs };
    return true;
  };
  const end_ms = Math.min(first.faulty_ms, Math.ceil(first.ended_ms));
  await shorten({ ...script, faulty_ms: end_ms }, fails);
  if (script.swarm) await fails({ ...least.script, unguided: true });
  const faults = first.faults.filter((_, i) => first.faultTimes[i]! <= end_ms);
  await leaveOut(faults, (kept) => fails({ ...least.script, faults: kept }));
  const { clients } = first;
  await leaveOut(clients, (kept) => fails({ ...least.script, clients: kept }));
  await shorten(least.script, fails);
  const { faults: keptFaults, clients: keptClients, faulty_ms } = least.script;
  say(
    `${runs} runs: ${keptFaults?.length ?? "all"} of ${first.faults.length} faults, ` +
      `${keptClients?.length ?? "all"} of ${clients.length} clients, ${faulty_ms ?? "all"} ms`,
  );
  return { ...least, runs };
}

/** The checker, and for the store's own assertions which one it was. */
function nameOf({ checker, message }: Violation): string {
  return `${checker} ${checker === "store's own" ? message.replace(/[^a-z ]+/gi, "#") : ""}`;
}

/** The shortest time, to a twentieth. */
async function shorten(script: Script, fails: (script: Script) => Promise<boolean>) {
  const { faulty_ms } = script;
  if (faulty_ms === undefined) return;
  if (!(await fails(script))) return;
  for (const share of [0.25, 0.5, 0.75, 0.9]) {
    if (await fails({ ...script, faulty_ms: Math.ceil(faulty_ms * share) })) return;
  }
}

/** Leaves out as much of a list as may be left out; `fails` says whether a rest still fails. */
async function leaveOut<T>(all: readonly T[], fails: (kept: T[]) => Promise<boolean>) {
  let kept = [...all];
  let parts = 2;
  while (kept.length > 0) {
    const size = Math.ceil(kept.length / parts);
    let smaller: T[] | undefined;
    for (let at = 0; at < kept.length && !smaller; at += size) {
      const rest = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (await fails(rest)) smaller = rest;
    }
    if (smaller) {
      kept = smaller;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) {
      return;
    } else {
      parts = Math.min(kept.length, parts * 2);
    }
  }
}
