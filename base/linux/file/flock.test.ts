import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { lockHolder, tryLock } from "./flock.ts";

let dir: string;
const children: ChildProcess[] = [];
beforeEach(() => void (dir = testFolder("r2k-flock-")));
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

/** A process that has one file locked and another one open. */
async function locking(locked: string, open: string): Promise<ChildProcess> {
  const args = ["--no-fork", locked, "sh", "-c", 'exec 9>>"$0"; echo; read line', open];
  const child = spawn("flock", args, { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  await once(child.stdout, "data");
  return child;
}

test("the holder of a lock has the file locked, not only open", async () => {
  const [file, other] = ["file", "other"].map((name) => join(dir, name)) as [string, string];
  await locking(other, file);
  expect(lockHolder(file)).toBeUndefined();
  const holder = await locking(file, other);
  expect(lockHolder(file)).toBe(holder.pid);
  expect(tryLock(file)).toBeUndefined();
});
