import type { ControllerRevision, StatefulSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { WriteTracker } from "../write-tracker.ts";
import { applyPlan, type StatefulControl } from "./apply.ts";
import { planStep, type StatefulView } from "./plan.ts";
import { planStatus } from "./status.ts";

const set: StatefulSet = {
  metadata: { name: "db", namespace: "ns", uid: "set", generation: 1 },
  spec: {
    replicas: 3,
    serviceName: "db",
    podManagementPolicy: "OrderedReady",
    selector: { matchLabels: { app: "db" } },
    template: { metadata: { labels: { app: "db" } }, spec: { containers: [] } },
  },
};

test("a pod that was created is in the status that is written with it", async () => {
  const clock = systemClock();
  const create = async (pod: Pod): Promise<Pod> => ({ ...pod, status: { phase: "Pending" } });
  const control = {
    pods: { create },
    recorder: { record: () => undefined },
    written: { pods: new WriteTracker(clock), claims: new WriteTracker(clock) },
  } as unknown as StatefulControl;
  const revision: ControllerRevision = { metadata: { name: "db-1" }, revision: 1 };
  const view: StatefulView = {
    set,
    pods: [],
    current: revision,
    update: revision,
    claim: () => undefined,
    now_ms: 0,
  };
  const { created, updated } = await applyPlan(control, view, planStep(view));
  expect(created.map(({ metadata }) => metadata.name)).toEqual(["db-0"]);
  expect(planStatus({ ...view, pods: created }, 0, updated)).toMatchObject({
    replicas: 1,
    currentReplicas: 1,
    updatedReplicas: 1,
    readyReplicas: 0,
  });
});
