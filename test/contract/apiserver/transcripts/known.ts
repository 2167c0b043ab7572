import { readFileSync } from "node:fs";
import { join } from "node:path";

const FILE = join(import.meta.dirname, "known.json");
const PENDING = join(import.meta.dirname, "pending.json");

/**
 * Requests that ours answers otherwise than upstream: why, then by case. Those that a user would
 * notice are in docs/DIVERGENCE.md.
 */
export type Known = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

export const readKnown = (): Known => JSON.parse(readFileSync(FILE, "utf8")) as Known;

/** Returns the cases that are recorded, and not compared until ours serves what they ask for. */
export const readPending = (): string[] => JSON.parse(readFileSync(PENDING, "utf8")) as string[];

/** Why ours is known to differ in the answer to `ask`; undefined where it must not. */
export function whyKnown(known: Known, name: string, ask: string): string | undefined {
  return Object.keys(known).find((why) => known[why]![name]?.includes(ask));
}
