// Runs check files, given as arguments, over the trees that overlay.ts laid over the product.
// Reports on descriptor 3, a line of JSON for each event; output is left to the reader's code.
import { writeSync } from "node:fs";
import { relative } from "node:path";
import { pathToFileURL } from "node:url";
import { CodedError } from "@raft2kube/std/errors.ts";
import {
  type Check,
  type CheckRun,
  checkOptions,
  countedCosts,
  NOT_WRITTEN,
  onAlive,
  registeredChecks,
  runBody,
  ScenarioFailure,
  type ScenarioSize,
} from "../check.ts";
import { idleClock } from "../idle-clock.ts";
import { describeAssertion, describeJudgement, framesOf, type Judgement } from "../judge.ts";
import type { Costs } from "./cost-table.ts";
import { usedTrees } from "./overlay.ts";

const REPORT_FD = 3;
const ALIVE_MS = 1_000;
/** How long a step of a check may wait or loop, by the `idleClock`. */
const STEP_IDLE_MS_MAX = 5_000;
/** The longest that a check of many steps may take. */
const CHECK_MS_MAX = 240_000;
/** A step of a check that computes for this long loops, although its event loop turns. */
const STEP_PROCESSOR_MS_MAX = 3_500;
const STEP_POLL_MS = 100;

/** A report of a process of checks. */
export type CheckEvent =
  | { readonly kind: "loaded"; readonly scenarios: number; readonly titles: readonly string[] }
  | { readonly kind: "over"; readonly costs: Costs; readonly trees: readonly string[] }
  | { readonly kind: "begins"; readonly title: string }
  | { readonly kind: "alive" }
  | { readonly kind: "left-out"; readonly title: string; readonly reason: string }
  | Ended;

/** How a check ended. */
export interface Ended {
  readonly kind: "ended";
  readonly title: string;
  readonly scenario: boolean;
  readonly result: "passed" | "failed" | "unwritten";
  readonly message: string;
  /** The size of a failed scenario's diagram. */
  readonly size?: ScenarioSize;
}

function report(event: CheckEvent): void {
  writeSync(REPORT_FD, `${JSON.stringify(event)}\n`);
}

async function attempt({ title, body, scenario }: Check): Promise<Ended["result"]> {
  report({ kind: "begins", title });
  const ended = { kind: "ended", title, scenario } as const;
  stepBegun = process.cpuUsage();
  const run = new Run();
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const watchdog = setInterval(() => {
    endIfLooping(reject);
    run.endIfWaiting(reject);
  }, STEP_POLL_MS);
  try {
    await Promise.race([runBody(run, body), stopped]);
    report({ ...ended, result: "passed", message: "" });
    return "passed";
  } catch (thrown) {
    const unwritten = thrown instanceof Error && NOT_WRITTEN.test(thrown.message);
    const result = unwritten ? "unwritten" : "failed";
    const size = thrown instanceof ScenarioFailure ? { size: thrown.size } : {};
    report({ ...ended, result, message: describe(thrown, title), ...size });
    return result;
  } finally {
    clearInterval(watchdog);
  }
}

/**
 * Processor time is measured, which a busy machine does not change. It is the process's: where
 * checks run concurrently, each step that ends restarts the measurement.
 */
function endIfLooping(reject: (error: Error) => void): void {
  const { user, system } = process.cpuUsage(stepBegun);
  if ((user + system) / 1_000 < STEP_PROCESSOR_MS_MAX) return;
  const message = describeJudgement({
    when: "in the middle of this check",
    happened: `one step has computed for ${STEP_PROCESSOR_MS_MAX / 1_000} s, and has not ended`,
    expected: "every step ends, and soon",
    why: "a loop that awaits stops nothing else, but its client waits, and others get less",
  });
  reject(new Error(message));
}

/** How long one check waits. */
class Run implements CheckRun {
  readonly awaited = new Set<string>();
  readonly #begun_ms = performance.now();
  #stepBegunIdle_ms = idleClock.monotonic();

  readonly stepEnded = () => {
    this.#stepBegunIdle_ms = idleClock.monotonic();
  };

  /**
   * The idle clock is asked, which a busy machine stretches as it does the work. A check of many
   * steps takes long there; a step that waits, or loops beside other checks, does not.
   */
  endIfWaiting(reject: (error: Error) => void): void {
    const event = [...this.awaited].at(-1);
    if (idleClock.monotonic() - this.#stepBegunIdle_ms >= STEP_IDLE_MS_MAX) {
      const limit = `${STEP_IDLE_MS_MAX / 1_000} s, without the time of waiting for a processor`;
      reject(waitsInVain(event, `a step has not ended in ${limit}`));
    } else if (performance.now() - this.#begun_ms > CHECK_MS_MAX) {
      reject(waitsInVain(event, `the check has not ended in ${CHECK_MS_MAX / 1_000} s`));
    }
  }
}

function waitsInVain(event: string | undefined, how: string): Error {
  return new Error(
    describeJudgement({
      when: event ?? "in the middle of this check",
      happened: `it waits for something that does not happen: ${how}`,
      expected: "the promise that it awaits is settled",
      why: "whatever calls it waits too: for ever, and without a message",
    }),
  );
}

/** The message; of an error that no check foresaw, with the place in the reader's file. */
function describe(thrown: unknown, title: string): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const stack = thrown.stack ?? "";
  if (NOT_WRITTEN.test(thrown.message)) {
    const place = /\(?(?:file:\/\/)?([^\s()]+:\d+):\d+\)?$/m.exec(framesOf(thrown)[0] ?? "")?.[1];
    return `${thrown.message}: ${place ?? "place unknown"}`;
  }
  if (thrown.name === "Error") return thrown.message;
  if (thrown.name === "AssertionError") return describeAssertion(thrown, `check: ${title}`);
  // An error thrown as a file is loaded shows the place itself; the loader's own frames are
  // useless.
  if (thrown.name === "SyntaxError") return stack.split("\n    at ")[0]!;
  return [describeJudgement(unexpected(thrown, title)), ...framesOf(thrown)].join("\n");
}

/** An error that a check does not ask for: a refusal in the protocol's own terms, or a crash. */
function unexpected(thrown: Error, title: string): Judgement {
  const when = `check: ${title}`;
  if (thrown instanceof CodedError) {
    return {
      when,
      happened: `a refusal: ${thrown.code}: ${thrown.message}`,
      expected: "success: here nothing is to be refused",
      why: "the caller reports the refusal, and gives up what it was asked for",
    };
  }
  return {
    when,
    happened: `an error that no part expects: ${(thrown.stack ?? "").split("\n")[0]}`,
    expected: "no error, or one that its caller handles",
    why: "its caller does not know what to do: a process ends, or a request fails",
  };
}

let reported_ms = performance.now();
let stepBegun = process.cpuUsage();
const alive = () => {
  if (performance.now() - reported_ms < ALIVE_MS) return;
  reported_ms = performance.now();
  report({ kind: "alive" });
};
onAlive(() => {
  stepBegun = process.cpuUsage();
  alive();
});
// While a check waits the event loop turns, and this is reported; in an endless loop it is not.
setInterval(alive, ALIVE_MS);

for (const path of process.argv.slice(2)) {
  try {
    await import(pathToFileURL(path).href);
  } catch (thrown) {
    const title = `${relative(process.cwd(), path)} can be loaded`;
    const message = describe(thrown, title);
    report({ kind: "ended", title, scenario: false, result: "failed", message });
  }
}
const { only = "", all = false, scenariosOnly = false, atOnce = 1, ...others } = checkOptions();
const wanted = registeredChecks().filter(({ title }) => title.includes(only));
const titles = wanted.map(({ title }) => title);
report({ kind: "loaded", scenarios: wanted.filter(({ scenario }) => scenario).length, titles });
if (others.titlesOnly) process.exit();
let failed = scenariosOnly;
const waiting = wanted[Symbol.iterator]();
const work = async () => {
  for (const item of waiting) {
    if (item.leftOut !== undefined) {
      report({ kind: "left-out", title: item.title, reason: item.leftOut });
      continue;
    }
    // After a failed rule only a scenario adds to it: the diagram that shows the same mistake.
    if (failed && !all && !item.scenario) continue;
    if ((await attempt(item)) === "failed") failed = true;
  }
};
await Promise.all(Array.from({ length: atOnce }, work));
const { user, system } = process.cpuUsage();
const costs = { "processor time": (user + system) / 1_000, ...countedCosts() };
report({ kind: "over", costs, trees: [...usedTrees()] });
// A timer or a connection that is left, of a check or of the reader, holds up nothing.
process.exit();
