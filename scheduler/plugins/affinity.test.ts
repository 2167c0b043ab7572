import type { Affinity, Node, Pod, PodAffinityTerm } from "@raft2kube/api/gen/core/v1.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { describe, expect, test } from "vitest";
import { schedulePod } from "../cycle.ts";
import { CycleState } from "../framework/cycle-state.ts";
import { podInfo } from "../node-info.ts";
import { DEFAULT_PROFILE, frameworkOf } from "../profiles.ts";
import { NO_WORKLOADS, node, pod, snapshot } from "../testing/objects.ts";
import { interPodAffinity } from "./inter-pod-affinity.ts";
import { topologySpread } from "./topology-spread.ts";

const ZONE = "topology.kubernetes.io/zone";
const HOST = "kubernetes.io/hostname";

function decide(
  wanted: Pod,
  placed: [Node, Pod[]][],
  namespaces: Record<string, Record<string, string>> = {},
): string {
  const decision = schedulePod({
    info: podInfo(wanted),
    snapshot: snapshot(placed, namespaces),
    framework: frameworkOf(DEFAULT_PROFILE, [topologySpread(NO_WORKLOADS)]),
    random: seededRandom(1),
  });
  return decision.kind === "scheduled" ? decision.suggestedHost.name : decision.message;
}

const inZone = (name: string, zone: string) => node(name, { labels: { [ZONE]: zone } });

function term(app: string, topologyKey = ZONE, more: Partial<PodAffinityTerm> = {}) {
  return { labelSelector: { matchLabels: { app } }, topologyKey, ...more };
}

const affinityTo = (...terms: PodAffinityTerm[]): Affinity => {
  return { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } };
};
const antiAffinityTo = (...terms: PodAffinityTerm[]): Affinity => {
  return { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } };
};

const web = pod("web", { labels: { app: "web" } });

/** A pod as its node would make one by itself. */
const mirrorOf = (each: Pod): Pod => {
  const annotations = { "kubernetes.io/config.mirror": "x" };
  return { ...each, metadata: { ...each.metadata, annotations } };
};

describe("InterPodAffinity", () => {
  test("required affinity selects the zone, on any of its hosts", () => {
    const placed: [Node, Pod[]][] = [
      [inZone("a1", "a"), [web]],
      [node("a2", { labels: { [ZONE]: "a" }, cpu: "32", memory: "64Gi" }), []],
      [inZone("b1", "b"), []],
    ];
    expect(decide(pod("p", { affinity: affinityTo(term("web")) }), placed)).toBe("a2");
  });

  test("each term of required affinity is asked about a pod once", () => {
    const terms = ["a", "b", "c"].map((key) => term("web", key));
    const info = podInfo(pod("p", { affinity: affinityTo(...terms) }));
    let asked = 0;
    const required = info.affinity.required.map((each) => ({
      ...each,
      matches: (...args: Parameters<typeof each.matches>) => {
        asked++;
        return each.matches(...args);
      },
    }));
    const state = new CycleState(snapshot([[inZone("a1", "a"), [web]]]));
    interPodAffinity.preFilter(state, { ...info, affinity: { ...info.affinity, required } });
    expect(asked).toBeLessThanOrEqual(2 * terms.length);
  });

  test("required affinity without a matching pod rejects", () => {
    expect(decide(pod("p", { affinity: affinityTo(term("web")) }), [[inZone("a", "a"), []]])).toBe(
      "0/1 nodes are available: 1 node(s) didn't match pod affinity rules.",
    );
  });

  test("the first pod of a group that matches its own terms is scheduled", () => {
    const first = pod("p", { labels: { app: "web" }, affinity: affinityTo(term("web")) });
    expect(decide(first, [[inZone("a", "a"), []]])).toBe("a");
  });

  test("a node without the topology label is rejected", () => {
    const first = pod("p", { labels: { app: "web" }, affinity: affinityTo(term("web")) });
    expect(decide(first, [[node("bare"), []]])).toContain("pod affinity rules");
  });

  test("required anti-affinity rejects the zone", () => {
    const placed: [Node, Pod[]][] = [
      [inZone("a", "a"), [web]],
      [inZone("b", "b"), []],
    ];
    expect(decide(pod("p", { affinity: antiAffinityTo(term("web")) }), placed)).toBe("b");
    expect(decide(pod("p", { affinity: antiAffinityTo(term("web")) }), placed.slice(0, 1))).toBe(
      "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.",
    );
  });

  test("the anti-affinity of existing pods rejects", () => {
    const loner = pod("loner", { affinity: antiAffinityTo(term("web", HOST)) });
    const wanted = pod("p", { labels: { app: "web" } });
    expect(decide(wanted, [[node("a"), [loner]]])).toBe(
      "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.",
    );
    expect(decide(pod("p", { labels: { app: "other" } }), [[node("a"), [loner]]])).toBe("a");
  });

  test("of several reasons, the pod's own affinity is told first, which no preemption helps", () => {
    const loner = pod("loner", { labels: { app: "web" }, affinity: antiAffinityTo(term("web")) });
    const placed: [Node, Pod[]][] = [[inZone("a", "a"), [loner]]];
    const anti = antiAffinityTo(term("web"));
    const both = { ...anti, ...affinityTo(term("db")) };
    const reason = (affinity: typeof both | typeof anti) =>
      decide(pod("p", { labels: { app: "web" }, affinity }), placed);
    expect(reason(both)).toContain("1 node(s) didn't match pod affinity rules.");
    expect(reason(anti)).toContain("1 node(s) didn't match pod anti-affinity rules.");
  });

  test("mirror pods, which a node makes with any terms, repel none", () => {
    const loner = pod("loner", { affinity: antiAffinityTo(term("web", HOST)) });
    const wanted = pod("p", { labels: { app: "web" } });
    expect(decide(wanted, [[node("a"), [mirrorOf(loner)]]])).toBe("a");
  });

  test("no term selects mirror pods, which a node makes with any labels", () => {
    const placed: [Node, Pod[]][] = [[inZone("a", "a"), [mirrorOf(web)]]];
    expect(decide(pod("p", { affinity: antiAffinityTo(term("web")) }), placed)).toBe("a");
    expect(decide(pod("p", { affinity: affinityTo(term("web")) }), placed)).toMatch(/^0\/1 nodes/);
  });

  test("labels of a node that no term names are not looked at", () => {
    let looks = 0;
    const many = inZone("a", "a");
    many.metadata.labels = new Proxy(many.metadata.labels!, {
      ownKeys: (labels) => {
        looks++;
        return Reflect.ownKeys(labels);
      },
    });
    const preferredDuringSchedulingIgnoredDuringExecution = [
      { weight: 1, podAffinityTerm: term("web") },
    ];
    const podAffinity = { preferredDuringSchedulingIgnoredDuringExecution };
    const loner = pod("loner", { affinity: antiAffinityTo(term("p", HOST)) });
    const placed: [Node, Pod[]][] = [
      [many, [web]],
      [inZone("b", "b"), [loner]],
    ];
    const labels = { app: "p" };
    expect(decide(pod("p", { labels, affinity: { podAffinity } }), placed)).toBe("a");
    expect(looks).toBe(0);
  });

  test("a term applies to its pod's namespace, unless it lists or selects others", () => {
    const elsewhere = pod("web", { labels: { app: "web" }, namespace: "team" });
    const placed: [Node, Pod[]][] = [[inZone("a", "a"), [elsewhere]]];
    const fits = (more: Partial<PodAffinityTerm>) => {
      const affinity = affinityTo(term("web", ZONE, more));
      return decide(pod("p", { affinity }), placed, { team: { tier: "gold" } }) === "a";
    };
    expect(fits({})).toBe(false);
    expect(fits({ namespaces: ["team"] })).toBe(true);
    expect(fits({ namespaceSelector: { matchLabels: { tier: "gold" } } })).toBe(true);
    expect(fits({ namespaceSelector: { matchLabels: { tier: "lead" } } })).toBe(false);
    expect(fits({ namespaceSelector: {} })).toBe(true);
  });

  test("preferred terms score, of the pod and of existing pods", () => {
    const placed: [Node, Pod[]][] = [
      [inZone("a", "a"), []],
      [inZone("b", "b"), [web]],
    ];
    const terms = [{ weight: 100, podAffinityTerm: term("web") }];
    const preferredDuringSchedulingIgnoredDuringExecution = terms;
    const preferWeb = { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution } };
    expect(decide(pod("p", { affinity: preferWeb }), placed)).toBe("b");
    const friendly = pod("friend", { affinity: preferWeb });
    const wanted = pod("p", { labels: { app: "web" } });
    expect(
      decide(wanted, [
        [inZone("a", "a"), []],
        [inZone("b", "b"), [friendly]],
      ]),
    ).toBe("b");
  });
});

describe("PodTopologySpread", () => {
  const spread = (shape: object = {}) => ({
    labels: { app: "web" },
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: ZONE,
        whenUnsatisfiable: "DoNotSchedule" as const,
        labelSelector: { matchLabels: { app: "web" } },
        ...shape,
      },
    ],
  });
  const some = (count: number, prefix: string) =>
    Array.from({ length: count }, (_, i) => pod(`${prefix}${i}`, { labels: { app: "web" } }));

  test("selects the zone with the fewest matching pods", () => {
    const placed: [Node, Pod[]][] = [
      [inZone("a", "a"), some(2, "a")],
      [inZone("b", "b"), some(1, "b")],
    ];
    expect(decide(pod("p", spread()), placed)).toBe("b");
  });

  test("counts no mirror pods, which a node makes with any labels", () => {
    const placed: [Node, Pod[]][] = [
      [inZone("a", "a"), some(2, "a").map(mirrorOf)],
      [node("b", { labels: { [ZONE]: "b" }, pods: "0" }), []],
    ];
    expect(decide(pod("p", spread()), placed)).toBe("a");
  });

  test("rejects the fuller zone although only it has resources", () => {
    const placed: [Node, Pod[]][] = [
      [inZone("a", "a"), some(1, "a")],
      [node("b", { labels: { [ZONE]: "b" }, pods: "0" }), []],
    ];
    expect(decide(pod("p", spread()), placed)).toBe(
      "0/2 nodes are available: 1 Too many pods, " +
        "1 node(s) didn't match pod topology spread constraints.",
    );
  });

  test("a node without the label is rejected", () => {
    expect(decide(pod("p", spread()), [[node("bare"), []]])).toBe(
      "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints " +
        "(missing required label).",
    );
  });

  test("an empty selector counts no pods, an absent one neither", () => {
    const placed: [Node, Pod[]][] = [
      [inZone("a", "a"), some(5, "a")],
      [node("b", { labels: { [ZONE]: "b" }, pods: "0" }), []],
    ];
    expect(decide(pod("p", spread({ labelSelector: {} })), placed)).toBe("a");
    expect(decide(pod("p", spread({ labelSelector: undefined })), placed)).toBe("a");
  });

  test("with fewer domains than minDomains the minimum is zero", () => {
    const placed: [Node, Pod[]][] = [[inZone("a", "a"), some(1, "a")]];
    expect(decide(pod("p", spread()), placed)).toBe("a");
    expect(decide(pod("p", spread({ minDomains: 2 })), placed)).toContain("spread constraints");
  });

  test("zones that node affinity excludes do not count, unless the policy is Ignore", () => {
    const placed: [Node, Pod[]][] = [
      [node("a", { labels: { [ZONE]: "a", disk: "ssd" } }), some(1, "a")],
      [inZone("b", "b"), []],
    ];
    const picky = (shape: object) => pod("p", { ...spread(shape), nodeSelector: { disk: "ssd" } });
    expect(decide(picky({}), placed)).toBe("a");
    expect(decide(picky({ nodeAffinityPolicy: "Ignore" }), placed)).toContain("spread constraints");
  });

  test("ScheduleAnyway prefers the emptier zone and rejects none", () => {
    const soft = spread({ whenUnsatisfiable: "ScheduleAnyway" });
    const placed: [Node, Pod[]][] = [
      [inZone("a", "a"), some(3, "a")],
      [inZone("b", "b"), some(1, "b")],
    ];
    expect(decide(pod("p", soft), placed)).toBe("b");
    expect(decide(pod("p", soft), placed.slice(0, 1))).toBe("a");
  });
});

test("node affinity is asked about a node once, not for each spread constraint", () => {
  let asked = 0;
  const term = { matchExpressions: [{ key: ZONE, operator: "Exists" as const }] };
  const required = {
    get nodeSelectorTerms() {
      return (asked++, [term]);
    },
  };
  const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: required };
  const constraints = ["a", "b", "c"].map((app) => ({
    maxSkew: 1,
    topologyKey: ZONE,
    whenUnsatisfiable: "DoNotSchedule" as const,
    labelSelector: { matchLabels: { app } },
  }));
  const wanted = pod("p", { affinity: { nodeAffinity }, topologySpreadConstraints: constraints });
  const placed: [Node, Pod[]][] = [
    [inZone("a1", "a"), [web]],
    [inZone("b1", "b"), []],
  ];
  expect(["a1", "b1"]).toContain(decide(wanted, placed));
  // And once in PreFilter, whether it names nodes.
  expect(asked).toBe(placed.length + 1);
});
