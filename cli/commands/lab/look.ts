import { asksOf, describeAsk } from "../../../labs/runner/asks.ts";
import { hintTotals, nextHint } from "../../../labs/runner/hints.ts";
import { readLabs, readmeOf } from "../../../labs/runner/manifest.ts";
import { ownTree } from "../../../labs/runner/own-tree.ts";
import { standingOf } from "../../../labs/runner/parts.ts";
import { pathLines, timeText } from "../../../labs/runner/paths-of-labs.ts";
import { clusterPicture, LEGEND } from "../../../labs/runner/picture.ts";
import { nextLab, progressBar } from "../../../labs/runner/progress.ts";
import { readState, updateProgress } from "../../../labs/runner/state.ts";
import { stepsOf } from "../../../labs/runner/steps.ts";
import { current, judgeCommand, now, say } from "./current.ts";

export function list(): void {
  for (const line of pathLines(readLabs(), readState())) say(line);
}

export function next(): void {
  const found = nextLab(readLabs(), readState());
  if (!found) return say("Every lab passes. Compare: npm run lab diff 2");
  const { lab: item, isStarted } = found;
  say(`lab ${item.number}: ${item.title} (labs/${item.folder}/${readmeOf(item)})`);
  const root = item.root ? ", needs root" : "";
  say(`  ${timeText(item.minutes)}${root}; afterwards you can ${item.afterwards.trim()}`);
  if (item.files.length === 0 && item.walk === undefined) {
    return say("  read it; then npm run lab start 01 (the store: 02)");
  }
  say(`  ${isStarted ? judgeCommand(item) : `npm run lab start ${item.number}`}`);
}

export function status(): void {
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

export function planted(number: string | undefined): void {
  const item = current(number);
  say(`lab ${item.number}: ${item.title}, ${item.mutants.length} planted mistakes`);
  for (const [i, { name, file }] of item.mutants.entries()) {
    say(`  ${String(i + 1).padStart(2)}  ${name}  (${file})`);
  }
  say(`Which check finds it, and why? ./r2k lab check ${item.number} --planted 1 --all`);
}

export async function asks(number: string | undefined, flags: { for?: string }): Promise<void> {
  const item = current(number);
  if (item.walk !== undefined) {
    for (const { title } of stepsOf(item)) say(`  - ${title}`);
    return;
  }
  for (const ask of await asksOf(item, flags.for)) say(`${describeAsk(ask)}\n`);
  say(`Write it: npm run lab watch ${item.number}`);
}

export async function hint(number: string | undefined, flags: { for?: string }): Promise<void> {
  const item = current(number);
  const shown = nextHint(item, readState().labs[item.number]?.hintsShown ?? {}, flags.for);
  say(`${shown.topic} (${shown.place})\n\n${shown.text}`);
  await updateProgress(item.number, { hintsShown: shown.counts }, now());
}
