import { mkdtempSync, rmSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { Command } from "commander";
import { spawnVisible } from "../preflight/spawn-visible.ts";
import { checkLab, describeOutcomes } from "../labs/report.ts";
import { type Lab, findLab, readLabs } from "../labs/manifest.ts";
import { ownTree } from "../labs/own-tree.ts";
import { readState, updateProgress } from "../labs/state.ts";
import { backUp, referenceText, writeSkeletons } from "../labs/workspace.ts";
import { CommandError } from "../terminal.ts";

export function command(): Command {
  const lab = new Command("lab").description("The numbered labs that assemble the cluster.");
  lab.command("list").description("all labs and how far you are").action(list);
  lab.command("start <number>").description("cut the exercise into your folder").action(start);
  lab.command("check [number]").description("judge what you wrote").action(check);
  lab.command("watch <number>").description("judge at every save").action(watchLab);
  lab.command("hint <number>").description("the next hint").action(hint);
  lab.command("diff <number>").description("yours against the reference, once passed").action(diff);
  lab
    .command("reset <number>")
    .description("begin anew; a backup is kept")
    .option("--yes", "do not ask")
    .action(reset);
  lab.command("use <whose> <number>").description("own|reference: whose part runs").action(use);
  lab.command("status").description("what you started, passed and use").action(list);
  return lab;
}

const say = (line: string) => void process.stdout.write(`${line}\n`);
const now = () => new Date().toISOString();

function list(): void {
  const { labs } = readState();
  for (const item of readLabs()) {
    const progress = labs[item.number];
    const done = progress?.passedAt ? "passed" : progress ? "started" : "";
    const own = progress?.use === "own" ? ", yours runs" : "";
    say(`  ${item.number}  ${item.title.padEnd(40)} ${done}${own}`);
  }
}

async function start(number: string): Promise<void> {
  const item = exercise(number);
  for (const path of writeSkeletons(item, ownTree(item.number))) say(`  wrote ${path}`);
  await updateProgress(item.number, { startedAt: now() }, now());
  say(`Read labs/${item.folder}/README.md, then: npm run lab check ${item.number}`);
}

function exercise(number: string): Lab {
  const item = findLab(number);
  if (item.files.length > 0) return item;
  throw new CommandError("NO_EXERCISE", `lab ${item.number} has nothing to write`, {
    remedy: `read labs/${item.folder}/README.md`,
  });
}

async function check(number: string | undefined): Promise<void> {
  const started = Object.keys(readState().labs).sort();
  const wanted = number === undefined ? started : [number];
  if (wanted.length === 0) say("No lab is started; `npm run lab list` shows them.");
  for (const name of wanted) {
    const item = exercise(name);
    const outcomes = await checkLab(item);
    say(describeOutcomes(item, outcomes));
    if (outcomes.every((outcome) => outcome.passed)) {
      await updateProgress(item.number, { passedAt: now() }, now());
    } else process.exitCode = 1;
  }
}

async function watchLab(number: string): Promise<void> {
  const item = exercise(number);
  for (;;) {
    await check(item.number);
    say("Waiting for you to save ... (Ctrl-C ends)");
    await new Promise<void>((resolve) => {
      const watcher = watch(ownTree(item.number), { recursive: true }, () => {
        watcher.close();
        resolve();
      });
    });
  }
}

async function hint(number: string): Promise<void> {
  const item = findLab(number);
  const shown = readState().labs[item.number]?.hints ?? 0;
  const next = item.hints[Math.min(shown, item.hints.length - 1)];
  say(next ?? "This lab has no hints.");
  if (shown < item.hints.length) await updateProgress(item.number, { hints: shown + 1 }, now());
}

async function diff(number: string): Promise<void> {
  const item = exercise(number);
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
    !(await confirmed(`Begin lab ${item.number} anew? Yours is kept aside. [y/N] `))
  ) {
    return;
  }
  const backup = backUp(item, Date.now());
  if (backup !== undefined) say(`  yours is kept in ${backup}`);
  writeSkeletons(item, ownTree(item.number));
  await updateProgress(item.number, { passedAt: undefined, use: "reference" }, now());
}

async function confirmed(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}

async function use(whose: string, number: string): Promise<void> {
  if (whose !== "own" && whose !== "reference") {
    throw new CommandError("BAD_ARGUMENT", `"${whose}" is neither own nor reference`);
  }
  const item = exercise(number);
  if (whose === "own" && !readState().labs[item.number]?.passedAt) {
    throw new CommandError("NOT_PASSED", `lab ${item.number} has not passed; it would not run`, {
      remedy: `npm run lab check ${item.number}`,
    });
  }
  await updateProgress(item.number, { use: whose }, now());
  say(`The next start of a cluster runs ${whose === "own" ? "your" : "the reference"} part.`);
}
