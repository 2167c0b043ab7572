import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readMountInfo } from "@raft2kube/linux/mount/mountinfo.ts";
import { createNetns } from "@raft2kube/linux/namespace/netns.ts";
import { expect, onTestFinished, test } from "vitest";
import { unmountBelow } from "../../../cli/apply/remove.ts";
import { LEFT_BEHIND_MS, removeLeftBehind } from "../../left-behind.ts";

test.runIf(process.getuid?.() === 0)("a run removes what killed ones left, nothing newer", () => {
  const dir = mkdtempSync(join(tmpdir(), "r2k-left-"));
  onTestFinished(() => {
    unmountBelow([dir]);
    rmSync(dir, { recursive: true });
  });
  const now_ms = Date.now();
  const add = (name: string, age_ms: number) => {
    const path = join(dir, name);
    mkdirSync(path);
    createNetns(join(path, "one"));
    const time_s = (now_ms - age_ms) / 1000;
    utimesSync(path, time_s, time_s);
    return path;
  };
  const [left, others] = [add("r2k-lan-1", 2 * LEFT_BEHIND_MS), add("mine", 2 * LEFT_BEHIND_MS)];
  const fresh = add("r2k-lan-2", LEFT_BEHIND_MS / 2);
  const mounted = () =>
    [left, others, fresh].map((path) =>
      readMountInfo().some(({ mountPoint }) => mountPoint === join(path, "one")),
    );
  expect(mounted()).toEqual([true, true, true]);
  expect(removeLeftBehind(now_ms, dir)).toEqual([left]);
  expect(mounted()).toEqual([false, true, true]);
  expect([left, others, fresh].map((path) => existsSync(path))).toEqual([false, true, true]);
  expect(removeLeftBehind(now_ms + LEFT_BEHIND_MS, dir)).toEqual([fresh]);
});
