import { isDeepStrictEqual } from "node:util";
import type { Exchange } from "../transcripts/recorder.ts";
import type { Step } from "./step.ts";

/** A difference that is known: why, and how it is recognised. */
interface KnownDifference {
  readonly why: string;
  is(step: Step, answers: { theirs: Exchange; ours: Exchange }): boolean;
}

/** A structure as a complaint shows it: JSON on one side, Go's fields on the other. */
const SHOWN = /Invalid value: (?:\{.*?\}|\[.*?\]|null|"DOCUMENT")(?=: [a-z`])/g;

function plain(value: unknown): unknown {
  if (typeof value === "string") return value.replace(SHOWN, "Invalid value: STRUCTURE");
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([name]) => name !== "ask" && name !== "sent");
  return Object.fromEntries(members.map(([name, member]) => [name, plain(member)]));
}

/** The complaints in no certain order, each once. */
function once(answer: Exchange): unknown {
  const { body } = plain(answer) as { body: { details?: { causes?: unknown } } };
  const causes = Object.values(body.details?.causes ?? {}).map((each) => JSON.stringify(each));
  return { status: answer.status, headers: answer.headers, causes: [...new Set(causes)].sort() };
}

/** Upstream names the managers of a conflict in no certain order. */
function inOrder(answer: Exchange): unknown {
  const causes = (answer.body as { details?: { causes?: object[] } }).details?.causes ?? [];
  const sorted = causes.map((each) => JSON.stringify(each)).sort();
  const body = { ...(answer.body as object), details: { causes: sorted } };
  return { ...(plain(answer) as object), body };
}

const KNOWN: readonly KnownDifference[] = [
  {
    why: "a complaint shows a whole structure, upstream in the form of its Go type",
    is: (_step, { theirs, ours }) =>
      theirs.status === 422 && ours.status === 422 && isDeepStrictEqual(plain(theirs), plain(ours)),
  },
  {
    why: "complaints of one object stand in another order, or once where upstream has them twice",
    is: (_step, { theirs, ours }) =>
      theirs.status === 422 && isDeepStrictEqual(once(theirs), once(ours)),
  },
  {
    why: "the conflicts of an apply stand in no certain order",
    is: (_step, { theirs, ours }) =>
      theirs.status === 409 && isDeepStrictEqual(inOrder(theirs), inOrder(ours)),
  },
  {
    why: "upstream makes a Service, without an address, of the first apply to its status",
    is: ({ path }, { theirs, ours }) =>
      /\/services\/[^/]+\/status/.test(path) && ours.status === 404 && theirs.status !== 404,
  },
  {
    why: "upstream's handler fails on an order of nothing, and cuts the connection",
    is: ({ body }, { theirs }) =>
      theirs.status === 0 && JSON.stringify(body ?? "").includes("$setElementOrder"),
  },
];

/** Why the answers to a request are known to differ; undefined where they must not. */
export function whyKnown(
  step: Step,
  answers: { theirs: Exchange; ours: Exchange },
): string | undefined {
  return KNOWN.find((known) => known.is(step, answers))?.why;
}
