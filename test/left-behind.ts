import { execFileSync } from "node:child_process";
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { unmountBelow } from "../cli/apply/remove.ts";

/** No test lasts so long: a folder that has not changed since then is of a run that was killed. */
export const LEFT_BEHIND_MS = 6 * 3_600_000;
/** The beginnings of the names of tests' folders. */
const OF_TESTS = /^(r2k-|hd-)/;

/**
 * Removes from a folder those of tests that were killed, with all that is mounted below them:
 * namespaces, layers, loop devices' file systems. Returns their paths.
 */
export function removeLeftBehind(now_ms: number, folder: string): string[] {
  const old = readdirSync(folder)
    .filter((name) => OF_TESTS.test(name))
    .map((name) => join(folder, name))
    .filter((path) => isOld(path, now_ms) && !isUsed(path));
  unmountBelow(old);
  for (const path of old) rmSync(path, { recursive: true, force: true });
  return old;
}

function isOld(path: string, now_ms: number): boolean {
  try {
    return now_ms - statSync(path).mtimeMs > LEFT_BEHIND_MS;
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return false;
    throw thrown;
  }
}

/** Whether a process has the folder in its command line: a cluster or an agent in it runs on. */
function isUsed(path: string): boolean {
  const table = execFileSync("ps", ["-eo", "args"], { encoding: "utf8" });
  return table.includes(path);
}
