import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { createInterface } from "node:readline/promises";
import { Command, InvalidArgumentError } from "commander";
import { systemClock } from "@raft2kube/std/clock.ts";
import { spawnVisible } from "../preflight/spawn-visible.ts";
import { runContract } from "../../labs/runner/contract.ts";
import { type Lab, findLab, readLabs, readmeOf } from "../../labs/runner/manifest.ts";
import { ownTree } from "../../labs/runner/own-tree.ts";
import { labsOfPart, passedOf } from "../../labs/runner/parts.ts";
import {
  type CheckRequest,
  checkLab,
  describeEnd,
  describeOutcome,
  judgesOwn,
  partsUnderCheck,
  plantedMistake,
} from "../../labs/runner/report.ts";
import { readState, updateProgress } from "../../labs/runner/state.ts";
import { onEveryChange } from "../../labs/runner/watch.ts";
import { backUp, referenceText, writeSkeletons } from "../../labs/runner/workspace.ts";
import { CommandError } from "../terminal.ts";

export function command(): Command {
  const lab = new Command("lab").description("The numbered labs that assemble the cluster.");
  lab.command("list").description("all labs and how far you are").action(list);
  lab.command("start <number>").description("cut the exercise into your folder").action(start);
  checkFlags(lab.command("check [number]").description("judge what you wrote"))
    .option("--contract", "run the product's contract suite for that part as well")
    .action(check);
  checkFlags(lab.command("watch [number]").description("judge at every save")).action(watchLab);
  lab.command("hint [number]").description("the next hint").action(hint);
  lab.command("diff [number]").description("yours against the reference, once passed").action(diff);
  lab
    .command("reset <number>")
    .description("start again; a backup is kept")
    .option("--yes", "do not ask")
    .action(reset);
  lab
    .command("use <source> <part>")
    .description("own|reference: the source of a part, by number, by part (store/core), or all")
    .action(use);
  lab.command("status").description("what you started, passed and use").action(status);
  return lab;
}

function checkFlags(lab: Command): Command {
  return lab
    .option("--only <text>", "checks with this in their title")
    .option("--runs <count>", "how often to run what depends on chance", positive)
    .option("--seed <number>", "the first seed", positive)
    .option("--reference", "judge the product's own part instead of yours")
    .option("--planted <number>", "judge it with one of the lab's planted mistakes", positive);
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("a whole number above 0 is needed");
}

const say = (line: string) => void process.stdout.write(`${line}\n`);
const clock = systemClock();
const now = () => new Date(clock.now()).toISOString();

function list(): void {
  const { labs } = readState();
  for (const item of readLabs()) {
    const progress = labs[item.number];
    const done = progress?.passedAt ? "passed" : progress ? "started" : "";
    const own = progress?.use === "own" ? ", yours runs" : "";
    const about = `${item.title.padEnd(28)} ${(item.part ?? "").padEnd(12)}`;
    say(`  ${item.number}  ${about} ${done}${own}`.trimEnd());
  }
}

function status(): void {
  const { labs } = readState();
  const numbers = Object.keys(labs).sort();
  if (numbers.length === 0) say("Nothing is started yet: npm run lab start 2");
  for (const number of numbers) {
    const { startedAt, passedAt, lastCheck, hints = 0, use: source } = labs[number]!;
    const item = findLab(number);
    say(`lab ${number}: ${item.title}`);
    say(`  files     ${ownTree(number)}`);
    say(`  started   ${startedAt}, ${hints} of ${item.hints.length} hints shown`);
    if (lastCheck) say(`  checked   ${lastCheck.at}: ${lastCheck.passed} of ${lastCheck.of} pass`);
    if (passedAt) say(`  passed    ${passedAt}`);
    say(`  in use    ${source === "own" ? "yours" : "the reference"}`);
  }
}

async function start(number: string): Promise<void> {
  const item = exercise(number);
  for (const path of writeSkeletons(item, ownTree(item.number))) {
    say(`  wrote ${relative(process.cwd(), path)}`);
  }
  await updateProgress(item.number, { startedAt: now() }, now());
  say(`Read labs/${item.folder}/${readmeOf(item)}, then: npm run lab check ${item.number}`);
}

function exercise(number: string): Lab {
  const item = findLab(number);
  if (item.files.length > 0) return item;
  throw new CommandError("NO_EXERCISE", `lab ${item.number} has no exercise`, {
    remedy: `read labs/${item.folder}/README.md`,
  });
}

/** Returns the lab with this number, without one the lab that was started last. */
function current(number: string | undefined): Lab {
  if (number !== undefined) return exercise(number);
  const started = Object.entries(readState().labs);
  const [last] = started.sort(([, a], [, b]) => b.startedAt.localeCompare(a.startedAt));
  if (last) return exercise(last[0]);
  throw new CommandError("NOT_STARTED", "no lab is started", { remedy: "npm run lab start 2" });
}

async function check(number: string | undefined, request: CheckRequest): Promise<void> {
  const started = Object.keys(readState().labs).sort();
  const wanted = number === undefined ? started : [number];
  if (wanted.length === 0) say("No lab is started; `npm run lab list` shows them.");
  for (const name of wanted) {
    if (!(await judgeOne(exercise(name), request))) process.exitCode = 1;
  }
}

async function judgeOne(item: Lab, request: CheckRequest): Promise<boolean> {
  say(`lab ${item.number}: ${item.title}${whatIsJudged(item, request)}`);
  const outcomes = await checkLab(item, request, (outcome) => say(describeOutcome(outcome)));
  say(describeEnd(item, request, outcomes));
  const passed = outcomes.filter((outcome) => outcome.passed).length;
  const all = passed === outcomes.length && (await contractHolds(item, request));
  if (!judgesOwn(request) || request.only !== undefined) return all;
  const lastCheck = { at: now(), passed, of: outcomes.length };
  const change = all ? { lastCheck, passedAt: now() } : { lastCheck };
  await updateProgress(item.number, change, now());
  return all;
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
  if (planted !== undefined) return `, planted: ${plantedMistake(item, planted).name}`;
  const others = partsUnderCheck(item, request).slice(1);
  return others.length > 0 ? `, with your part of ${others.join(", ")}` : "";
}

async function watchLab(number: string | undefined, request: CheckRequest): Promise<void> {
  const item = current(number);
  const end = new AbortController();
  process.once("SIGINT", () => end.abort());
  const judgeAndWait = async () => {
    await judgeOne(item, request);
    say("Waiting for you to save ... (Ctrl-C ends)");
  };
  await onEveryChange(ownTree(item.number), judgeAndWait, end.signal);
}

async function hint(number: string | undefined): Promise<void> {
  const item = current(number);
  const shown = readState().labs[item.number]?.hints ?? 0;
  const at = Math.min(shown, item.hints.length - 1);
  say(`${at + 1} of ${item.hints.length}: ${item.hints[at]}`);
  if (shown < item.hints.length) await updateProgress(item.number, { hints: shown + 1 }, now());
}

async function diff(number: string | undefined): Promise<void> {
  const item = current(number);
  if (!readState().labs[item.number]?.passedAt) {
    throw new CommandError("NOT_PASSED", `lab ${item.number} has not passed yet`, {
      remedy: `npm run lab hint ${item.number}; the reference is shown afterwards`,
    });
  }
  const dir = mkdtempSync(join(tmpdir(), "r2k-lab-"));
  try {
    for (const file of item.files) {
      const reference = join(dir, "reference.ts");
      writeFileSync(reference, referenceText(file));
      const own = join(ownTree(item.number), file);
      const labels = ["--label", `yours/${file}`, "--label", `reference/${file}`];
      await spawnVisible("diff", ["-u", ...labels, own, reference], process.env);
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
}

async function reset(number: string, flags: { yes?: boolean }): Promise<void> {
  const item = exercise(number);
  if (
    !flags.yes &&
    !(await confirmed(`Start lab ${item.number} again? A backup is kept. [y/N] `))
  ) {
    return;
  }
  const backup = backUp(item, clock.now());
  if (backup !== undefined) say(`  yours is kept in ${backup}`);
  writeSkeletons(item, ownTree(item.number));
  await updateProgress(
    item.number,
    { passedAt: undefined, lastCheck: undefined, use: "reference" },
    now(),
  );
}

async function confirmed(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}

async function use(source: string, part: string): Promise<void> {
  if (source !== "own" && source !== "reference") {
    throw new CommandError("BAD_ARGUMENT", `"${source}" is neither own nor reference`);
  }
  const meant = labsOfPart(part);
  const labs = source === "own" ? passedOf(meant, readState()) : meant;
  for (const { number, files } of labs) {
    if (source === "reference" && !readState().labs[number]) continue;
    await updateProgress(number, { use: source }, now());
    say(`  lab ${number}: ${source === "own" ? "yours" : "the reference"} (${files.join(", ")})`);
  }
  say("From the next start on: ./r2k store, or npm start.");
}
