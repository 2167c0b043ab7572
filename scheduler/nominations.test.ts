import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test, vi } from "vitest";
import type { BindPlugin, PostFilterResult, ScorePlugin } from "./framework/plugin.ts";
import { podInfo } from "./node-info.ts";
import { cluster as clusterOf, fullPlugin, PROFILE } from "./testing/cluster.ts";
import { node, pod } from "./testing/objects.ts";

const cluster = (results: PostFilterResult[] = []) => clusterOf(fullPlugin(results));
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
  await expect.poll(() => patches).toContainEqual(["p", { nominatedNodeName: null }]);
  expect(kept()).toEqual([]);
});

test("a pod whose victims are ending keeps its nomination", async () => {
  const { show, kept, patches, scheduler } = cluster([{ ...NONE, keepsNomination: true }]);
  show(nominated("p"));
  scheduler.start();
  await expect.poll(() => patches).toHaveLength(1);
  expect(patches).not.toContainEqual(["p", { nominatedNodeName: null }]);
  expect(kept()).toEqual(["p"]);
});

test("a pod that cannot be bound gives its nomination back: its place is free", async () => {
  const { show, kept, patches, scheduler } = clusterOf({
    name: "Test",
    events: [],
    bind: () => Promise.reject(new Error("the apiserver is away")),
  } as BindPlugin);
  show(nominated("p"));
  scheduler.start();
  await expect.poll(() => patches).toContainEqual(["p", { nominatedNodeName: null }]);
  expect(kept()).toEqual([]);
});

test("a nomination takes those of lower priority on the node back", async () => {
  const result = { nominatedNodeName: "n", prepareCandidate: async () => undefined };
  const { show, kept, patches, scheduler } = cluster([result, { ...NONE, keepsNomination: true }]);
  show(nominated("low", 1));
  show(pod("high", { schedulerName: PROFILE, priority: 2 }));
  scheduler.start();
  await expect.poll(() => patches).toContainEqual(["low", { nominatedNodeName: null }]);
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
  await expect.poll(() => queue.sizes()).toEqual({ active: 0, backoff: 1, unschedulable: 0 });
  expect(kept()).toEqual(["p"]);
  clock.advance(1000);
  await expect.poll(() => prepared).toHaveBeenCalledTimes(2);
});

test("other labels of a placed pod let those wait no longer that they may admit", async () => {
  const { queue, show, scheduler } = cluster([NONE, NONE]);
  show(pod("p", { schedulerName: PROFILE }));
  scheduler.start();
  await expect.poll(() => queue.sizes().unschedulable).toBe(1);
  const placed = pod("db", { nodeName: "n" });
  show(placed, placed);
  expect(queue.sizes().unschedulable).toBe(1);
  show({ ...placed, metadata: { ...placed.metadata, labels: { role: "primary" } } }, placed);
  expect(queue.sizes().unschedulable).toBe(0);
});

test("a nomination that others write later is taken up, and given back", () => {
  const { show, nominator } = cluster();
  const { status: _, ...waiting } = nominated("p");
  show(waiting);
  show(nominated("p"), waiting);
  expect(nominator.nodeOf(waiting)).toBe("n");
  show(waiting, nominated("p"));
  expect(nominator.nodeOf(waiting)).toBe(undefined);
});

test("a nomination that is shown late is not taken up for a pod that is being bound", () => {
  const { show, cache, nominator } = cluster();
  const { status: _, ...waiting } = nominated("p");
  show(waiting);
  cache.assume(podInfo(waiting), "n");
  show(nominated("p"), waiting);
  expect(nominator.nodeOf(waiting)).toBe(undefined);
});

test("a pod whose preemption is under way is not tried again before its victims are deleted", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const prepareCandidate = vi.fn(() => promise);
  const results = [{ nominatedNodeName: "n", prepareCandidate }, NONE];
  const { show, remove, queue, scheduler } = cluster(results);
  const other = pod("other", { nodeName: "n" });
  show(other);
  show(pod("p", { schedulerName: PROFILE }));
  scheduler.start();
  await expect.poll(() => prepareCandidate).toHaveBeenCalledTimes(1);
  remove(other);
  expect([queue.sizes().unschedulable, results]).toEqual([1, [NONE]]);
  resolve();
  await expect.poll(() => results).toEqual([]);
});

test("a node that a pod is nominated to is taken before one with a higher score", async () => {
  const bound: string[] = [];
  const { show, showNode, scheduler } = clusterOf({
    name: "Test",
    weight: 1,
    events: [],
    score: (_state, _info, { name }) => (name === "best" ? 100 : 0),
    bind: async (_state, { pod }, { name }) => void bound.push(`${pod.metadata.name} ${name}`),
  } as ScorePlugin & BindPlugin);
  showNode(node("best"));
  show(nominated("p"));
  show(pod("q", { schedulerName: PROFILE }));
  scheduler.start();
  await expect.poll(() => bound).toEqual(["p n", "q best"]);
});
