import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { Command, InvalidArgumentError } from "commander";
import { systemClock } from "@raft2kube/std/clock.ts";
import { spawnVisible } from "../preflight/spawn-visible.ts";
import type { CheckOutcome, OnOutcome } from "../../labs/runner/check.ts";
import { requireContract, runContract } from "../../labs/runner/contract.ts";
import { writeEditorConfig } from "../../labs/runner/editor.ts";
import { type Lab, findLab, readLabs, readmeOf } from "../../labs/runner/manifest.ts";
import { ownDigest, ownTree } from "../../labs/runner/own-tree.ts";
import { labsOfPart, programsOf, standingOf, usableOf } from "../../labs/runner/parts.ts";
import {
  type CheckRequest,
  checkLab,
  describeEnd,
  describeLeftOut,
  describeOutcome,
  judgesOwn,
  partsUnderCheck,
  plantedMistake,
} from "../../labs/runner/report.ts";
import { labsInUse, readState, updateProgress } from "../../labs/runner/state.ts";
import { type ReplayFlags, ReplayServer, writeReplay } from "../../labs/replay/replay-lab.ts";
import { showLab } from "../../labs/runner/show.ts";
import { hintTotals, nextHint } from "../../labs/runner/hints.ts";
import { LEGEND, clusterPicture } from "../../labs/runner/picture.ts";
import { nextLab, progressBar } from "../../labs/runner/progress.ts";
import { onEveryChange } from "../../labs/runner/watch.ts";
import { backUp, referenceText, writeSkeletons } from "../../labs/runner/workspace.ts";
import { OWN_PARTS } from "../supervisor/own-parts.ts";
import { CommandError, outliveReader } from "../terminal.ts";
import { ownPartsText } from "./status.ts";

export function command(): Command {
  // A command that is piped to `head -1` still writes all of its state.
  outliveReader(process.stdout);
  const lab = new Command("lab").description("The numbered labs that assemble the cluster.");
  lab.command("list").description("all labs and how far you are").action(list);
  lab.command("start <number>").description("cut the exercise into your folder").action(start);
  checkFlags(lab.command("check [number]").description("judge what you wrote"))
    .option("--contract", "run the product's contract suite for that part as well")
    .action(check);
  checkFlags(lab.command("watch [number]").description("judge at every save"))
    .option("--port <port>", "where the replay page is served, on 127.0.0.1", portNumber, 0)
    .action(watchLab);
  checkFlags(lab.command("replay [number]").description("record what your part does, on a page"))
    .option("--out <file>", "the page's file")
    .action(replay);
  lab
    .command("planted [number]")
    .description("the lab's planted mistakes, to find with check --planted")
    .action(planted);
  lab
    .command("hint [number]")
    .description("the next hint: a question, a direction, the shape of the code")
    .option("--for <topic>", "the body that it is for")
    .action(hint);
  lab
    .command("show <number> <command>")
    .description("run a command of the shell where your part is at work")
    .option("--with <choice>", "what the lab's page says: a proxy mode, a node")
    .option("--reference", "the product's own part instead of yours")
    .action(show);
  lab
    .command("next")
    .description("the newest lab that is started and has not passed, else the next in order")
    .action(next);
  lab.command("diff [number]").description("yours against the reference, once passed").action(diff);
  lab
    .command("build")
    .description("the labs as a site that needs no network")
    .option("--out <folder>", "where it is written", ".cache/labs-site")
    .action(build);
  lab
    .command("reset <number>")
    .description("start again; a backup is kept")
    .option("--yes", "do not ask")
    .action(reset);
  lab
    .command("use <source> <part>")
    .description("own|reference: the source of a part, by number, by part (store/core), or all")
    .option("--anyway", "your own even if it has not passed, or has changed since")
    .action(use);
  lab
    .command("finish")
    .description("three members on your parts: load, a killed leader, a partition, a restart")
    .action(finish);
  lab.command("status").description("what you started, passed and use").action(status);
  lab.hook("preSubcommand", (_, chosen) => refuseSwallowed(chosen));
  lab.on("command:*", ([word = ""]: string[]) => {
    throw new CommandError("NO_COMMAND", `lab has no command "${word}"`, {
      remedy: /^\d/.test(word)
        ? `npm run lab start ${word}, then watch ${word}, check ${word}, hint ${word}`
        : "npm run lab help",
    });
  });
  return lab;
}

/**
 * Refuses flags that npm has taken for itself, as in `npm run lab check 2 --reference`: without
 * them another thing would be judged. npm passes them on as settings only.
 */
function refuseSwallowed(chosen: Command): void {
  const environment = process.env;
  if (environment["npm_lifecycle_event"] !== "lab") return;
  const given = process.argv.map((word) => word.split("=")[0]);
  const absent = chosen.options.filter(({ long }) => !given.includes(long!));
  const names = absent.map(({ long }) => long!.slice("--".length));
  // A line without a value in npm's settings, `yes=`, is passed on as well.
  const empty: readonly (string | undefined)[] = [undefined, "", "false", "null"];
  const taken = names.filter((name) => !empty.includes(environment[`npm_config_${name}`]));
  if (taken.length === 0) return;
  throw new CommandError("FLAG_TAKEN", `npm took --${taken.join(", --")} for itself`, {
    remedy: `npm run lab -- ${chosen.name()} ... --${taken[0]} ..., or ./r2k lab ${chosen.name()}`,
  });
}

function checkFlags(lab: Command): Command {
  return lab
    .option("--only <text>", "checks with this in their title")
    .option("--runs <count>", "how often to run what depends on chance", positive)
    .option("--seed <number>", "the first seed", positive)
    .option("--all", "run every check; by default the first failure that decides ends the run")
    .option("--reference", "judge the product's own part instead of yours")
    .option("--planted <number>", "judge it with one of the lab's planted mistakes", positive);
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError("a whole number above 0 is needed");
}

function portNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0 && value < 65_536) return value;
  throw new InvalidArgumentError("a port is needed, 0 for a free one");
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
    say(`  ${item.number.padEnd(3)} ${about} ${done}${own}`.trimEnd());
  }
}

function status(): void {
  const state = readState();
  const { labs } = state;
  const numbers = Object.keys(labs).sort();
  if (numbers.length === 0) say("Nothing is started yet: npm run lab start 2");
  for (const number of numbers) {
    const item = readLabs().find((lab) => lab.number === number);
    if (!item) {
      say(`lab ${number}: of another version; its files are in ${ownTree(number)}`);
      continue;
    }
    const { startedAt, passedAt, lastCheck, hintsShown = {}, use: source, anyway } = labs[number]!;
    say(`lab ${number}: ${item.title}`);
    say(`  files     ${ownTree(number)}`);
    const hints = hintTotals(item, hintsShown);
    say(`  started   ${startedAt}, ${hints.shown} of ${hints.of} hints shown`);
    if (lastCheck) say(`  checked   ${lastCheck.at}: ${lastCheck.passed} of ${lastCheck.of} pass`);
    const changed = standingOf(item, state) === "changed" ? "; changed since then" : "";
    if (passedAt) say(`  passed    ${passedAt}${changed}`);
    const own = anyway ? "yours, as it is (--anyway)" : "yours";
    say(`  in use    ${source === "own" ? own : "the reference"}`);
  }
  say(`\n${clusterPicture(readLabs(), readState())}\n ${LEGEND}\n`);
  say(progressBar(readLabs(), readState()));
}

function next(): void {
  const found = nextLab(readLabs(), readState());
  if (!found) return say("Every lab passes. Compare: npm run lab diff 2");
  const { lab: item, isStarted } = found;
  say(`lab ${item.number}: ${item.title} (labs/${item.folder}/${readmeOf(item)})`);
  if (item.files.length === 0) return say("  read it; then npm run lab start 01 (the store: 02)");
  say(`  npm run lab ${isStarted ? "watch" : "start"} ${item.number}`);
}

async function start(number: string): Promise<void> {
  const item = exercise(number);
  for (const path of writeSkeletons(item, ownTree(item.number))) {
    say(`  wrote ${relative(process.cwd(), path)}`);
  }
  writeEditorConfig();
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

async function judgeOne(
  item: Lab,
  request: CheckRequest,
  onOutcome: OnOutcome = () => undefined,
): Promise<boolean> {
  if (request.contract) requireContract(item);
  say(`lab ${item.number}: ${item.title}${whatIsJudged(item, request)}`);
  const passedDigest = judgesOwn(request) ? ownDigest(item) : undefined;
  const verdict = await checkLab(item, request, (outcome) => {
    onOutcome(outcome);
    say(describeOutcome(outcome));
  });
  for (const each of verdict.leftOut) say(describeLeftOut(each));
  say(describeEnd(item, request, verdict));
  const { outcomes } = verdict;
  const passed = outcomes.filter((outcome) => outcome.passed).length;
  const all = passed === outcomes.length && (await contractHolds(item, request));
  if (!judgesOwn(request) || request.only !== undefined) return all;
  const lastCheck = { at: now(), passed, of: outcomes.length };
  const pass = { passedAt: now(), passedDigest, anyway: undefined };
  const change = all ? { lastCheck, ...pass } : { lastCheck };
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

async function watchLab(
  number: string | undefined,
  request: CheckRequest & { readonly port: number },
): Promise<void> {
  const item = current(number);
  const end = new AbortController();
  process.once("SIGINT", () => end.abort());
  const pages = item.replay && (await ReplayServer.listen(item, request.port));
  if (pages) say(`The replay of each run: ${pages.url}`);
  const judgeAndWait = async () => {
    const outcomes: CheckOutcome[] = [];
    await judgeOne(item, request, (outcome) => outcomes.push(outcome));
    await pages?.judged(request, outcomes);
    say("Waiting for you to save ... (Ctrl-C ends)");
  };
  await onEveryChange(ownTree(item.number), judgeAndWait, end.signal);
  await pages?.close();
}

async function replay(number: string | undefined, flags: ReplayFlags): Promise<void> {
  const item = number === undefined ? current(undefined) : findLab(number);
  for (const line of await writeReplay(item, flags)) say(line);
}

async function build({ out }: { out: string }): Promise<void> {
  const { buildSite } = await import("../../labs/site/build.ts");
  const pages = await buildSite({ out, labs: readLabs(), replays: true });
  say(`${pages.length} pages; open ${resolve(pages[0]!)}`);
}

async function hint(number: string | undefined, flags: { for?: string }): Promise<void> {
  const item = current(number);
  const shown = nextHint(item, readState().labs[item.number]?.hintsShown ?? {}, flags.for);
  say(`${shown.topic} (${shown.place})\n\n${shown.text}`);
  await updateProgress(item.number, { hintsShown: shown.counts }, now());
}

function show(number: string, words: string, flags: { with?: string; reference?: true }): void {
  const item = exercise(number);
  const trees = partsUnderCheck(item, flags).map((each) => ownTree(each));
  process.exitCode = showLab(item, words, { trees, choice: flags.with });
}

function planted(number: string | undefined): void {
  const item = current(number);
  say(`lab ${item.number}: ${item.title}, ${item.mutants.length} planted mistakes`);
  for (const [i, { name, file }] of item.mutants.entries()) {
    say(`  ${String(i + 1).padStart(2)}  ${name}  (${file})`);
  }
  say(`Which check finds it, and why? ./r2k lab check ${item.number} --planted 1 --all`);
}

/**
 * Plays the finish on the program that runs this command, with the parts that are in use. Throws
 * when one of them is not in this program: the reference would be played in its name.
 */
async function finish(): Promise<void> {
  const lacking = labsInUse().filter((number) => !OWN_PARTS.includes(number));
  if (lacking.length > 0) {
    const text = `your part of lab ${lacking.join(", ")} is in use, and not in this program`;
    throw new CommandError("NOT_BUILT", text, {
      remedy: "./r2k lab finish, without R2K_SOURCE; or npm run lab use reference all",
    });
  }
  const { playFinish } = await import("../../labs/finish/finish.ts");
  const whose = OWN_PARTS.length > 0 ? ownPartsText(OWN_PARTS) : "the reference in every part";
  say(`Three members, with ${whose}: load, a killed leader, a partition, a power failure ...`);
  const { acknowledged, diagram } = await playFinish(process.argv[1]!);
  for (const line of diagram) say(line);
  say(`\n${acknowledged} writes were acknowledged; none is lost.`);
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
  writeEditorConfig();
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

async function use(source: string, part: string, flags: { anyway?: boolean }): Promise<void> {
  if (source !== "own" && source !== "reference") {
    throw new CommandError("BAD_ARGUMENT", `"${source}" is neither own nor reference`);
  }
  const anyway = source === "own" && flags.anyway === true;
  const meant = labsOfPart(part);
  const labs = source === "own" ? usableOf(meant, readState(), anyway) : meant;
  for (const { number, files } of labs) {
    if (source === "reference" && !readState().labs[number]) continue;
    await updateProgress(number, { use: source, anyway: anyway || undefined }, now());
    say(`  lab ${number}: ${source === "own" ? "yours" : "the reference"} (${files.join(", ")})`);
  }
  say(`From the next start on: ${programsOf(labs)}.`);
}
