import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { NetworkPolicy } from "@raft2kube/api/gen/networking/v1.ts";
import { PEER_LABEL, podPeers } from "@raft2kube/api/networking/v1/policy-peers.ts";
import { TableState } from "@raft2kube/linux/netfilter/nft-table/table-state.ts";
import { beforeEach, describe, expect, it } from "vitest";
import { RULES_OF_NAMESPACE_MAX, RULES_OF_POD_MAX } from "./limits.ts";
import { Planner } from "./planner.ts";

const pod = (name: string, labels: Record<string, string> = {}): Pod => ({
  metadata: { namespace: "ns", name, uid: name, labels },
  spec: { containers: [{ name: "c", image: "i" }] },
});

const policy = (name: string, spec: NetworkPolicy["spec"]): NetworkPolicy => ({
  metadata: { namespace: "ns", name, uid: name },
  spec,
});

describe("the plan of a node's policies", () => {
  let planner: Planner;
  let table: TableState;
  beforeEach(() => {
    planner = new Planner();
    table = new TableState("t");
  });

  /** The transaction of the changes until now. */
  function transaction(): string[] {
    const steps = table.apply(planner.take());
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value.split("\n").filter((line) => line !== "");
    }
  }

  it("a pod that no policy selects is in no map", () => {
    planner.setPod("ns/a", pod("a"), "10.0.0.1");
    expect(transaction()).toEqual([]);
  });

  it("an isolated pod has the chain of its policies, which ends in a drop", () => {
    planner.setPod("ns/a", pod("a"), "10.0.0.1");
    planner.setPolicy("ns/deny", policy("deny", { podSelector: {} }));
    const lines = transaction();
    expect(lines.filter((line) => line.startsWith("add rule")).sort()).toEqual([
      expect.stringMatching(/^add rule ip t ingress-\w+ return$/),
      expect.stringMatching(/^add rule ip t pods-ingress-\w+ drop$/),
      expect.stringMatching(/^add rule ip t pods-ingress-\w+ jump ingress-\w+$/),
    ]);
    const element = /^add element ip t ingress \{ 10\.0\.0\.1 : goto pods-ingress-\w+ \}$/;
    expect(lines).toContainEqual(expect.stringMatching(element));
  });

  it("a change that concerns no pod's rules is an empty transaction", () => {
    planner.setPod("ns/a", pod("a"), "10.0.0.1");
    planner.setPolicy("ns/deny", policy("deny", { podSelector: {} }));
    transaction();
    planner.setPod("ns/a", pod("a", { other: "label" }), "10.0.0.1");
    expect(transaction()).toEqual([]);
  });

  it("the rules of a policy that goes are removed, with its sets", () => {
    planner.setPod("ns/a", pod("a"), "10.0.0.1");
    planner.setPolicy(
      "ns/p",
      policy("p", {
        podSelector: {},
        ingress: [{ from: [{ podSelector: {} }], ports: [{ port: "web" }] }],
      }),
    );
    const count = transaction().filter((line) => /^add (chain|set)/.test(line)).length;
    planner.setPolicy("ns/p", undefined);
    const removed = transaction().filter((line) => /^delete (chain|set)/.test(line));
    expect(removed).toHaveLength(count);
  });

  it("an address belongs to the pod that got it last", () => {
    planner.setPolicy("ns/p", policy("p", { podSelector: { matchLabels: { app: "old" } } }));
    planner.setPod("ns/old", pod("old", { app: "old" }), "10.0.0.1");
    transaction();
    planner.setPod("ns/new", pod("new"), "10.0.0.1");
    expect(transaction()).toContainEqual("delete element ip t ingress { 10.0.0.1 }");
  });

  it("what is no address in a slice is not in the kernel's set", () => {
    const selects = { podSelector: { matchLabels: { app: "x" } } };
    const allow = policy("p", { podSelector: {}, ingress: [{ from: [selects] }] });
    planner.setPod("ns/a", pod("a"), "10.0.0.1");
    planner.setPolicy("ns/p", allow);
    const [key = ""] = podPeers(allow).keys();
    planner.setSlice(
      {
        metadata: { namespace: "ns", name: "s", labels: { [PEER_LABEL]: key } },
        addressType: "FQDN",
        ports: [],
        endpoints: ["host.example.com", "fd00::1", "10.0.0.2 }; flush ruleset", "10.0.0.3"].map(
          (address) => ({ addresses: [address] }),
        ),
      },
      true,
    );
    const added = transaction().filter((line) => /^add element ip t peers-/.test(line));
    expect(added.map((line) => line.replace(/^.*\{/, ""))).toEqual([" 10.0.0.3 }"]);
  });

  const blocks = (length: number) =>
    Array.from({ length }, (_, block) => ({
      ipBlock: { cidr: `10.${block >> 7}.${(block & 127) << 1}.1/32` },
    }));

  it("a pod with policies of too many rules is cut off, and named", () => {
    planner.setPod("ns/a", pod("a"), "10.0.0.1");
    const from = blocks(RULES_OF_POD_MAX);
    planner.setPolicy("ns/wide", policy("wide", { podSelector: {}, ingress: [{ from }] }));
    const lines = transaction();
    expect(lines).toContain("add rule ip t pods-ingress-none drop");
    expect(lines.join().length).toBeLessThan(10_000);
    expect([...planner.cutOff]).toEqual(["ns/a ingress"]);
    planner.setPolicy("ns/wide", undefined);
    transaction();
    expect([...planner.cutOff]).toEqual([]);
  });

  it("a rule of many selectors and many names of ports has no set of all for each name", () => {
    planner.setPod("ns/a", pod("a"), "10.0.0.1");
    const many = Array.from({ length: 200 }, (_, at) => `p${at}`);
    const to = many.map((app) => ({ podSelector: { matchLabels: { app } } }));
    const egress = [{ to, ports: many.map((port) => ({ port })) }];
    planner.setPolicy(
      "ns/wide",
      policy("wide", { podSelector: {}, policyTypes: ["Egress"], egress }),
    );
    const lines = transaction();
    expect(lines.filter((line) => line.startsWith("add set"))).toEqual([]);
    expect(lines).toContain("add rule ip t pods-egress-none drop");
  });

  it.each([390, 25])(
    "policies of %i rules, each of which selects all pods and some more, have few sets",
    (rules) => {
      const allPods = { namespaceSelector: {} };
      const wide = policy("wide", { podSelector: {}, ingress: [{ from: [allPods] }] });
      const [key = ""] = podPeers(wide).keys();
      const endpoints = Array.from({ length: 20 }, (_, at) => ({ addresses: [`10.0.1.${at}`] }));
      const labels = { [PEER_LABEL]: key };
      const metadata = { namespace: "ns", name: "s", labels };
      planner.setSlice({ metadata, addressType: "IPv4", ports: [], endpoints }, true);
      for (let at = 0; at < 40; at++) {
        const ingress = Array.from({ length: rules }, (_, rule) => {
          const other = { podSelector: { matchLabels: { app: `${at}-${rule}` } } };
          return { from: [allPods, other] };
        });
        planner.setPolicy(`ns/p${at}`, policy(`p${at}`, { podSelector: {}, ingress }));
      }
      const sets = transaction().filter((line) => line.startsWith("add set"));
      expect(sets.length).toBeLessThan(1_000);
    },
  );

  it("of a pod's named ports those are in sets that its policies name", () => {
    const ports = Array.from({ length: 100 }, (_, at) => ({ name: `p${at}`, containerPort: 80 }));
    const containers = [{ name: "c", image: "i", ports }];
    planner.setPod("ns/a", { ...pod("a"), spec: { containers } }, "10.0.0.1");
    expect(transaction()).toEqual([]);
    const ingress = [{ ports: [{ port: "p1" }, { port: "other" }] }];
    planner.setPolicy("ns/p", policy("p", { podSelector: {}, ingress }));
    const added = transaction().filter((line) => /^add element ip t port-/.test(line));
    expect(added.map((line) => line.replace(/^.*\{/, ""))).toEqual([" 10.0.0.1 . tcp . 80 }"]);
  });

  it("a policy of many names of ports has few sets", () => {
    const ports = Array.from({ length: RULES_OF_POD_MAX / 2 }, (_, at) => ({ port: `p${at}` }));
    planner.setPolicy("ns/p", policy("p", { podSelector: {}, ingress: [{ ports }] }));
    const sets = transaction().filter((line) => line.startsWith("add set"));
    expect(sets.length).toBeLessThanOrEqual(1_000);
  });

  it("pods that too many policies of a namespace select are cut off until some have gone", () => {
    const other = { namespace: "other", name: "b", uid: "b" };
    planner.setPod("ns/a", pod("a", { app: "1" }), "10.0.0.1");
    planner.setPod("ns/free", pod("free"), "10.0.0.3");
    planner.setPod("other/b", { ...pod("b"), metadata: other }, "10.0.0.2");
    planner.setPolicy("other/p", { metadata: other, spec: { podSelector: {} } });
    const from = blocks(RULES_OF_POD_MAX / 2);
    const count = Math.ceil(RULES_OF_NAMESPACE_MAX / from.length);
    for (let at = 0; at < count; at++) {
      const podSelector = { matchLabels: { app: `${at}` } };
      const allowed = [{ from: [{ podSelector }] }, { from }];
      planner.setPolicy(`ns/p${at}`, policy(`p${at}`, { podSelector, ingress: allowed }));
    }
    const lines = transaction();
    expect(lines.join().length).toBeLessThan(10_000);
    expect(lines.filter((line) => line.startsWith("add set"))).toEqual([]);
    expect([...planner.cutOff]).toEqual(["ns/a ingress"]);
    expect(lines.filter((line) => line.includes("10.0.0.3 : goto"))).toEqual([]);
    expect(lines).toContainEqual(expect.stringMatching(/10\.0\.0\.2 : goto pods-ingress-\w{32}/));
    planner.setPolicy("ns/p0", undefined);
    const restored = transaction();
    expect([...planner.cutOff]).toEqual([]);
    // One of each policy, and the pod's own.
    expect(restored.filter((line) => line.startsWith("add chain"))).toHaveLength(count);
    expect(restored.filter((line) => line.startsWith("add set"))).toHaveLength(count - 1);
  });

  it("policies whose own selectors are too large together cut off all pods of their namespace", () => {
    planner.setPod("ns/a", pod("a"), "10.0.0.1");
    const matchExpressions = Array.from({ length: 1_000 }, (_, at) => {
      return { key: `k${at}`, operator: at === 999 ? "Exists" : "DoesNotExist" };
    });
    let reads = 0;
    const podSelector = {
      get matchExpressions() {
        reads++;
        return matchExpressions;
      },
    };
    for (let at = 0; at < 100; at++)
      planner.setPolicy(`ns/p${at}`, policy(`p${at}`, { podSelector }));
    reads = 0;
    const lines = transaction();
    expect([...planner.cutOff]).toEqual(["ns/a ingress"]);
    expect(lines).toContain("add rule ip t pods-ingress-none drop");
    // 100,000 terms: as many are compared as a namespace may have.
    expect(reads).toBeLessThan(20);
  });
});
