import { isDeepStrictEqual } from "node:util";
import { CodedError } from "@raft2kube/std/errors.ts";
import { awaiting, NOT_WRITTEN } from "./check.ts";
import { framesOf, type Judgement, judge } from "./judge.ts";

/** Waits for work that must succeed; an error of the reader's code becomes the judgement. */
export async function mustPass<T>(
  work: Promise<T>,
  judgement: Omit<Judgement, "happened">,
): Promise<T> {
  try {
    return await awaiting(judgement.when, work);
  } catch (thrown) {
    if (isUnwritten(thrown)) throw thrown;
    const unexpected = thrown instanceof Error && !(rootOf(thrown) instanceof CodedError);
    const places = unexpected ? ["", ...framesOf(thrown)].join("\n              ") : "";
    return judge(false, { ...judgement, happened: describe(thrown) + places });
  }
}

/** Waits for work that must be refused with this kind of error; returns it. */
export async function mustFail<E extends CodedError>(
  work: Promise<unknown>,
  kind: new (...args: never[]) => E,
  judgement: Omit<Judgement, "happened">,
): Promise<E> {
  try {
    await awaiting(judgement.when, work);
  } catch (thrown) {
    if (thrown instanceof kind && !isUnwritten(thrown)) return thrown;
    throw thrown;
  }
  return judge(false, { ...judgement, happened: "it succeeded" });
}

/** Fails unless both are equal; the first difference is shown. */
export function mustEqual(
  happened: unknown,
  expected: unknown,
  { when, why, body }: Pick<Judgement, "when" | "why" | "body">,
): void {
  const [place = "", one = "", other = ""] = firstDifference(happened, expected) ?? [];
  const at = place && `${place}: `;
  judge(one === other, { when, happened: `${at}${one}`, expected: `${at}${other}`, why, body });
}

/** The longest list that is shown as a whole: the place in it says what a value means. */
const LIST_SHOWN_MAX = 8;

const isShortList = (value: unknown) =>
  Array.isArray(value) &&
  value.length <= LIST_SHOWN_MAX &&
  value.every((each) => ["string", "number", "boolean"].includes(typeof each));

/** The first place where two results differ, and both values there; a short list is one value. */
export function firstDifference(
  own: unknown,
  theirs: unknown,
  path = "",
): readonly string[] | undefined {
  if (isDeepStrictEqual(own, theirs)) return undefined;
  if (isShortList(own) && isShortList(theirs)) return [path, shown(own), shown(theirs)];
  const [one, other] = [own, theirs].map((side) => {
    return typeof side === "object" && side !== null ? (side as Record<string, unknown>) : {};
  });
  const keys = new Set([...Object.keys(one!), ...Object.keys(other!)]);
  for (const key of keys) {
    const found = firstDifference(one![key], other![key], `${path}${path && "."}${key}`);
    if (found) return found;
  }
  return [path, shown(own), shown(theirs)];
}

const shown = (value: unknown): string => (value === undefined ? "nothing" : JSON.stringify(value));

/** Whether an error says that a part of the exercise is not written yet. */
export function isUnwritten(thrown: unknown): boolean {
  return thrown instanceof Error && NOT_WRITTEN.test(thrown.message);
}

function rootOf(thrown: Error): Error {
  return thrown.cause instanceof Error ? rootOf(thrown.cause) : thrown;
}

function describe(thrown: unknown): string {
  if (thrown instanceof CodedError) return `${thrown.code}: ${thrown.message}`;
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
}
