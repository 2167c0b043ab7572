import type { Event } from "@raft2kube/api/gen/core/v1.ts";

/** Why it is so: `well`, it works; `waiting`, it needs time; `wrong`, someone has to act. */
export interface Explanation {
  readonly state: "well" | "waiting" | "wrong";
  /** One sentence; texts of others in it are not escaped: a terminal needs `printable`. */
  readonly sentence: string;
  readonly remedy?: string | undefined;
  /** Resources that could not be read, so that the cause may be another. */
  readonly unseen?: readonly string[];
}

const explanation =
  <Remedy extends [remedy?: string]>(state: Explanation["state"]) =>
  (sentence: string, ...[remedy]: Remedy): Explanation => ({ state, sentence, remedy });

export const well = explanation<[]>("well");
export const waiting = explanation<[remedy?: string]>("waiting");
export const wrong = explanation<[remedy: string]>("wrong");

/** Texts of events and statuses may be long: a sentence quotes their start. */
const QUOTED_CHARS_MAX = 300;

/** A text of others as a part of a sentence: its first lines, without the end's mark. */
export function quoted(text = ""): string {
  const line = text.replace(/\s+/g, " ").trim().replace(/[.:]$/, "");
  return line.length <= QUOTED_CHARS_MAX ? line : `${line.slice(0, QUOTED_CHARS_MAX)} ...`;
}

const LIST = new Intl.ListFormat("en-GB");
/** `a, b and c`. */
export const listed = (words: readonly string[]): string => LIST.format(words);

/** `1 pod`, `2 pods`. */
export const counted = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? "" : "s"}`;

/** When an event happened last, in ms since 1970; recorders of both APIs write it differently. */
function timeOf({ series, lastTimestamp, eventTime, metadata }: Event): number {
  const text = series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp;
  return text ? Date.parse(text) : 0;
}

/** The newest event of some reasons. */
export const newest = (events: readonly Event[], ...reasons: string[]): Event | undefined =>
  events
    .filter(({ reason = "" }) => reasons.includes(reason))
    .sort((a, b) => timeOf(b) - timeOf(a))[0];
