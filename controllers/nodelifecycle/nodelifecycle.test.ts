import type { Node, Pod, Taint, Toleration } from "@raft2kube/api/gen/core/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { describe, expect, test } from "vitest";
import { planPodGc } from "../podgc/plan.ts";
import { datedTaints, evictionTime } from "../tainteviction/plan.ts";
import { observe, planTaints, unknownConditions } from "./plan.ts";

const NOW_MS = Date.parse("2026-01-01T00:00:00Z");

function node(conditions: Record<string, string>, spec: Partial<Node["spec"]> = {}): Node {
  return {
    metadata: { name: "n", uid: "n" },
    spec,
    status: { conditions: Object.entries(conditions).map(([type, status]) => ({ type, status })) },
  };
}

describe("observe", () => {
  test("a renewed lease or a newer heartbeat is a sign of life, nothing else is", () => {
    const lease = (renewTime: string) => ({ metadata: { name: "n" }, spec: { renewTime } });
    const first = observe(undefined, node({ Ready: "True" }), lease("1"), 0);
    const same = observe(first, node({ Ready: "True", DiskPressure: "True" }), lease("1"), 10);
    expect(same.seen_ms).toBe(0);
    expect(observe(same, node({ Ready: "True" }), lease("2"), 20).seen_ms).toBe(20);
    const beating = node({ Ready: "True" });
    if (beating.status?.conditions?.[0]) beating.status.conditions[0].lastHeartbeatTime = "x";
    expect(observe(same, beating, lease("1"), 30).seen_ms).toBe(30);
  });
});

describe("unknownConditions", () => {
  test("conditions become Unknown once, also those that the kubelet never posted", () => {
    const conditions = unknownConditions(node({ Ready: "True", Other: "True" }), NOW_MS) ?? [];
    const reasons = Object.fromEntries(
      conditions.map(({ type, status, reason }) => [type, `${status}/${reason ?? ""}`]),
    );
    expect(reasons).toEqual({
      Ready: "Unknown/NodeStatusUnknown",
      Other: "True/",
      MemoryPressure: "Unknown/NodeStatusNeverUpdated",
      DiskPressure: "Unknown/NodeStatusNeverUpdated",
      PIDPressure: "Unknown/NodeStatusNeverUpdated",
    });
    const silent: Node = { ...node({}), status: { conditions } };
    expect(unknownConditions(silent, NOW_MS)).toBeUndefined();
  });
});

describe("planTaints", () => {
  const keys = (taints: Taint[] | undefined) =>
    taints?.map(({ key, effect }) => `${key.replace("node.kubernetes.io/", "")}:${effect}`);
  const taint = (key: string, effect: "NoSchedule" | "NoExecute"): Taint => {
    return { key: `node.kubernetes.io/${key}`, effect };
  };
  test.each<[string, Node, boolean, string[] | undefined]>([
    ["ready: none", node({ Ready: "True" }), true, undefined],
    ["not ready", node({ Ready: "False" }), true, ["not-ready:NoSchedule", "not-ready:NoExecute"]],
    [
      "silent",
      node({ Ready: "Unknown" }),
      true,
      ["unreachable:NoSchedule", "unreachable:NoExecute"],
    ],
    [
      "no node is ready: no eviction",
      node({ Ready: "Unknown" }),
      false,
      ["unreachable:NoSchedule"],
    ],
    [
      "under pressure",
      node({ Ready: "True", MemoryPressure: "True" }),
      true,
      ["memory-pressure:NoSchedule"],
    ],
    [
      "cordoned",
      node({ Ready: "True" }, { unschedulable: true }),
      true,
      ["unschedulable:NoSchedule"],
    ],
    [
      "well again: ours go, others stay",
      node(
        { Ready: "True" },
        { taints: [taint("not-ready", "NoSchedule"), { key: "mine", effect: "NoSchedule" }] },
      ),
      true,
      ["mine:NoSchedule"],
    ],
    [
      "already so",
      node(
        { Ready: "False" },
        { taints: [taint("not-ready", "NoSchedule"), taint("not-ready", "NoExecute")] },
      ),
      true,
      undefined,
    ],
  ])("%s", (_name, seen, evict, expected) => {
    expect(keys(planTaints(seen, evict, NOW_MS))).toEqual(expected);
  });
});

describe("evictionTime", () => {
  const taint: Taint = { key: "k", effect: "NoExecute", timeAdded: timeText(NOW_MS - 10_000) };
  const pod = (...tolerations: Toleration[]): Pod => {
    return { metadata: { name: "p" }, spec: { containers: [], tolerations } };
  };
  test.each<[string, Pod, Taint[], number | undefined]>([
    ["no toleration: at once", pod(), [taint], NOW_MS],
    ["tolerated for ever", pod({ key: "k", operator: "Exists" }), [taint], undefined],
    [
      "tolerated for a time from when it was added",
      pod({ key: "k", operator: "Exists", tolerationSeconds: 300 }),
      [taint],
      NOW_MS + 290_000,
    ],
    [
      "of several tolerations the shortest",
      pod(
        { operator: "Exists", tolerationSeconds: 60 },
        { key: "k", operator: "Exists", tolerationSeconds: 30 },
      ),
      [taint],
      NOW_MS + 20_000,
    ],
    ["other effects do not drive away", pod(), [{ key: "k", effect: "NoSchedule" }], undefined],
  ])("%s", (_name, seen, taints, expected) => {
    expect(evictionTime(seen, datedTaints(taints, [], NOW_MS), NOW_MS)).toBe(expected);
  });
});

describe("planPodGc", () => {
  const pod = (name: string, shape: { node?: string; phase?: "Failed"; deleting?: boolean }) => {
    const made: Pod = { metadata: { name, creationTimestamp: name }, spec: { containers: [] } };
    if (shape.node) made.spec.nodeName = shape.node;
    if (shape.phase) made.status = { phase: shape.phase };
    if (shape.deleting) made.metadata.deletionTimestamp = "now";
    return made;
  };
  test("finds orphans, pods that never had a node, and the oldest of too many ended ones", () => {
    const pods = [
      pod("1", { node: "gone" }),
      pod("2", { node: "there" }),
      pod("3", { deleting: true }),
      pod("4", { node: "there", deleting: true }),
      pod("5", { node: "there", phase: "Failed" }),
      pod("6", { node: "there", phase: "Failed" }),
    ];
    const leftovers = planPodGc(pods, (name) => (name === "gone" ? "gone" : "present"), 1);
    expect(leftovers.map(({ pod: { metadata }, why }) => `${metadata.name ?? ""} ${why}`)).toEqual([
      "1 orphaned",
      "3 unscheduled",
      "5 terminated",
    ]);
  });
});
