import { systemClock } from "@raft2kube/std/clock.ts";
import { findLab, type Lab } from "../../../labs/runner/manifest.ts";
import { lastSaved_ms } from "../../../labs/runner/own-tree.ts";
import { readState } from "../../../labs/runner/state.ts";
import { CommandError } from "../../terminal.ts";

/** The lab of the assembled cluster, which a command of its own judges and draws. */
export const ASSEMBLED = "22";

/** The command that judges a lab which is started. */
export const judgeCommand = ({ number }: Lab) =>
  `npm run lab ${number === ASSEMBLED ? "assemble" : `watch ${number}`}`;

/** Prints a line. */
export const say = (line: string) => void process.stdout.write(`${line}\n`);

/** The wall clock's time, for the reader's state. */
export const now = () => new Date(systemClock().now()).toISOString();

/** The lab with this number. Throws if it has nothing to write. */
export function exercise(number: string): Lab {
  const item = findLab(number);
  if (item.files.length > 0 || item.walk !== undefined) return item;
  throw new CommandError("NO_EXERCISE", `lab ${item.number} has no exercise`, {
    remedy: `read labs/${item.folder}/README.md`,
  });
}

/** The lab with this number, without one the started lab of which a file was saved last. */
export function current(number: string | undefined): Lab {
  if (number !== undefined) return exercise(number);
  const started = Object.keys(readState().labs).map((each) => findLab(each));
  const newest = started.sort((a, b) => lastSaved_ms(b) - lastSaved_ms(a))[0];
  if (newest) return newest;
  throw new CommandError("NOT_STARTED", "no lab is started", { remedy: "npm run lab start 2" });
}
