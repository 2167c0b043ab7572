import { hintFor, referenceOf } from "./bodies.ts";
import { LabError } from "./lab-error.ts";
import type { Hint, Lab } from "./manifest.ts";

/** Grades of hints, from the one that leaves most to the reader to the one that leaves least. */
export const GRADES = ["question", "direction", "parts", "shape"] as const;

/** A hint as it is shown. */
export interface ShownHint {
  readonly topic: string;
  /** `question 1 of 4`. */
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
    if (hints.length === 0) {
      const remedy = `read labs/${lab.folder}/README.md`;
      throw new LabError("NO_HINT", `lab ${lab.number} has no hints`, { remedy });
    }
    throw new LabError("NO_HINT", `lab ${lab.number} has no hint for "${topic ?? ""}"`, {
      remedy: `one of ${hints.map((hint) => hint.for).join(", ")}`,
    });
  }
  const at = Math.min(shown[found.for] ?? 0, GRADES.length - 1);
  const grade = GRADES[at]!;
  const isAgain = (shown[found.for] ?? 0) >= GRADES.length;
  const place = `${grade}, ${at + 1} of ${GRADES.length}${isAgain ? ", again: the last" : ""}`;
  const counts = { ...shown, [found.for]: at + 1 };
  return { topic: found.for, place, text: textOf(lab, found, grade), counts };
}

function textOf(lab: Lab, hint: Hint, grade: (typeof GRADES)[number]): string {
  if (grade !== "parts") return hint[grade].trimEnd();
  const bodies = hint.for.match(/\w+/g) ?? [];
  const parts = bodies.flatMap((body) => {
    const text = partsOf(referenceOf(lab, body));
    return text === "" ? [] : [bodies.length > 1 ? `${body}: ${text}` : text];
  });
  return parts.length > 0 ? parts.join("\n") : "The reference has no body of this name.";
}

const STATEMENTS = ["if", "for", "while", "switch", "try", "throw", "return"];
/** Words before a parenthesis that are the language's own, and call nothing. */
const NO_CALLS = /^(if|for|while|switch|catch|return|function|super|await|typeof)$/;

/** Counts the lines and statements of a body's reference, and names its calls. */
function partsOf(reference: string): string {
  const code = reference.replace(/^\s*\/\/.*$/gm, "");
  const lines = code.split("\n").filter((line) => line.trim() !== "").length;
  if (lines === 0) return "";
  const counted = STATEMENTS.flatMap((word) => {
    const count = [...code.matchAll(new RegExp(`\\b${word}\\b`, "g"))].length;
    return count === 0 ? [] : [count === 1 ? word : `${count} ${word}`];
  });
  const calls = [...code.matchAll(/([\w.#]*\w)(?:<[\w, ]+>)?\(/g)].map(([, name]) => name!);
  const named = [...new Set(calls)].filter((name) => !NO_CALLS.test(name));
  const quoted = named.map((name) => `\`${name}\``).join(", ");
  const called = named.length > 0 ? `; it calls ${quoted}` : "";
  const has = counted.length > 0 ? `, with ${counted.join(", ")}` : "";
  return `The reference has ${lines} line${lines === 1 ? "" : "s"}${has}${called}.`;
}

/** How many hints there are, and how many of them were shown. */
export function hintTotals({ hints }: Lab, shown: HintCounts): { shown: number; of: number } {
  const seen = hints.reduce((sum, hint) => sum + (shown[hint.for] ?? 0), 0);
  return { shown: seen, of: hints.length * GRADES.length };
}
