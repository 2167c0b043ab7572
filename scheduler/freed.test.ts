import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { KubeError } from "@raft2kube/client-kube/errors.ts";
import { expect, onTestFinished, test, vi } from "vitest";
import type { FilterPlugin, PreBindPlugin } from "./framework/plugin.ts";
import { unschedulable } from "./framework/status.ts";
import { topologySpread } from "./plugins/topology-spread.ts";
import { cluster, PROFILE } from "./testing/cluster.ts";
import { node, pod } from "./testing/objects.ts";

/** Takes one pod a node. */
const single: FilterPlugin = {
  name: "Single",
  events: ["AssignedPodDelete"],
  filter: (_state, _info, { pods }) => (pods.size > 0 ? unschedulable("taken") : undefined),
};

/** Node n, which has room for one, with the pods a, being bound, and b, which waits. */
async function bindingOne() {
  const binding = Promise.withResolvers<void>();
  const preBind = vi.fn(() => binding.promise);
  const slow: PreBindPlugin = { name: "Slow", events: [], preBind };
  const started = cluster(single, slow);
  onTestFinished(() => binding.resolve());
  const [a, b] = ["a", "b"].map((name) => pod(name, { schedulerName: PROFILE })) as [Pod, Pod];
  started.show(a);
  started.show(b);
  started.scheduler.start();
  await expect.poll(() => started.queue.sizes().unschedulable).toBe(1);
  expect(started.cache.isAssumed(a)).toBe(true);
  return { ...started, a, binding, preBind };
}

test("a binding that fails frees its node for the pods that wait", async () => {
  const { queue, binding } = await bindingOne();
  binding.reject(new Error("no volume"));
  await expect.poll(() => queue.sizes()).toEqual({ active: 0, backoff: 2, unschedulable: 0 });
});

test("a pod that is deleted while it is being bound frees its node", async () => {
  const { remove, a, preBind } = await bindingOne();
  remove(a);
  await expect.poll(() => preBind).toHaveBeenCalledTimes(2);
});

test("a pod whose volume was deleted before the binding is tried again", async () => {
  const { queue, binding, preBind, remove, clock } = await bindingOne();
  remove(pod("b", { schedulerName: PROFILE }));
  const status = { code: 404, reason: "NotFound", message: "no such volume" };
  binding.reject(new KubeError({ kind: "Status", status: "Failure", ...status }));
  await expect.poll(() => queue.sizes().backoff).toBe(1);
  clock.advance(1_000);
  await expect.poll(() => preBind).toHaveBeenCalledTimes(2);
});

test("a node that goes takes its topology domain along, so that pods fit elsewhere", async () => {
  const spread = topologySpread({ selectorOf: () => undefined } as never);
  const { show, showNode, removeNode, queue, scheduler } = cluster(spread, single);
  const zone = (name: string, value: string) => node(name, { labels: { zone: value } });
  showNode(zone("n", "1"));
  showNode(zone("m", "2"));
  const labels = { app: "web" };
  const placed = pod("placed", { nodeName: "n" });
  show({ ...placed, metadata: { ...placed.metadata, labels } });
  show(pod("other", { nodeName: "m" }));
  const waiting = pod("p", {
    schedulerName: PROFILE,
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: "zone",
        whenUnsatisfiable: "DoNotSchedule",
        labelSelector: { matchLabels: labels },
      },
    ],
  });
  show({ ...waiting, metadata: { ...waiting.metadata, labels } });
  scheduler.start();
  await expect.poll(() => queue.sizes().unschedulable).toBe(1);
  removeNode(zone("m", "2"));
  expect(queue.sizes().unschedulable).toBe(0);
});
