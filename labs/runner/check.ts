import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { CheckOptions, ScenarioSize } from "../check.ts";
import { describeJudgement } from "../judge.ts";
import { type Costs, sumOfCosts } from "./cost-table.ts";
import type { Lab } from "./manifest.ts";
import { ownNamespaces } from "./namespaces.ts";
import { LABS_DIR, ROOT_DIR } from "./paths.ts";
import { childOf, processorTime_ms } from "./processor-time.ts";
import type { CheckEvent } from "./run-checks.ts";
import { withScratch } from "./scratch.ts";
import { compiledFolder } from "./workspace.ts";

export interface CheckOutcome {
  readonly title: string;
  readonly passed: boolean;
  /** The observation, the expectation and the reason; empty when passed. */
  readonly message: string;
  /** Whether it failed because a part of the exercise is not written yet. */
  readonly unwritten?: boolean;
  /** Whether it is a scenario: its message has a diagram. */
  readonly scenario?: boolean;
  /** The diagram's size. */
  readonly size?: ScenarioSize | undefined;
  /**
   * Whether it ended its process, or looped in it: another that shows the mistake would do so
   * again.
   */
  readonly hung?: boolean;
}

/** A check that could not look here, and why. */
export type LeftOut = { readonly title: string; readonly reason: string };

/** How the checks of a lab went. */
export interface Verdict {
  readonly outcomes: readonly CheckOutcome[];
  /** Checks that have no outcome, as they cannot look on this machine or as this user. */
  readonly leftOut: readonly LeftOut[];
  /** A failure ended the run before every check had run. */
  readonly stopped: boolean;
  /** The trees of which a file was loaded. */
  readonly trees: readonly string[];
  readonly costs: Costs;
}

/** A check that computes for this long without a sign of life loops. */
const SILENT_PROCESSOR_MS_MAX = 3_000;
/** The same before its checks are known: an apiserver's sources are compiled meanwhile. */
const LOADING_PROCESSOR_MS_MAX = 10_000;
/** A process that reports nothing for this long is stuck, even if it computes. */
const SILENCE_MS_MAX = 60_000;
const SILENCE_POLL_MS = 250;
/**
 * How long to compute, after a failed rule and in all processes together, for a scenario that shows
 * the mistake. A busy machine does not change it.
 */
const SEARCH_PROCESSOR_MS_MAX = 4_000;
const SEARCH_POLL_MS = 50;
/** How long files listed earlier may take, after a failed scenario, to fail in a simpler one. */
const SIMPLER_SCENARIO_MS = 500;
/** A loop may also fill the memory: that ends it too. */
const HEAP_MIB_MAX = 1_024;
const SAID_CHARS_MAX = 20_000;
const PROCESSES_MAX = Math.max(2, availableParallelism());

/** Called with each outcome. */
export type OnOutcome = (outcome: CheckOutcome) => void;

/**
 * Runs a lab's checks with `trees` laid over the product, each file in a process of its own; files
 * of a lab with `atOnce` share a process for each processor. Empty trees judge the reference.
 * Without `all` the first failure that decides ends the run: a failed scenario; a check that hangs;
 * or a failed rule, once a scenario that shows the same mistake was found or looked for. Parts that
 * are not written yet do not decide the result. Outcomes come by process, in the order of its
 * files.
 */
export async function runLabChecks(
  lab: Lab,
  trees: readonly string[],
  options: CheckOptions = {},
  onOutcome: OnOutcome = () => undefined,
): Promise<Verdict> {
  const run = new Run(lab, trees, options, onOutcome);
  await run.end();
  const outcomes = run.files.flatMap((file) => file.outcomes);
  const leftOut = run.files.flatMap((file) => file.leftOut);
  const used = [...new Set(run.files.flatMap((file) => [...file.trees]))];
  const costs = sumOfCosts(run.files.flatMap((file) => file.costs));
  const about = { leftOut, trees: used, costs };
  if (outcomes.length > 0 || run.stopped) return { outcomes, ...about, stopped: run.stopped };
  const said = run.files.map((file) => file.said).join("");
  const { only } = options;
  const absent = only === undefined ? "no check was found" : `no check has "${only}" in its title`;
  const message = said || (leftOut.length > 0 ? "every check is left out" : absent);
  const none = { title: "the lab has checks", passed: false, message };
  return { outcomes: [none], ...about, stopped: false };
}

/** The titles of a lab's checks, which are loaded and not run. */
export async function checkTitles(lab: Lab): Promise<string[]> {
  const run = new Run(lab, [], { titlesOnly: true }, () => undefined);
  await run.end();
  return run.files.flatMap((file) => file.titles);
}

class Run {
  readonly files: CheckFile[];
  readonly #options: CheckOptions;
  readonly #onOutcome: OnOutcome;
  #deadline: NodeJS.Timeout | undefined;
  #search: NodeJS.Timeout | undefined;
  stopped = false;

  constructor(lab: Lab, trees: readonly string[], options: CheckOptions, onOutcome: OnOutcome) {
    this.#options = { ...options, lab: lab.number, atOnce: lab.atOnce };
    this.#onOutcome = onOutcome;
    const wrapper = lab.namespaces ? ownNamespaces(lab.namespaces === "processes") : [];
    const paths = lab.checks.map((check) => join(LABS_DIR, lab.folder, check));
    const groups = dealt(paths, lab.atOnce === undefined ? paths.length : PROCESSES_MAX);
    this.files = groups.map((group) => new CheckFile(group, trees, wrapper));
  }

  async end(): Promise<void> {
    const waiting = [...this.files];
    const work = async () => {
      for (let file = waiting.shift(); file && !this.stopped; file = waiting.shift()) {
        const options = { ...this.#options, scenariosOnly: this.#search !== undefined };
        await file.run(
          options,
          (outcome) => this.#ended(outcome),
          () => this.#look(),
        );
      }
    };
    await Promise.all(Array.from({ length: PROCESSES_MAX }, work));
    this.#clear();
  }

  #ended(outcome: CheckOutcome): void {
    if (this.stopped) return;
    this.#onOutcome(outcome);
    if (outcome.passed || outcome.unwritten || this.#options.all) return;
    if (!decides(outcome)) this.#searchScenario();
    else this.#deadline ??= setTimeout(() => this.#stop(), SIMPLER_SCENARIO_MS);
    this.#look();
  }

  #searchScenario(): void {
    const begun_ms = this.#computed_ms();
    this.#search ??= setInterval(() => {
      if (this.#computed_ms() - begun_ms >= SEARCH_PROCESSOR_MS_MAX) this.#stop();
    }, SEARCH_POLL_MS);
  }

  #computed_ms(): number {
    return this.files.reduce((sum, file) => sum + file.computed_ms, 0);
  }

  /** Stops when no scenario is left to wait for. */
  #look(): void {
    if (this.stopped || this.#options.all) return;
    const failedAt = this.files.findIndex((file) => file.outcomes.some(decides));
    const before = failedAt < 0 ? this.files : this.files.slice(0, failedAt);
    if (failedAt < 0 && this.#search === undefined) return;
    if (!before.some((file) => file.mayHaveScenarios)) this.#stop();
  }

  #clear(): void {
    clearTimeout(this.#deadline);
    clearInterval(this.#search);
  }

  #stop(): void {
    this.#clear();
    this.stopped = this.files.some((file) => !file.done);
    for (const file of this.files) file.stop();
  }
}

/** Whether a failure needs no other one that shows its mistake. */
function decides({ passed, unwritten, scenario, hung }: CheckOutcome): boolean {
  return !passed && !unwritten && (scenario === true || hung === true);
}

/** Deals the paths out in turn to `count` groups; of fewer paths each is a group. */
function dealt(paths: readonly string[], count: number): string[][] {
  return Array.from({ length: Math.min(count, paths.length) }, (_, first) => {
    return paths.filter((_, i) => i % count === first);
  });
}

/** A file of checks, or several whose checks run concurrently, in a process of their own. */
class CheckFile {
  readonly #paths: readonly string[];
  readonly #trees: readonly string[];
  readonly #wrapper: readonly string[];
  readonly #outcomes: CheckOutcome[] = [];
  /** Titles of all checks that have started. */
  readonly #begun: string[] = [];
  readonly leftOut: LeftOut[] = [];
  readonly trees = new Set<string>();
  readonly costs: Costs[] = [];
  titles: readonly string[] = [];
  #child: ChildProcess | undefined;
  #stopped = false;
  readonly #declaresScenarios: boolean;
  /** Scenarios that have not ended; unknown until the file is loaded. */
  #scenariosLeft: number | undefined;
  #heard_ms = performance.now();
  #heardProcessor_ms = 0;
  #computed_ms = 0;
  done = false;
  said = "";

  constructor(paths: readonly string[], trees: readonly string[], wrapper: readonly string[]) {
    this.#paths = paths;
    this.#declaresScenarios = paths.some((path) => {
      return readFileSync(path, "utf8").includes("scenario(");
    });
    this.#trees = trees;
    this.#wrapper = wrapper;
  }

  /** Outcomes in the order in which the checks started. */
  get outcomes(): CheckOutcome[] {
    const place = ({ title }: CheckOutcome) => this.#begun.indexOf(title);
    return this.#outcomes.toSorted((one, other) => place(one) - place(other));
  }

  get mayHaveScenarios(): boolean {
    return !this.done && this.#declaresScenarios && this.#scenariosLeft !== 0;
  }

  get #isLoaded(): boolean {
    return this.#scenariosLeft !== undefined || this.#outcomes.length > 0;
  }

  stop(): void {
    this.#stopped = true;
    this.#child?.kill("SIGKILL");
  }

  /** Runs its checks; `ended` is called with each outcome, `changed` whenever less is left. */
  async run(options: CheckOptions, ended: OnOutcome, changed: () => void): Promise<void> {
    if (this.#stopped) return;
    await withScratch((folder) => this.#runIn(folder, options, ended, changed));
    this.done = true;
    const ends = new Set(this.#outcomes.map(({ title }) => title));
    const hanging = this.#begun.filter((title) => !ends.has(title));
    const names = this.#paths.map((path) => basename(path)).join(", ");
    if (!this.#isLoaded) hanging.push(`${names} can be loaded`);
    for (const title of hanging) this.#add(this.#hung(title, hanging.length > 1), ended);
    changed();
  }

  /** Runs the process to its end, and takes its reports. */
  async #runIn(
    temporary: string,
    options: CheckOptions,
    ended: OnOutcome,
    changed: () => void,
  ): Promise<void> {
    const [program = "", ...words] = [...this.#wrapper, process.execPath, ...this.#arguments()];
    const child = spawn(program, words, {
      cwd: ROOT_DIR,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      env: {
        NODE_COMPILE_CACHE: compiledFolder(),
        ...process.env,
        TMPDIR: temporary,
        R2K_LAB_TREES: this.#trees.join(":"),
        R2K_LAB_OPTIONS: JSON.stringify(options),
      },
    });
    this.#child = child;
    const over = new Promise<void>((resolve, reject) => {
      child.on("error", reject);
      child.once("close", () => resolve());
    });
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.said = (this.said + text).slice(-SAID_CHARS_MAX);
      });
    }
    this.#heard();
    const silence = setInterval(() => this.#endIfSilent(), SILENCE_POLL_MS);
    for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
      this.#heard();
      this.#take(JSON.parse(line) as CheckEvent, ended);
      changed();
    }
    await over;
    clearInterval(silence);
  }

  #arguments(): string[] {
    return [
      `--max-old-space-size=${HEAP_MIB_MAX}`,
      "--import",
      join(LABS_DIR, "runner/overlay.ts"),
      join(LABS_DIR, "runner/run-checks.ts"),
      ...this.#paths,
    ];
  }

  #heard(): void {
    this.#heard_ms = performance.now();
    this.#heardProcessor_ms = this.computed_ms;
  }

  /** The processor time of the checks themselves, which a wrapper may have as its child. */
  get computed_ms(): number {
    const pid = this.#child?.pid;
    const now_ms = processorTime_ms(this.#wrapper.includes("--fork") ? childOf(pid) : pid);
    // Of a process that has ended, what was last read counts.
    return (this.#computed_ms = Math.max(this.#computed_ms, now_ms));
  }

  #endIfSilent(): void {
    const silent_ms = performance.now() - this.#heard_ms;
    const computed_ms = this.computed_ms - this.#heardProcessor_ms;
    const most_ms = this.#isLoaded ? SILENT_PROCESSOR_MS_MAX : LOADING_PROCESSOR_MS_MAX;
    if (computed_ms < most_ms && silent_ms < SILENCE_MS_MAX) return;
    this.#child?.kill("SIGKILL");
  }

  #take(event: CheckEvent, ended: OnOutcome): void {
    if (event.kind === "loaded") {
      this.#scenariosLeft = event.scenarios;
      this.titles = event.titles;
    }
    if (event.kind === "over") {
      this.costs.push(event.costs);
      for (const tree of event.trees) this.trees.add(tree);
    }
    if (event.kind === "begins") this.#begun.push(event.title);
    if (event.kind === "left-out") this.leftOut.push(event);
    if (event.kind !== "ended") return;
    const { title, message, scenario, result, size } = event;
    if (scenario && this.#scenariosLeft !== undefined) this.#scenariosLeft--;
    const passed = result === "passed";
    const unwritten = result === "unwritten";
    this.#add({ title, passed, message, scenario, size, unwritten }, ended);
  }

  #add(outcome: CheckOutcome, ended: OnOutcome): void {
    if (this.#stopped) return;
    this.#outcomes.push(outcome);
    ended(outcome);
  }

  /** A check that ended the process, or had to be ended, or one that ran beside it. */
  #hung(title: string, isOneOf: boolean): CheckOutcome {
    const message = describeJudgement({
      when: `in the middle of this check${isOneOf ? ", or of one that ran beside it" : ""}`,
      happened:
        `no sign of life while it computed for ${SILENT_PROCESSOR_MS_MAX / 1_000} s and more ` +
        "(a loop that does not end, or scans everything again in each turn), or the process ended",
      expected: "every step ends, and soon",
      why: "a member has one thread: a long computation stops all of it, clients included",
    });
    return { title, passed: false, hung: true, message: `${message}\n${this.said}`.trimEnd() };
  }
}
