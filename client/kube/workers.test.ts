import { configureLog } from "@raft2kube/observe/log.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, expect, test } from "vitest";
import { KubeError } from "./errors.ts";
import { runWorkers } from "./workers.ts";

afterEach(() => configureLog({}));

/** Works on one key that fails so often with this code; returns the warnings. */
async function warningsOf(code: number, reason: string, times: number): Promise<string[]> {
  const lines: string[] = [];
  configureLog({ level: "warn", stream: { write: (line) => void lines.push(line) } });
  const queue = new WorkQueue({ clock: systemClock() });
  queue.add("default/data");
  let failures = 0;
  await runWorkers("test", queue, () => {
    if (failures++ === times) {
      queue.close();
      return Promise.resolve();
    }
    const error = new KubeError({ code, reason, message: `${reason} it is` });
    return Promise.reject(error);
  });
  return lines.map((line) => (JSON.parse(line) as { error: string }).error);
}

test("an object that was deleted meanwhile is no warning, one that stays missing is", async () => {
  expect(await warningsOf(404, "NotFound", 1)).toEqual([]);
  expect(await warningsOf(404, "NotFound", 3)).toEqual(["NotFound it is", "NotFound it is"]);
  expect(await warningsOf(409, "Conflict", 3)).toEqual([]);
  expect(await warningsOf(500, "InternalError", 1)).toEqual(["InternalError it is"]);
});
