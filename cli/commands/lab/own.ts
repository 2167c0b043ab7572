import { relative } from "node:path";
import { createInterface } from "node:readline/promises";
import { systemClock } from "@raft2kube/std/clock.ts";
import { showDiff } from "../../../labs/runner/diff.ts";
import { writeEditorConfig } from "../../../labs/runner/editor.ts";
import { readmeOf } from "../../../labs/runner/manifest.ts";
import { ownTree } from "../../../labs/runner/own-tree.ts";
import { labsOfPart, programsOf, usableOf } from "../../../labs/runner/parts.ts";
import { readState, updateProgress } from "../../../labs/runner/state.ts";
import { backUp, writeSkeletons } from "../../../labs/runner/workspace.ts";
import { CommandError } from "../../terminal.ts";
import { current, exercise, judgeCommand, now, say } from "./current.ts";

export async function start(number: string): Promise<void> {
  const item = exercise(number);
  for (const path of writeSkeletons(item, ownTree(item.number))) {
    say(`  wrote ${relative(process.cwd(), path)}`);
  }
  writeEditorConfig();
  await updateProgress(item.number, { startedAt: now() }, now());
  say(`Read labs/${item.folder}/${readmeOf(item)}; what is asked: npm run lab asks ${item.number}`);
  say(`Then: ${judgeCommand(item)}`);
}

export function diff(number: string | undefined): void {
  const item = current(number);
  if (!readState().labs[item.number]?.passedAt) {
    throw new CommandError("NOT_PASSED", `lab ${item.number} has not passed yet`, {
      remedy: `npm run lab hint ${item.number}; the reference is shown afterwards`,
    });
  }
  showDiff(item);
}

export async function reset(number: string, flags: { yes?: boolean }): Promise<void> {
  const item = exercise(number);
  if (
    !flags.yes &&
    !(await confirmed(`Start lab ${item.number} again? A backup is kept. [y/N] `))
  ) {
    return;
  }
  const backup = backUp(item, systemClock().now());
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

export async function use(source: string, part: string, flags: { anyway?: boolean }) {
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
  const runsInCluster = labs.some((lab) => lab.part !== "device");
  if (runsInCluster) say("npm start restarts the processes of a running cluster with the change.");
}
