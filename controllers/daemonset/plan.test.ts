import type { DaemonSet, RollingUpdateDaemonSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Node, Pod, Taint, Toleration } from "@raft2kube/api/gen/core/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { describe, expect, test } from "vitest";
import { statusChanged } from "../status-change.ts";
import { FailureBackoff } from "./backoff.ts";
import { surplusRevisions } from "./history.ts";
import { placementOn, targetNodeOf } from "./placement.ts";
import { planNodes, viewOf } from "./plan.ts";
import { daemonPodOf } from "./pod-of.ts";
import { planRolling } from "./rolling.ts";
import { planStatus } from "./status.ts";

const NOW_MS = Date.parse("2026-01-01T12:00:00Z");

function daemonSet(rollingUpdate?: RollingUpdateDaemonSet, minReadySeconds = 0): DaemonSet {
  return {
    metadata: { name: "ds", namespace: "ns", uid: "u", generation: 2 },
    spec: {
      selector: { matchLabels: { app: "a" } },
      minReadySeconds,
      updateStrategy: { type: "RollingUpdate", ...(rollingUpdate && { rollingUpdate }) },
      template: { metadata: { labels: { app: "a" } }, spec: { containers: [] } },
    },
  };
}

function node(name: string, taints: Taint[] = []): Node {
  return { metadata: { name, labels: { zone: name } }, spec: { taints } };
}

/** `n1:new` on node n1, of the newest revision; more words: unready, failed, leaving, waiting. */
function pod(text: string, place = 0): Pod {
  const [where = "", ...words] = text.split(/[: ]/);
  const is = (word: string) => words.includes(word);
  const status = is("failed") ? ("Failed" as const) : ("Running" as const);
  const ready = is("unready") || is("failed") ? ("False" as const) : ("True" as const);
  const made: Pod = {
    metadata: {
      name: `${where}-${words[0]}-${place}`,
      namespace: "ns",
      uid: text,
      creationTimestamp: timeText(NOW_MS - 3_600_000 + place * 1000),
      labels: { "controller-revision-hash": words[0] ?? "" },
      ...(is("leaving") && { deletionTimestamp: timeText(NOW_MS) }),
    },
    spec: { containers: [], ...(!is("waiting") && { nodeName: where }) },
    status: {
      phase: status,
      conditions: [{ type: "Ready", status: ready, lastTransitionTime: timeText(NOW_MS - 5000) }],
    },
  };
  if (is("waiting")) made.spec.affinity = daemonPodOf(daemonSet(), where, "x").spec.affinity;
  return made;
}

function view(set: DaemonSet, nodes: string[], pods: string[]) {
  return viewOf(
    set,
    nodes.map((name) => node(name)),
    pods.map(pod),
    "new",
    NOW_MS,
  );
}

const summary = ({ create, delete: gone }: ReturnType<typeof planRolling>) => ({
  create,
  delete: gone.map(({ metadata }) => metadata.uid),
});
const SURGE = { maxSurge: 1, maxUnavailable: 0 };

describe("the nodes of a DaemonSet", () => {
  const taint = (effect: Taint["effect"], key = "k"): Taint => ({ key, effect });
  const all: Toleration = { operator: "Exists" };
  test.each([
    ["no rule", {}, [], [true, true]],
    ["a node selector that matches", { nodeSelector: { zone: "n1" } }, [], [true, true]],
    ["one that does not", { nodeSelector: { zone: "n2" } }, [], [false, false]],
    ["another node's name", { nodeName: "n2" }, [], [false, false]],
    ["NoSchedule keeps those that run", {}, [taint("NoSchedule")], [false, true]],
    ["NoExecute removes them", {}, [taint("NoExecute")], [false, false]],
    ["PreferNoSchedule does nothing", {}, [taint("PreferNoSchedule")], [true, true]],
    ["a toleration", { tolerations: [all] }, [taint("NoExecute")], [true, true]],
    [
      "a cordoned node",
      {},
      [taint("NoSchedule", "node.kubernetes.io/unschedulable")],
      [true, true],
    ],
    ["a lost node", {}, [taint("NoExecute", "node.kubernetes.io/unreachable")], [true, true]],
    [
      "no network",
      {},
      [taint("NoSchedule", "node.kubernetes.io/network-unavailable")],
      [false, true],
    ],
    [
      "no network for one on the host's",
      { hostNetwork: true },
      [taint("NoSchedule", "node.kubernetes.io/network-unavailable")],
      [true, true],
    ],
  ])("%s", (_name, spec, taints, [run, stay]) => {
    const set = daemonSet();
    set.spec.template.spec = { containers: [], ...spec };
    expect(placementOn(set)(node("n1", taints))).toEqual({ run, stay });
  });

  test("a pod is tied to its node by affinity, and keeps what it prefers", () => {
    const set = daemonSet();
    const preference = { matchExpressions: [{ key: "zone", operator: "Exists" as const }] };
    const preferred = [{ weight: 1, preference }];
    set.metadata.annotations = { "deprecated.daemonset.template.generation": "3" };
    set.spec.template.spec = {
      containers: [],
      affinity: {
        nodeAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: preferred,
          requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [preference] },
        },
      },
    };
    const made = daemonPodOf(set, "n1", "h");
    expect(targetNodeOf(made)).toBe("n1");
    const { nodeAffinity } = made.spec.affinity ?? {};
    expect(nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution).toBe(preferred);
    expect(made.metadata.labels).toEqual({
      app: "a",
      "controller-revision-hash": "h",
      "pod-template-generation": "3",
    });
    expect(made.spec.tolerations).toHaveLength(6);
  });
});

describe("planNodes", () => {
  test.each([
    ["a pod for each node", ["n1", "n2"], ["n1:new"], { create: ["n2"], delete: [] }],
    ["one that leaves is waited for", ["n1"], ["n1:new leaving"], { create: [], delete: [] }],
    ["all but the oldest", ["n1"], ["n1:new", "n1:old"], { create: [], delete: ["n1:old"] }],
    [
      "one that runs before one that waits",
      ["n1"],
      ["n1:new waiting", "n1:old"],
      { create: [], delete: ["n1:new waiting"] },
    ],
    ["a failed one", ["n1"], ["n1:new failed"], { create: [], delete: ["n1:new failed"] }],
    [
      "one that waits for a node that is gone",
      [],
      ["n1:new waiting", "n2:new"],
      { create: [], delete: ["n1:new waiting"] },
    ],
    [
      "failed and leaving is over",
      ["n1"],
      ["n1:new failed leaving"],
      { create: ["n1"], delete: [] },
    ],
  ])("%s", (_name, nodes, pods, wanted) => {
    expect(summary(planNodes(view(daemonSet(), nodes, pods), () => 0))).toEqual(wanted);
  });

  test.each([
    ["an old that is ready and a new that is not", ["n1:old", "n1:new unready"], [], []],
    ["the new is available", ["n1:old", "n1:new"], [], ["n1:old"]],
    ["the old is not ready", ["n1:old unready", "n1:new unready"], [], ["n1:old unready"]],
    ["none but one that leaves", ["n1:old leaving"], ["n1"], []],
    [
      "two of each",
      ["n1:old", "n1:old unready", "n1:new unready", "n1:new"],
      [],
      ["n1:new", "n1:old unready"],
    ],
  ])("surge: %s", (_name, pods, create, gone) => {
    const plan = planNodes(view(daemonSet(SURGE), ["n1"], pods), () => 0);
    expect(summary(plan)).toEqual({ create, delete: gone });
  });

  test("a node's next failed pod waits for its pause, which doubles", () => {
    const clock = new ManualClock();
    const backoff = new FailureBackoff(clock);
    const failing = view(daemonSet(), ["n1"], ["n1:new failed"]);
    const plan = () => planNodes(failing, (name) => backoff.wait_ms(name));
    const waits = [1, 2, 4].map(() => {
      expect(plan().delete).toHaveLength(1);
      backoff.failed("n1");
      const { delete: gone, again_ms = 0 } = plan();
      expect(gone).toEqual([]);
      clock.advance(again_ms);
      return again_ms;
    });
    expect(waits).toEqual([1_000, 2_000, 4_000]);
  });
});

/** Returns the items of the arrays that `work` spreads or searches by this method. */
function itemsOf(method: "includes" | typeof Symbol.iterator, work: () => void): number {
  const own = Object.getOwnPropertyDescriptor(Array.prototype, method)!;
  let items = 0;
  const value = function (this: unknown[], ...given: unknown[]): unknown {
    items += this.length;
    return own.value.apply(this, given);
  };
  Object.defineProperty(Array.prototype, method, { ...own, value });
  try {
    work();
  } finally {
    Object.defineProperty(Array.prototype, method, own);
  }
  return items;
}

test.each(["includes", Symbol.iterator] as const)(
  "thousands of pods on one node are not listed again for each of them: %s",
  (method) => {
    const pods = Array.from({ length: 2_000 }, (_, i) => pod(i % 2 ? "n1:new" : "n1:old", i));
    const nodes = [node("n1")];
    const items = itemsOf(method, () => {
      const all = viewOf(daemonSet(SURGE), nodes, pods, "new", NOW_MS);
      planNodes(all, () => 0);
      planRolling(all);
    });
    expect(items).toBeLessThan(pods.length ** 2 / 10);
  },
);

describe("planRolling", () => {
  const nodes = ["n1", "n2", "n3"];
  const rolling = (update: RollingUpdateDaemonSet, pods: string[], minReady_s = 0) =>
    summary(planRolling(view(daemonSet(update, minReady_s), nodes, pods)));

  test.each([
    ["one at a time", { maxUnavailable: 1 }, ["n1:old", "n2:old", "n3:old"], ["n1:old"]],
    ["two at a time", { maxUnavailable: 2 }, ["n1:old", "n2:old", "n3:old"], ["n1:old", "n2:old"]],
    [
      "a share, rounded up",
      { maxUnavailable: "34%" },
      ["n1:old", "n2:old", "n3:old"],
      ["n1:old", "n2:old"],
    ],
    [
      "not while one is unavailable",
      { maxUnavailable: 1 },
      ["n1:new unready", "n2:old", "n3:old"],
      [],
    ],
    [
      "not while a node has none",
      { maxUnavailable: 1 },
      ["n1:new leaving", "n2:old", "n3:old"],
      [],
    ],
    [
      "a broken old one at once",
      { maxUnavailable: 1 },
      ["n1:new", "n2:old", "n3:old unready"],
      ["n3:old unready"],
    ],
    ["the last", { maxUnavailable: 1 }, ["n1:new", "n2:new", "n3:old"], ["n3:old"]],
  ])("%s", (_name, update, pods, gone) => {
    expect(rolling(update, pods)).toEqual({ create: [], delete: gone });
  });

  test("an unready time that minReadySeconds adds counts", () => {
    expect(rolling({ maxUnavailable: 1 }, ["n1:new", "n2:old", "n3:old"], 10)).toEqual({
      create: [],
      delete: ["n2:old", "n3:old"],
    });
    expect(rolling({ maxUnavailable: 1 }, ["n1:new", "n2:old", "n3:old"], 5)).toEqual({
      create: [],
      delete: ["n2:old"],
    });
  });

  test.each([
    ["one beside an old one", ["n1:old", "n2:old", "n3:old"], ["n1"], []],
    ["not while it is not available", ["n1:old", "n1:new unready", "n2:old", "n3:old"], [], []],
    [
      "the old goes when the new is available",
      ["n1:old", "n1:new", "n2:old", "n3:old"],
      ["n2"],
      ["n1:old"],
    ],
    [
      "beside a broken one at once",
      ["n1:old", "n1:new unready", "n2:old unready", "n3:old"],
      ["n2"],
      [],
    ],
    [
      "where none belongs, only when enough are available",
      ["n1:new", "n2:new", "n3:new unready", "n4:old"],
      [],
      [],
    ],
    ["and then", ["n1:new", "n2:new", "n3:new", "n4:old"], [], ["n4:old"]],
  ])("surge: %s", (_name, pods, create, gone) => {
    expect(rolling(SURGE, pods)).toEqual({ create, delete: gone });
  });
});

describe("the status", () => {
  test("counts nodes by their oldest pod", () => {
    const set = daemonSet({ maxUnavailable: 1 }, 5);
    set.spec.template.spec = { containers: [], nodeSelector: { zone: "none" } };
    const elsewhere = viewOf(set, [node("n1")], [pod("n1:new")], "new", NOW_MS);
    expect(planStatus(elsewhere, 0, true)).toMatchObject({
      desiredNumberScheduled: 0,
      numberMisscheduled: 1,
      numberUnavailable: 0,
    });
    const pods = ["n1:new", "n1:old", "n2:old unready"];
    expect(planStatus(view(daemonSet({}, 6), ["n1", "n2", "n3"], pods), 1, true)).toEqual({
      desiredNumberScheduled: 3,
      currentNumberScheduled: 2,
      numberMisscheduled: 0,
      numberReady: 1,
      numberAvailable: 0,
      updatedNumberScheduled: 1,
      numberUnavailable: 3,
      observedGeneration: 2,
      collisionCount: 1,
    });
  });

  test("a generation that was not acted on is not observed", () => {
    const set = { ...daemonSet(), status: planStatus(view(daemonSet(), [], []), 0, false) };
    expect(set.status.observedGeneration).toBe(0);
    expect(statusChanged(undefined, set.status)).toBe(false);
    const acted = planStatus(view(set, [], []), 0, true);
    expect(statusChanged(set.status, acted)).toBe(true);
  });
});

test("revisions beyond the limit go, the oldest first, but not those of pods", () => {
  const revision = (name: string, number: number) => ({
    metadata: { name, labels: { "controller-revision-hash": name } },
    revision: number,
  });
  const set = daemonSet();
  set.spec.revisionHistoryLimit = 1;
  const old = [revision("old", 1), revision("b", 2), revision("c", 3)];
  const history = { current: revision("new", 4), number: 4, old, duplicates: [] };
  const surplus = surplusRevisions(set, history, [pod("n1:old")]);
  expect(surplus.map(({ metadata }) => metadata.name)).toEqual(["b", "c"]);
});
