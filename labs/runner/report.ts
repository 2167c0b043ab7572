import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { type CheckOptions, isSimpler } from "../check.ts";
import { judgedBody } from "../judge.ts";
import { hintFor, hintOfCheck } from "./bodies.ts";
import {
  type CheckOutcome,
  type LeftOut,
  type OnOutcome,
  runLabChecks,
  type Verdict,
} from "./check.ts";
import { lineOf } from "./cut.ts";
import { LabError } from "./lab-error.ts";
import type { Lab, Mutant } from "./manifest.ts";
import { ownTree } from "./own-tree.ts";
import { labsInUse } from "./state.ts";
import { judgeSteps } from "./steps.ts";
import { typeCheck } from "./type-check.ts";
import { cacheFolder, writeReference } from "./workspace.ts";

const TYPES_TITLE = "the code type-checks";
const COMPLAINTS_MAX = 8;

export interface CheckRequest extends CheckOptions {
  /** Checks the product's part instead of the reader's. */
  readonly reference?: boolean | undefined;
  /** Runs the product's contract suite too. */
  readonly contract?: boolean | undefined;
  /** Leads to the cluster on which a small lab's steps are judged. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Checks the product's part with one of the lab's planted mistakes, by its number. */
  readonly planted?: number | undefined;
}

/** Whether the reader's part is checked. */
export function judgesOwn({ reference, planted }: CheckRequest): boolean {
  return !reference && planted === undefined;
}

/** Returns the lab's planted mistake with this number, from 1. */
export function plantedMistake(lab: Lab, number: number): Mutant {
  const mutant = lab.mutants[number - 1];
  if (mutant) return mutant;
  throw new LabError("NO_MISTAKE", `lab ${lab.number} has no planted mistake ${number}`, {
    remedy: `1 to ${lab.mutants.length}`,
  });
}

/** Returns the labs whose trees are used by a check, this lab first. */
export function partsUnderCheck(lab: Lab, request: CheckRequest): string[] {
  if (!judgesOwn(request)) return [];
  return [lab.number, ...labsInUse().filter((number) => number !== lab.number)];
}

/**
 * Checks the reader's part, together with their other parts in use. Outcomes are reported as they
 * arrive, after the type check. Throws if the lab was not started.
 */
export async function checkLab(
  lab: Lab,
  request: CheckRequest,
  onOutcome?: OnOutcome,
): Promise<Verdict> {
  const { only, runs, seed, planted, all } = request;
  if (planted !== undefined) {
    return checkPlanted(lab, plantedMistake(lab, planted), request, onOutcome);
  }
  const tree = ownTree(lab.number);
  if (lab.walk !== undefined) {
    requireStarted(lab, tree);
    return judgeSteps(lab, { folder: tree, env: request.env ?? process.env, only }, onOutcome);
  }
  if (!request.reference) requireStarted(lab, tree);
  const trees = partsUnderCheck(lab, request).map((number) => ownTree(number));
  const types = request.reference ? Promise.resolve("") : typeCheck(lab, tree);
  return typesFirst(
    types,
    (report) => {
      return runLabChecks(lab, trees, { only, runs, seed, all }, report);
    },
    onOutcome,
  );
}

function requireStarted({ number }: Lab, tree: string): void {
  if (existsSync(tree)) return;
  throw new LabError("NOT_STARTED", `lab ${number} is not started`, {
    remedy: `npm run lab start ${number}`,
  });
}

/** Runs the checks beside the type check; reports type errors first, then the checks' outcomes. */
export async function typesFirst<V extends Pick<Verdict, "outcomes">>(
  types: Promise<string>,
  runChecks: (report: OnOutcome) => Promise<V>,
  onOutcome: OnOutcome = () => undefined,
): Promise<V> {
  let waiting: CheckOutcome[] | undefined = [];
  const checks = runChecks((outcome) => (waiting ? waiting.push(outcome) : onOutcome(outcome)));
  checks.catch(() => undefined); // Awaited below.
  const complaints = await types.catch(async (thrown: unknown) => {
    for (const outcome of waiting ?? []) onOutcome(outcome);
    await checks;
    throw thrown;
  });
  const wrong = { title: TYPES_TITLE, passed: false, message: shortened(complaints) };
  const first = complaints === "" ? [] : [wrong];
  for (const outcome of [...first, ...waiting]) onOutcome(outcome);
  waiting = undefined;
  const verdict = await checks;
  return { ...verdict, outcomes: [...first, ...verdict.outcomes] };
}

async function checkPlanted(
  lab: Lab,
  mutant: Mutant,
  { only, runs, seed, planted, all }: CheckRequest,
  onOutcome?: OnOutcome,
): Promise<Verdict> {
  const tree = mkdtempSync(join(cacheFolder(), "labs-planted-"));
  try {
    writeReference(lab, tree, mutant);
    return await runLabChecks(lab, [tree], { only, runs, seed, planted, all }, onOutcome);
  } finally {
    rmSync(tree, { recursive: true });
  }
}

function shortened(complaints: string): string {
  const lines = complaints.trimEnd().split("\n");
  const more = lines.length - COMPLAINTS_MAX;
  return [...lines.slice(0, COMPLAINTS_MAX), ...(more > 0 ? [`... and ${more} more`] : [])].join(
    "\n",
  );
}

/** Returns an outcome as one line. */
export function describeOutcome({ passed, title }: CheckOutcome): string {
  return `  ${passed ? "✓" : "✗"} ${title}`;
}

/** Counts the checks that fail because a body is not written yet, in a line with the bodies. */
export function describeUnwritten({ outcomes }: Pick<Verdict, "outcomes">): string[] {
  const unwritten = outcomes.filter((outcome) => outcome.unwritten);
  if (unwritten.length === 0) return [];
  const bodies = new Set(unwritten.map(({ message }) => UNWRITTEN.exec(message)?.[1] ?? "?"));
  const checks = unwritten.length === 1 ? "1 check waits" : `${unwritten.length} checks wait`;
  return [`  ○ ${checks} for what is not written yet: ${[...bodies].join(", ")}`];
}

const UNWRITTEN = /: ([\w-]+) is not written yet/;

/** Names the other labs whose files the checks have loaded from the reader's folder. */
function besideText({ number }: Lab, { trees }: Verdict): string {
  const others = trees.map((tree) => basename(tree)).filter((name) => name !== number);
  return others.length === 0 ? "" : ` (with your part of lab ${others.join(", ")})`;
}

/**
 * The result of a run: the first failure, the scenario that shows it with its diagram, and what to
 * do next.
 */
export function describeEnd(lab: Lab, request: CheckRequest, verdict: Verdict): string {
  const { outcomes, leftOut, stopped } = verdict;
  const failures = outcomes.filter((outcome) => !outcome.passed);
  const passed = outcomes.length - failures.length;
  const isPartial = stopped && request.only === undefined;
  const others = isPartial ? "; the others were not run (all: --all)" : "";
  const rest = leftOut.length > 0 ? `; ${leftOut.length} left out${others}` : others;
  const beside = judgesOwn(request) ? besideText(lab, verdict) : "";
  const count = `${passed} of ${outcomes.length} checks pass${beside}${rest}`;
  // Failures of written parts come before those of parts that are not written yet.
  const shown = simplestScenario(failures);
  const found = failures.find(({ unwritten }) => !unwritten) ?? failures[0];
  const first = found?.scenario && shown ? shown : found;
  if (first) {
    const help = () => `\n\n${placeText(lab, first)}${hintCommand(lab, first)}`;
    const stuck = judgesOwn(request) ? help() : "";
    const also = shown === undefined || shown === first || first.unwritten ? "" : described(shown);
    const between = also === "" ? "" : "\n\nIn a cluster it looks like this:\n";
    return `${described(first)}${between}${also}\n\n${count}.${stuck}`;
  }
  if (request.reference) return `\n${count}: that is the reference.`;
  if (request.planted !== undefined) return `\n${count}: these do not detect the mistake.`;
  if (request.only !== undefined) return `\n${count}; now all: npm run lab check ${lab.number}`;
  if (lab.walk !== undefined) return `\n${count}: lab ${lab.number} is done.`;
  return (
    `\n${count}: lab ${lab.number} is done. See npm run lab diff ${lab.number}; ` +
    `run it: npm run lab use own ${lab.number}`
  );
}

/** The failed scenario with the fewest members, then lines; the first of equal ones. */
function simplestScenario(failures: readonly CheckOutcome[]): CheckOutcome | undefined {
  const scenarios = failures.filter(({ scenario, unwritten }) => scenario && !unwritten);
  return scenarios.reduce<CheckOutcome | undefined>((simplest, each) => {
    if (!simplest?.size || !each.size) return simplest ?? each;
    return isSimpler(each.size, simplest.size) ? each : simplest;
  }, undefined);
}

/** Names a check that could not look here, with the reason. */
export function describeLeftOut({ title, reason }: LeftOut): string {
  return `  - ${title}: left out, ${reason}`;
}

/** The topic of the hint for a failure: the body that is not written, or that is judged. */
export function topicOf(lab: Lab, { message, title, unwritten }: CheckOutcome): string | undefined {
  const body = unwritten ? UNWRITTEN.exec(message)?.[1] : judgedBody(message);
  if (body !== undefined && hintFor(lab.hints, body)) return body;
  return hintOfCheck(lab, title)?.for;
}

function hintCommand(lab: Lab, failed: CheckOutcome): string {
  if (lab.walk !== undefined) return `Stuck? labs/${lab.folder}/README.md`;
  const topic = topicOf(lab, failed)?.match(/\w+/)?.[0];
  return topic === undefined
    ? `Stuck? npm run lab hint ${lab.number}`
    : `Stuck? npm run lab -- hint ${lab.number} --for ${topic}`;
}

/** The place of the judged body in the reader's file, as terminals and editors open it. */
function placeText(lab: Lab, failed: CheckOutcome): string {
  const topic = topicOf(lab, failed)?.match(/\w+/)?.[0];
  if (topic === undefined) return "";
  for (const file of lab.files) {
    const path = join(ownTree(lab.number), file);
    const line = existsSync(path) ? lineOf(readFileSync(path, "utf8"), topic) : undefined;
    if (line !== undefined) return `Look at ${topic}: ${relative(process.cwd(), path)}:${line}\n`;
  }
  return "";
}

const described = ({ title, message }: CheckOutcome): string => `\n✗ ${title}\n${message}`;
