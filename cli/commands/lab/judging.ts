import { type ReplayFlags, ReplayServer, writeReplay } from "../../../labs/replay/replay-lab.ts";
import type { CheckOutcome, OnOutcome } from "../../../labs/runner/check.ts";
import { requireContract, runContract } from "../../../labs/runner/contract.ts";
import { costsBeside } from "../../../labs/runner/costs.ts";
import { showDiff } from "../../../labs/runner/diff.ts";
import { findLab, type Lab, readLabs } from "../../../labs/runner/manifest.ts";
import { ownDigest, ownRoot, ownTree } from "../../../labs/runner/own-tree.ts";
import { assembledPicture } from "../../../labs/runner/picture.ts";
import { nextLab } from "../../../labs/runner/progress.ts";
import {
  type CheckRequest,
  checkLab,
  describeEnd,
  describeLeftOut,
  describeOutcome,
  describeUnwritten,
  judgesOwn,
  partsUnderCheck,
  plantedMistake,
  topicOf,
} from "../../../labs/runner/report.ts";
import { showLab } from "../../../labs/runner/show.ts";
import { readState, updateProgress } from "../../../labs/runner/state.ts";
import { KEYS, onEveryChange, onKeys } from "../../../labs/runner/watch.ts";
import { clusterFiles } from "../../pki/identities.ts";
import { runningOwnParts } from "../../supervisor/own-parts.ts";
import { reportFailure } from "../../terminal.ts";
import { clusterHere, clusterOf } from "../cluster-of.ts";
import { ASSEMBLED, current, exercise, now, say } from "./current.ts";
import { hint } from "./look.ts";

export async function check(number: string | undefined, request: CheckRequest): Promise<void> {
  const started = Object.keys(readState().labs).sort();
  const wanted = number === undefined ? started : [number];
  if (wanted.length === 0) say("No lab is started; `npm run lab list` shows them.");
  for (const name of wanted) {
    if (!(await judgeOne(exercise(name), request))) process.exitCode = 1;
  }
}

async function judgeOne(
  item: Lab,
  request: CheckRequest,
  onOutcome: OnOutcome = () => undefined,
): Promise<boolean> {
  if (request.contract) requireContract(item);
  say(`lab ${item.number}: ${item.title}${whatIsJudged(item, request)}`);
  const passedDigest = judgesOwn(request) ? ownDigest(item) : undefined;
  const asksCluster = item.walk !== undefined && item.cluster !== false;
  const env = asksCluster ? await clusterEnv() : undefined;
  const verdict = await checkLab(item, { ...request, env }, (outcome) => {
    onOutcome(outcome);
    if (!outcome.unwritten) say(describeOutcome(outcome));
  });
  for (const line of describeUnwritten(verdict)) say(line);
  for (const each of verdict.leftOut) say(describeLeftOut(each));
  say(describeEnd(item, request, verdict));
  const { outcomes } = verdict;
  const passed = outcomes.filter((outcome) => outcome.passed).length;
  const all = passed === outcomes.length && (await contractHolds(item, request));
  if (!judgesOwn(request) || request.only !== undefined) return all;
  const isNew = all && readState().labs[item.number]?.passedDigest !== passedDigest;
  const lastCheck = { at: now(), passed, of: outcomes.length };
  const pass = { passedAt: now(), passedDigest, anyway: undefined };
  const change = all ? { lastCheck, ...pass } : { lastCheck };
  await updateProgress(item.number, change, now());
  if (!isNew || item.walk !== undefined) return all;
  for (const line of await costsBeside(item, request, verdict.costs)) say(line);
  return all;
}

/** Leads kubectl to the reader's cluster: that of KUBECONFIG, else the one called default. */
async function clusterEnv(): Promise<NodeJS.ProcessEnv> {
  const R2K_CLUSTER = clusterHere();
  if (process.env["KUBECONFIG"]) return { ...process.env, R2K_CLUSTER };
  const KUBECONFIG = clusterFiles(await clusterOf(R2K_CLUSTER)).kubeconfig("admin");
  return { ...process.env, R2K_CLUSTER, KUBECONFIG };
}

/** Runs the contract suite if requested; it prints its own failures. */
async function contractHolds(item: Lab, request: CheckRequest): Promise<boolean> {
  if (!request.contract) return true;
  say("The contract suite, which the product and its peers pass ...");
  const trees = partsUnderCheck(item, request).map((number) => ownTree(number));
  const { passed, output } = await runContract(item, trees);
  say(output.trim());
  return passed;
}

function whatIsJudged(item: Lab, request: CheckRequest): string {
  const { reference, planted } = request;
  if (reference) return ", the reference";
  return planted === undefined ? "" : `, planted: ${plantedMistake(item, planted).name}`;
}

/** Judges the assembled cluster, and draws it with the parts that its processes run. */
export async function assemble(): Promise<void> {
  const config = await clusterOf(clusterHere());
  const passed = await judgeOne(exercise(ASSEMBLED), {});
  for (const line of assembledPicture(readLabs(), runningOwnParts(config))) say(line);
  if (!passed) process.exitCode = 1;
}

type WatchFlags = CheckRequest & { readonly port: number };

/**
 * Judges a lab at every save; without a number the lab of the file that was saved last. Keys ask
 * for a hint, all checks, the difference, the next lab, the end.
 */
export async function watchLab(number: string | undefined, flags: WatchFlags): Promise<void> {
  const end = new AbortController();
  process.once("SIGINT", () => end.abort());
  const watched = new Watched(current(number), flags);
  await watched.listen();
  const pokes = new EventTarget();
  const { keys, close } = onKeys(
    process.stdin,
    {
      h: () => watched.hint(),
      a: () => {
        watched.judgesAll = true;
        pokes.dispatchEvent(new Event("poke"));
      },
      d: () => watched.diff(),
      n: () => watched.next(),
      q: () => end.abort(),
    },
    reportFailure,
  );
  const folder = number === undefined ? ownRoot() : ownTree(watched.item.number);
  try {
    await onEveryChange(
      folder,
      async () => {
        if (number === undefined) await watched.turnTo(current(undefined));
        await watched.judge();
        say(`Waiting for you to save ... (${keys ? KEYS : "Ctrl-C ends"})`);
      },
      end.signal,
      pokes,
    );
  } finally {
    close();
    await watched.close();
  }
}

/** The lab that is watched, with the page of its replays. */
class Watched {
  item: Lab;
  judgesAll = false;
  readonly #flags: WatchFlags;
  #pages: ReplayServer | undefined;
  #failed: CheckOutcome | undefined;

  constructor(item: Lab, flags: WatchFlags) {
    this.item = item;
    this.#flags = flags;
  }

  async listen(): Promise<void> {
    if (!this.item.replay) return;
    this.#pages = await ReplayServer.listen(this.item, this.#flags.port);
    say(`The replay of each run: ${this.#pages.url}`);
  }

  async turnTo(item: Lab): Promise<void> {
    if (item.number === this.item.number) return;
    await this.close();
    this.item = item;
    this.#failed = undefined;
    await this.listen();
  }

  async judge(): Promise<void> {
    const request = { ...this.#flags, ...(this.judgesAll ? { all: true } : {}) };
    this.judgesAll = false;
    this.#pages?.judging();
    const outcomes: CheckOutcome[] = [];
    await judgeOne(this.item, request, (outcome) => outcomes.push(outcome));
    this.#failed = outcomes.find((outcome) => !outcome.passed);
    await this.#pages?.judged(request, outcomes);
  }

  /** The next hint for the body that the newest failure judges. */
  async hint(): Promise<void> {
    const topic = this.#failed && topicOf(this.item, this.#failed);
    await hint(this.item.number, topic === undefined ? {} : { for: topic });
  }

  diff(): void {
    if (readState().labs[this.item.number]?.passedAt) return showDiff(this.item);
    say("The difference is shown once the lab has passed.");
  }

  next(): void {
    const found = nextLab(readLabs(), readState());
    if (!found) return say("Every lab passes.");
    say(`next: lab ${found.lab.number}: ${found.lab.title} (labs/${found.lab.folder}/README.md)`);
  }

  async close(): Promise<void> {
    await this.#pages?.close();
    this.#pages = undefined;
  }
}

export async function replay(number: string | undefined, flags: ReplayFlags): Promise<void> {
  const item = number === undefined ? current(undefined) : findLab(number);
  for (const line of await writeReplay(item, flags)) say(line);
}

export function show(
  number: string,
  words: string,
  flags: { with?: string; reference?: true },
): void {
  const item = exercise(number);
  const trees = partsUnderCheck(item, flags).map((each) => ownTree(each));
  process.exitCode = showLab(item, words, { trees, choice: flags.with });
}
