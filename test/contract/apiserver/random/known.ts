import { isDeepStrictEqual } from "node:util";
import type { Told } from "../stories/teller.ts";
import type { Step } from "./step.ts";

/** A difference that is known: why, and how it is told from others. */
interface KnownDifference {
  readonly why: string;
  is(step: Step, answers: { theirs: Told; ours: Told }): boolean;
}

/** A structure as a complaint shows it: JSON on one side, Go's fields on the other. */
const SHOWN = /Invalid value: (?:\{.*?\}|\[.*?\]|null|"DOCUMENT")(?=: [a-z`])/g;

function plain(value: unknown): unknown {
  if (typeof value === "string") return value.replace(SHOWN, "Invalid value: STRUCTURE");
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([name]) => name !== "ask");
  return Object.fromEntries(members.map(([name, member]) => [name, plain(member)]));
}

const KNOWN: readonly KnownDifference[] = [
  {
    why: "a complaint shows a whole structure, upstream in the form of its Go type",
    is: (_step, { theirs, ours }) =>
      theirs.status === 422 && ours.status === 422 && isDeepStrictEqual(plain(theirs), plain(ours)),
  },
  {
    why: "upstream's handler fails on an order of nothing, and cuts the connection",
    is: ({ body }, { theirs }) =>
      theirs.status === 0 && JSON.stringify(body).includes("$setElementOrder"),
  },
];

/** Why the answers to a request are known to differ; undefined where they must not. */
export function whyKnown(step: Step, answers: { theirs: Told; ours: Told }): string | undefined {
  return KNOWN.find((known) => known.is(step, answers))?.why;
}
