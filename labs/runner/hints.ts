import { LabError } from "./lab-error.ts";
import type { Hint, Lab } from "./manifest.ts";

/** Grades of hints, from the one that leaves most to the reader to the one that leaves least. */
export const GRADES = ["question", "direction", "shape"] as const;

/** A hint as it is shown. */
export interface ShownHint {
  readonly topic: string;
  /** `question 1 of 3`. */
  readonly place: string;
  readonly text: string;
  /** How many hints of each topic have been shown with this one. */
  readonly counts: Readonly<Record<string, number>>;
}

/** How many hints a reader has seen, by topic. */
export type HintCounts = Readonly<Record<string, number>>;

/**
 * The next hint: of the named topic (`#restore` is `restore`), or of the first one whose grades
 * were not all shown. The last grade of a topic is shown again when nothing is left. Throws when
 * there is no such topic.
 */
export function nextHint(lab: Lab, shown: HintCounts, topic?: string): ShownHint {
  const { hints } = lab;
  const found =
    topic === undefined
      ? (hints.find((hint) => (shown[hint.for] ?? 0) < GRADES.length) ?? hints.at(-1))
      : hintFor(hints, topic.replace(/^#/, ""));
  if (!found) {
    throw new LabError("NO_HINT", `lab ${lab.number} has no hint for "${topic ?? ""}"`, {
      remedy: hints.length > 0 ? `one of ${hints.map((hint) => hint.for).join(", ")}` : "read on",
    });
  }
  const at = Math.min(shown[found.for] ?? 0, GRADES.length - 1);
  const grade = GRADES[at]!;
  const isAgain = (shown[found.for] ?? 0) >= GRADES.length;
  const place = `${grade}, ${at + 1} of ${GRADES.length}${isAgain ? ", again: the last" : ""}`;
  const counts = { ...shown, [found.for]: at + 1 };
  return { topic: found.for, place, text: textOf(found, grade), counts };
}

/** The hint for a body: of this name, else the first whose name has this in it. */
export function hintFor(hints: readonly Hint[], topic: string): Hint | undefined {
  return hints.find((hint) => hint.for === topic) ?? hints.find((hint) => hint.for.includes(topic));
}

function textOf(hint: Hint, grade: (typeof GRADES)[number]): string {
  return hint[grade].trimEnd();
}

/** How many hints there are, and how many of them were shown. */
export function hintTotals({ hints }: Lab, shown: HintCounts): { shown: number; of: number } {
  const seen = hints.reduce((sum, hint) => sum + (shown[hint.for] ?? 0), 0);
  return { shown: seen, of: hints.length * GRADES.length };
}
