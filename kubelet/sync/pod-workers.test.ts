import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { expect, onTestFinished, test } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { uidOf } from "../pods/pod-identity.ts";
import { PreemptionError } from "../pods/reason-error.ts";
import { holding, workerPorts } from "../testing/worker-ports.ts";
import { PodWorkers } from "./pod-workers.ts";
import type { WorkerHooks } from "./worker.ts";
import type { WorkerTable } from "./worker-table.ts";

test("a pod that waits for its admission is admitted when another has ended, with an event until then", async () => {
  const [table, held]: [WorkerTable, Set<string>] = [new Map(), new Set()];
  const [tried, events]: [string[], string[]] = [[], []];
  const nothing = Promise.withResolvers<object>();
  const lists = { listPodSandbox: () => nothing.promise, listContainers: () => nothing.promise };
  const ports = workerPorts(lists, {
    events: {
      record: (pod: Pod, type: string, reason: string) =>
        events.push(`${uidOf(pod)} ${type} ${reason}`),
    },
    allocations: holding(held),
  });
  const hooks = {
    publish: () => undefined,
    admit: async (pod: Pod) => {
      tried.push(uidOf(pod));
      if (uidOf(pod) === "critical" && table.get("victim")?.state !== "terminated") {
        throw new PreemptionError(pod);
      }
    },
  } as unknown as WorkerHooks;
  const workers = new PodWorkers(ports, table, hooks);
  onTestFinished(() => workers.close());
  const seen = (what: string, condition: () => boolean) => waitFor(what, condition);
  const podOf = (uid: string): Pod => ({
    metadata: { name: uid, namespace: "n", uid },
    spec: { containers: [] },
  });
  workers.put(podOf("victim"));
  await seen("its admission", () => held.has("victim"));
  workers.put(podOf("critical"));
  await seen("the event", () => events.length > 0);
  expect(events).toEqual(["critical Normal WaitingForPreemption"]);
  workers.end("victim", { reason: "Preempting", message: "" }, 0);
  nothing.resolve({ items: [], containers: [] });
  await seen("the other admission", () => held.has("critical"));
  expect(tried).toEqual(["victim", "critical", "critical"]);
});
