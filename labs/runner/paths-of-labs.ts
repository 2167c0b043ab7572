import { type Lab, PATH_NAMES, type PathName } from "./manifest.ts";
import type { LabState } from "./state.ts";

/** Each path's name, and a sentence about it. */
export const PATH_TITLES: Readonly<Record<PathName, string>> = {
  cluster: "The cluster: how a Pod comes to run. Lab 00 starts a cluster, which needs root.",
  store: "The store: how a cluster keeps its state through crashes. Neither root nor a cluster.",
  small: "Small labs: half an hour each, with kubectl alone, on a cluster that runs.",
};

/** A path's labs in the order in which they build on each other. */
export function pathOf(labs: readonly Lab[], name: PathName): Lab[] {
  const own = labs.filter(({ path }) => path === name).sort((a, b) => a.place - b.place);
  return [...own, ...labs.filter(({ alsoOn }) => alsoOn === name)];
}

/** Hours and minutes: `2 h 30`, `45 min`. */
export function timeText(minutes: number): string {
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  if (hours === 0) return `${rest} min`;
  return rest === 0 ? `${hours} h` : `${hours} h ${String(rest).padStart(2, "0")}`;
}

export function totalTime(labs: readonly Lab[]): string {
  return timeText(labs.reduce((sum, { minutes }) => sum + minutes, 0));
}

/** The columns of a lab in the first page's table. */
function columnsOf({ title, minutes, root, after, afterwards }: Lab): string[] {
  return [title, timeText(minutes), root ? "yes" : "", after.join(", "), afterwards.trim()];
}

const COLUMNS = ["lab", "", "time", "root", "builds on", "afterwards you can ..."] as const;

function row(cells: readonly string[]): string {
  return `|${cells.map((cell) => (cell === "" ? " " : ` ${cell} `)).join("|")}|`;
}

/** The tables of the first page, one for each path, as Markdown. */
export function pathTables(labs: readonly Lab[]): string {
  return PATH_NAMES.flatMap((name) => {
    const on = pathOf(labs, name);
    if (on.length === 0) return [];
    const rows = on.map((lab) => {
      const link = `[${lab.number}](${lab.folder}/README.md)`;
      return row([link, ...columnsOf(lab)]);
    });
    const [first = "", ...rest] = PATH_TITLES[name].split(": ");
    const rule = row(COLUMNS.map(() => "---"));
    const about = `**${first}** (${totalTime(on)} in all): ${rest.join(": ")}`;
    return [about, "", row(COLUMNS), rule, ...rows, ""];
  }).join("\n");
}

/** All labs by path, as `lab list` prints them, with how far a reader is. */
export function pathLines(labs: readonly Lab[], state: LabState): string[] {
  return PATH_NAMES.flatMap((name) => {
    const on = pathOf(labs, name);
    if (on.length === 0) return [];
    const lines = on.map((lab) => {
      const progress = state.labs[lab.number];
      const done = progress?.passedAt ? "passed" : progress ? "started" : "";
      const own = progress?.use === "own" ? ", yours runs" : "";
      const columns = [lab.number.padEnd(4), lab.title.padEnd(50), timeText(lab.minutes).padEnd(8)];
      const root = (lab.root ? "root" : "").padEnd(5);
      return `  ${columns.join("")}${root}${done}${own}`.trimEnd();
    });
    return [`${PATH_TITLES[name].split(":")[0]}, ${totalTime(on)}`, ...lines];
  });
}
