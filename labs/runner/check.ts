import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { CheckOptions } from "../check.ts";
import { describeJudgement } from "../judge.ts";
import type { CheckEvent } from "./run-checks.ts";
import { LABS_DIR, ROOT_DIR } from "./paths.ts";
import type { Lab } from "./manifest.ts";

export interface CheckOutcome {
  readonly title: string;
  readonly passed: boolean;
  /** What happened, what was expected, why it matters; empty if passed. */
  readonly message: string;
}

/** A process without output for this long is assumed to loop and is killed. */
const SILENCE_MS_MAX = 20_000;
/** Heap limit of the process: such a loop may also fill the memory. */
const HEAP_MIB_MAX = 1_024;
const OUTPUT_CHARS_MAX = 20_000;

/** Called with each outcome. */
export type OnOutcome = (outcome: CheckOutcome) => void;

/** Runs a lab's checks with `trees` over the product. Without trees it checks the reference. */
export async function runLabChecks(
  lab: Lab,
  trees: readonly string[],
  options: CheckOptions = {},
  onOutcome: OnOutcome = () => undefined,
): Promise<CheckOutcome[]> {
  const files = lab.checks.map((check) => join(LABS_DIR, lab.folder, check));
  const args = [
    `--max-old-space-size=${HEAP_MIB_MAX}`,
    "--import",
    join(LABS_DIR, "runner/overlay.ts"),
    join(LABS_DIR, "runner/run-checks.ts"),
    ...files,
  ];
  const child = spawn(process.execPath, args, {
    cwd: ROOT_DIR,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    env: {
      ...process.env,
      R2K_LAB_TREES: trees.join(":"),
      R2K_LAB_OPTIONS: JSON.stringify({ ...options, lab: lab.number }),
    },
  });
  let output = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-OUTPUT_CHARS_MAX);
    });
  }
  const ended = new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.once("close", () => resolve());
  });
  const kill = () => void child.kill("SIGKILL");
  const report = await collect(child.stdio[3] as Readable, kill, onOutcome);
  await ended;
  return withUnreported(report, output);
}

interface Report {
  readonly outcomes: CheckOutcome[];
  /** The check that began and did not end. */
  readonly hanging: string | undefined;
}

async function collect(events: Readable, kill: () => void, onOutcome: OnOutcome): Promise<Report> {
  const outcomes: CheckOutcome[] = [];
  let hanging: string | undefined;
  let deadline = setTimeout(kill, SILENCE_MS_MAX);
  for await (const line of createInterface({ input: events })) {
    clearTimeout(deadline);
    deadline = setTimeout(kill, SILENCE_MS_MAX);
    const event = JSON.parse(line) as CheckEvent;
    if (event.kind === "alive") continue;
    hanging = event.kind === "begins" ? event.title : undefined;
    if (event.kind === "begins") continue;
    const message = event.kind === "failed" ? event.message : "";
    const outcome = { title: event.title, passed: event.kind === "passed", message };
    outcomes.push(outcome);
    onOutcome(outcome);
  }
  clearTimeout(deadline);
  return { outcomes, hanging };
}

/** Adds a failure for a check that ended the process, and one if no check was run. */
function withUnreported({ outcomes, hanging }: Report, output: string): CheckOutcome[] {
  if (hanging !== undefined) {
    const message = describeJudgement({
      when: "during this check",
      happened: `no progress for ${SILENCE_MS_MAX / 1_000} s, or the process ended`,
      expected: "every step ends",
      why: "a member has one thread: an endless loop stops the member and its clients",
    });
    return [
      ...outcomes,
      { title: hanging, passed: false, message: `${message}\n${output}`.trimEnd() },
    ];
  }
  if (outcomes.length > 0) return outcomes;
  return [{ title: "the lab has checks", passed: false, message: output || "no check was found" }];
}
