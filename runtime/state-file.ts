import { readFileSync } from "node:fs";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { RuntimeError } from "./errors.ts";

/** A kind of state on disk: its name and the version that this program writes. */
export type StateKind = { schema: string; version: number };

/** Replaces a state file as a whole, durably. */
export async function writeState(file: string, kind: StateKind, state: object): Promise<void> {
  await replaceFile(file, `${JSON.stringify({ ...kind, state })}\n`);
}

/**
 * Reads a state file, of some KB; undefined when it is not there. A file of another schema or
 * version, or no JSON at all, is failed-precondition: it is never guessed at, and never overwritten
 * unread. Blocks: a promise's four turns of a thread take ten times as long as the file.
 */
export function readState<T>(file: string, kind: StateKind): T | undefined {
  return tolerateSync(
    () => parseState<T>(file, kind, readFileSync(file, "utf8")),
    errno("ENOENT", "ENOTDIR"),
  );
}

function parseState<T>(file: string, kind: StateKind, text: string): T | undefined {
  let found: Partial<StateKind> & { state?: T };
  try {
    found = JSON.parse(text) as typeof found;
  } catch (cause) {
    throw new RuntimeError("failed-precondition", `${file} is damaged`, {
      cause,
      remedy: `move ${file} away`,
    });
  }
  if (found.schema !== kind.schema || found.version !== kind.version) {
    throw new RuntimeError(
      "failed-precondition",
      `${file} is ${found.schema} version ${found.version}, wanted ${kind.schema} ${kind.version}`,
      { remedy: "start the release that wrote it" },
    );
  }
  return found.state;
}
