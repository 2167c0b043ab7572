import { expect, test } from "vitest";
import type { PodWorker } from "./worker.ts";
import { activePods, admittedPods } from "./worker-table.ts";

test("a pod that was removed by force and is being stopped holds no resources of the node", () => {
  const one = (name: string, state: string, facts: { admitted: boolean; forgotten: boolean }) => {
    const allocated = { metadata: { name, uid: name }, spec: { containers: [] } };
    const { admitted: isAdmitted, forgotten } = facts;
    return [name, { state, isAdmitted, forgotten, allocated }] as unknown as [string, PodWorker];
  };
  const workers = new Map([
    one("runs", "syncing", { admitted: true, forgotten: false }),
    one("waits", "syncing", { admitted: false, forgotten: false }),
    one("leaves", "terminating", { admitted: true, forgotten: false }),
    one("removed", "terminating", { admitted: true, forgotten: true }),
    one("ended", "terminated", { admitted: true, forgotten: true }),
  ]);
  const names = (pods: ReturnType<typeof activePods>) => pods.map(({ metadata }) => metadata.name);
  expect(names(admittedPods(workers))).toEqual(["runs", "leaves"]);
  // Its devices and files are still in use.
  expect(names(activePods(workers))).toEqual(["runs", "waits", "leaves", "removed"]);
});
