import type { Namespace, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Handler } from "@raft2kube/client-kube/informer/copy.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { expect, onTestFinished, test, vi } from "vitest";
import { SchedulerCache } from "./cache.ts";
import { Framework } from "./framework/framework.ts";
import type { FilterPlugin, PostFilterPlugin, PostFilterResult } from "./framework/plugin.ts";
import { unschedulable } from "./framework/status.ts";
import { podInfo } from "./node-info.ts";
import { Nominator } from "./nominator.ts";
import { SchedulingQueue } from "./queue.ts";
import { Scheduler } from "./scheduler.ts";
import { node, pod } from "./testing/objects.ts";
import { watchCluster } from "./watch-cluster.ts";

const PROFILE = "default-scheduler";

/** A scheduler of node n, which takes no pod, with the given results of PostFilter. */
function cluster(results: PostFilterResult[] = []) {
  const clock = new ManualClock();
  const full: FilterPlugin & PostFilterPlugin = {
    name: "Full",
    events: ["pod-labels"],
    filter: () => unschedulable("full"),
    postFilter: async () => results.shift()!,
  };
  const queue = new SchedulingQueue({ clock, plugins: [full] });
  const cache = new SchedulerCache({ get: () => undefined } as unknown as ReadStore<Namespace>);
  const nominator = new Nominator();
  const pods = new Map<string, Pod>();
  const handlers: Handler<Pod>[] = [];
  const none = { handle: () => () => undefined };
  watchCluster({
    pods: { handle: (given) => (handlers.push(given), () => undefined) },
    nodes: none,
    namespaces: none,
    cache,
    queue,
    nominator,
    isOurs: () => true,
  });
  cache.setNode(node("n"));
  const patches: unknown[] = [];
  const scheduler = new Scheduler({
    pods: {
      patch: async ({ name }, _type, patch) => {
        patches.push([name, (patch as Pod).status]);
        return pods.get(name)!;
      },
    },
    cache,
    queue,
    nominator,
    recorder: { record: () => undefined },
    clock,
    random: seededRandom(1),
    profiles: new Map([[PROFILE, new Framework([full])]]),
    current: ({ metadata }) => pods.get(metadata.name ?? ""),
  });
  onTestFinished(() => scheduler.close());
  const show = (shown: Pod, old?: Pod) => {
    pods.set(shown.metadata.name ?? "", shown);
    for (const each of handlers) old ? each.updated?.(shown, old) : each.added?.(shown);
  };
  /** The pods that the node is kept for. */
  const kept = () => nominator.removeLower(pod("any", { priority: 1000 }), "n").map(nameOf);
  return { clock, queue, nominator, patches, scheduler, show, kept };
}

const nameOf = ({ metadata }: Pod) => metadata.name;
const nominated = (name: string, priority = 0): Pod => ({
  ...pod(name, { schedulerName: PROFILE, priority }),
  status: { nominatedNodeName: "n" },
});

const NONE: PostFilterResult = { nominatedNodeName: undefined, message: "no candidate" };

test("a nomination that was written by the scheduler before is taken up, until the pod is bound", () => {
  const { show, kept, nominator } = cluster();
  const waiting = nominated("p");
  show(waiting);
  expect(kept()).toEqual(["p"]);
  nominator.add(podInfo(waiting), "n");
  show({ ...waiting, spec: { ...waiting.spec, nodeName: "n" } }, waiting);
  expect(kept()).toEqual([]);
});

test("a pod that is nominated again keeps its last node alone", () => {
  const { kept, nominator } = cluster();
  const [p, q] = [podInfo(nominated("p")), podInfo(nominated("q"))];
  for (const info of [p, q]) nominator.add(info, "n");
  nominator.add(p, "other");
  expect(kept()).toEqual(["q"]);
  nominator.remove(p.pod);
  expect(nominator.removeLower(pod("any", { priority: 1000 }), "other")).toEqual([]);
});

test("a pod without a candidate gives its nomination back, also in its status", async () => {
  const { show, kept, patches, scheduler } = cluster([NONE]);
  show(nominated("p"));
  scheduler.start();
  await vi.waitFor(() => expect(patches).toContainEqual(["p", { nominatedNodeName: null }]));
  expect(kept()).toEqual([]);
});

test("a pod whose victims are ending keeps its nomination", async () => {
  const { show, kept, patches, scheduler } = cluster([{ ...NONE, keepsNomination: true }]);
  show(nominated("p"));
  scheduler.start();
  await vi.waitFor(() => expect(patches).toHaveLength(1));
  expect(patches).not.toContainEqual(["p", { nominatedNodeName: null }]);
  expect(kept()).toEqual(["p"]);
});

test("a nomination takes those of lower priority on the node back", async () => {
  const result = { nominatedNodeName: "n", prepareCandidate: async () => undefined };
  const { show, kept, patches, scheduler } = cluster([result, { ...NONE, keepsNomination: true }]);
  show(nominated("low", 1));
  show(pod("high", { schedulerName: PROFILE, priority: 2 }));
  scheduler.start();
  await vi.waitFor(() => expect(patches).toContainEqual(["low", { nominatedNodeName: null }]));
  expect(kept()).toEqual(["high"]);
});

test("a pod whose preemption fails stays nominated, and is tried again after a pause", async () => {
  const fails = async () => {
    throw new Error("the victim is protected");
  };
  const prepared = vi.fn(fails);
  const result = { nominatedNodeName: "n", prepareCandidate: prepared };
  const { clock, queue, show, kept, scheduler } = cluster([result, { ...result }]);
  show(pod("p", { schedulerName: PROFILE }));
  scheduler.start();
  await vi.waitFor(() =>
    expect(queue.sizes()).toEqual({ active: 0, backoff: 1, unschedulable: 0 }),
  );
  expect(kept()).toEqual(["p"]);
  clock.advance(1000);
  await vi.waitFor(() => expect(prepared).toHaveBeenCalledTimes(2));
});

test("other labels of a placed pod let those wait no longer that they may admit", async () => {
  const { queue, show, scheduler } = cluster([NONE, NONE]);
  show(pod("p", { schedulerName: PROFILE }));
  scheduler.start();
  await vi.waitFor(() => expect(queue.sizes().unschedulable).toBe(1));
  const placed = pod("db", { nodeName: "n" });
  show(placed, placed);
  expect(queue.sizes().unschedulable).toBe(1);
  show({ ...placed, metadata: { ...placed.metadata, labels: { role: "primary" } } }, placed);
  expect(queue.sizes().unschedulable).toBe(0);
});
