import type { Affinity, Node, Pod, PodAffinityTerm } from "@raft2kube/api/gen/core/v1.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { describe, expect, test } from "vitest";
import { schedule } from "../cycle.ts";
import { podInfo } from "../node-info.ts";
import { DEFAULT_PROFILE, pluginsOf } from "../profiles.ts";
import { node, pod, snapshot } from "../test-objects.ts";

const ZONE = "topology.kubernetes.io/zone";
const HOST = "kubernetes.io/hostname";

function decide(
  wanted: Pod,
  placed: [Node, Pod[]][],
  namespaces: Record<string, Record<string, string>> = {},
): string {
  const decision = schedule({
    info: podInfo(wanted),
    snapshot: snapshot(placed, namespaces),
    plugins: pluginsOf(DEFAULT_PROFILE, []),
    random: seededRandom(1),
  });
  return decision.kind === "placed" ? decision.node.name : decision.message;
}

const inZone = (name: string, zone: string) => node(name, { labels: { [ZONE]: zone } });

function term(app: string, topologyKey = ZONE, more: Partial<PodAffinityTerm> = {}) {
  return { labelSelector: { matchLabels: { app } }, topologyKey, ...more };
}

const near = (...terms: PodAffinityTerm[]): Affinity => {
  return { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } };
};
const away = (...terms: PodAffinityTerm[]): Affinity => {
  return { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } };
};

const web = pod("web", { labels: { app: "web" } });

describe("InterPodAffinity", () => {
  test("near to a pod: its zone, on any of its hosts", () => {
    const placed: [Node, Pod[]][] = [
      [inZone("a1", "a"), [web]],
      [node("a2", { labels: { [ZONE]: "a" }, cpu: "32", memory: "64Gi" }), []],
      [inZone("b1", "b"), []],
    ];
    expect(decide(pod("p", { affinity: near(term("web")) }), placed)).toBe("a2");
  });

  test("nobody to be near to", () => {
    expect(decide(pod("p", { affinity: near(term("web")) }), [[inZone("a", "a"), []]])).toBe(
      "0/1 nodes are available: 1 node(s) didn't match pod affinity rules.",
    );
  });

  test("the first of a group that wants itself may begin it", () => {
    const first = pod("p", { labels: { app: "web" }, affinity: near(term("web")) });
    expect(decide(first, [[inZone("a", "a"), []]])).toBe("a");
  });

  test("a node without the label is never near", () => {
    const first = pod("p", { labels: { app: "web" }, affinity: near(term("web")) });
    expect(decide(first, [[node("bare"), []]])).toContain("pod affinity rules");
  });

  test("away from a pod", () => {
    const placed: [Node, Pod[]][] = [[inZone("a", "a"), [web]], [inZone("b", "b"), []]];
    expect(decide(pod("p", { affinity: away(term("web")) }), placed)).toBe("b");
    expect(decide(pod("p", { affinity: away(term("web")) }), placed.slice(0, 1))).toBe(
      "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.",
    );
  });

  test("those that are there refuse too", () => {
    const loner = pod("loner", { affinity: away(term("web", HOST)) });
    const wanted = pod("p", { labels: { app: "web" } });
    expect(decide(wanted, [[node("a"), [loner]]])).toBe(
      "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.",
    );
    expect(decide(pod("p", { labels: { app: "other" } }), [[node("a"), [loner]]])).toBe("a");
  });

  test("looks in its own namespace, unless it names or selects others", () => {
    const elsewhere = pod("web", { labels: { app: "web" }, namespace: "team" });
    const placed: [Node, Pod[]][] = [[inZone("a", "a"), [elsewhere]]];
    const fits = (more: Partial<PodAffinityTerm>) => {
      const affinity = near(term("web", ZONE, more));
      return decide(pod("p", { affinity }), placed, { team: { tier: "gold" } }) === "a";
    };
    expect(fits({})).toBe(false);
    expect(fits({ namespaces: ["team"] })).toBe(true);
    expect(fits({ namespaceSelector: { matchLabels: { tier: "gold" } } })).toBe(true);
    expect(fits({ namespaceSelector: { matchLabels: { tier: "lead" } } })).toBe(false);
    expect(fits({ namespaceSelector: {} })).toBe(true);
  });

  test("wishes are followed, of the pod and of those that are there", () => {
    const placed: [Node, Pod[]][] = [[inZone("a", "a"), []], [inZone("b", "b"), [web]]];
    const wish = [{ weight: 100, podAffinityTerm: term("web") }];
    const preferredDuringSchedulingIgnoredDuringExecution = wish;
    const toBeNear = { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution } };
    expect(decide(pod("p", { affinity: toBeNear }), placed)).toBe("b");
    const friendly = pod("friend", { affinity: toBeNear });
    const wanted = pod("p", { labels: { app: "web" } });
    expect(decide(wanted, [[inZone("a", "a"), []], [inZone("b", "b"), [friendly]]])).toBe("b");
  });
});

describe("PodTopologySpread", () => {
  const spread = (shape: object = {}) => ({
    labels: { app: "web" },
    topologySpreadConstraints: [{
      maxSkew: 1,
      topologyKey: ZONE,
      whenUnsatisfiable: "DoNotSchedule" as const,
      labelSelector: { matchLabels: { app: "web" } },
      ...shape,
    }],
  });
  const some = (count: number, prefix: string) =>
    Array.from({ length: count }, (_, i) => pod(`${prefix}${i}`, { labels: { app: "web" } }));

  test("goes where fewest are", () => {
    const placed: [Node, Pod[]][] = [
      [inZone("a", "a"), some(2, "a")],
      [inZone("b", "b"), some(1, "b")],
    ];
    expect(decide(pod("p", spread()), placed)).toBe("b");
  });

  test("waits when only the fuller zone has room", () => {
    const placed: [Node, Pod[]][] = [
      [inZone("a", "a"), some(1, "a")],
      [node("b", { labels: { [ZONE]: "b" }, pods: "0" }), []],
    ];
    expect(decide(pod("p", spread()), placed)).toBe(
      "0/2 nodes are available: 1 Too many pods, " +
        "1 node(s) didn't match pod topology spread constraints.",
    );
  });

  test("a node without the label cannot count", () => {
    expect(decide(pod("p", spread()), [[node("bare"), []]])).toBe(
      "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints " +
        "(missing required label).",
    );
  });

  test("too few domains count as an empty one", () => {
    const placed: [Node, Pod[]][] = [[inZone("a", "a"), some(1, "a")]];
    expect(decide(pod("p", spread()), placed)).toBe("a");
    expect(decide(pod("p", spread({ minDomains: 2 })), placed)).toContain("spread constraints");
  });

  test("zones that the pod cannot enter do not count, unless it says so", () => {
    const placed: [Node, Pod[]][] = [
      [node("a", { labels: { [ZONE]: "a", disk: "ssd" } }), some(1, "a")],
      [inZone("b", "b"), []],
    ];
    const picky = (shape: object) => pod("p", { ...spread(shape), nodeSelector: { disk: "ssd" } });
    expect(decide(picky({}), placed)).toBe("a");
    expect(decide(picky({ nodeAffinityPolicy: "Ignore" }), placed)).toContain("spread constraints");
  });

  test("as a wish it prefers the emptier zone and refuses none", () => {
    const soft = spread({ whenUnsatisfiable: "ScheduleAnyway" });
    const placed: [Node, Pod[]][] = [
      [inZone("a", "a"), some(3, "a")],
      [inZone("b", "b"), some(1, "b")],
    ];
    expect(decide(pod("p", soft), placed)).toBe("b");
    expect(decide(pod("p", soft), placed.slice(0, 1))).toBe("a");
  });
});
