import { readFileSync } from "node:fs";
import { join } from "node:path";

const FILE = join(import.meta.dirname, "known.json");

/**
 * Requests that ours answers otherwise than upstream: why, then by case. Those that a user would
 * notice are in docs/DIVERGENCE.md.
 */
export type Known = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

export function readKnown(): Known {
  return JSON.parse(readFileSync(FILE, "utf8")) as Known;
}

/** Why ours is known to differ in the answer to `ask`; undefined where it must not. */
export function whyKnown(known: Known, name: string, ask: string): string | undefined {
  return Object.keys(known).find((why) => known[why]![name]?.includes(ask));
}
