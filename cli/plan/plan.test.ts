import { expect, test } from "vitest";
import type { Observation, ObservedNode } from "../observe/cluster.ts";
import { type ClusterConfig, planCluster } from "../spec/config.ts";
import { planJoiningNode } from "../spec/nodes.ts";
import { type ProcessName, processNames } from "../spec/processes.ts";
import type { Change, Spec, WantedControlPlane } from "../spec/spec.ts";
import { CommandError } from "../terminal.ts";
import { formerSpec, plan } from "./plan.ts";
import { keyOf, type Step } from "./step.ts";

const roots = { data: "/nowhere/data", run: "/nowhere/run" };
const cluster = await planCluster("one", roots, { storeMembers: 3 }, []);
const nodeOf = (name: string) => planJoiningNode(cluster, name, []);
const guest = { memory_MiB: 512, disk_GiB: 1, proxyMode: "ipvs" } as const;

const up = (config: ObservedNode["config"]) => ({ config, runs: true, isSupervised: true });
const ended = (config: ObservedNode["config"]) => ({ config, runs: false, isSupervised: false });

function seen(
  running: readonly ProcessName[] = [],
  nodes: Readonly<Record<string, ObservedNode>> = {},
): Observation {
  const controlPlanes = new Set<string>();
  const all = new Map(Object.entries(nodes));
  return { isWritten: true, hasHand: false, running: new Set(running), controlPlanes, nodes: all };
}

const keys = (spec: Spec, from: Observation) => plan(spec, from).map(keyOf);

test("a start ensures every part, in order, also those that seem to be there", () => {
  const nodes = [{ wanted: "started", node: nodeOf("node-2") }] as const;
  const spec: Spec = { wanted: "started", cluster, nodes, demo: true };
  const all = [
    "files",
    "network",
    "store of 3 members",
    "control plane",
    "add-ons",
    "node",
    `ready ${cluster.nodeName}`,
    "nodes joined: node-2",
    "demo",
    "answer",
  ];
  expect(keys(spec, seen())).toEqual(all);
  expect(keys(spec, seen(["control"], { "node-2": up(nodeOf("node-2")) }))).toEqual(all);
});

test("the demo of a cluster of one node is created before the node is ready", () => {
  const spec: Spec = { wanted: "started", cluster, nodes: [], demo: true };
  const ready = `ready ${cluster.nodeName}`;
  expect(keys(spec, seen()).slice(-5)).toEqual(["add-ons", "demo", "node", ready, "answer"]);
});

test("the undoing of a first start keeps what was made by hand before", () => {
  const change = { wanted: "started", cluster, nodes: [], demo: false } as const;
  for (const hasHand of [true, false]) {
    const former = formerSpec(change, { ...seen(), isWritten: false, hasHand });
    const purge: Step = { kind: "purge", cluster, keepsHand: hasHand };
    expect(plan(former, seen())).toEqual([{ kind: "remove", cluster }, purge]);
  }
});

test("in a cluster that is kept only nodes change that are listed", () => {
  const [second, third] = [nodeOf("node-2"), nodeOf("node-3")];
  const from = seen(["control", "node"], { "node-2": up(second), "node-3": ended(third) });
  const of = (nodes: Extract<Spec, { wanted: "kept" }>["nodes"]) =>
    keys({ wanted: "kept", cluster, nodes }, from);
  expect(of([])).toEqual([]);
  const running = [second, third].map((node) => ({ wanted: "running", node }) as const);
  expect(of(running)).toEqual(["nodes: node-3"]);
  expect(of([{ wanted: "started", node: second }])).toEqual(["nodes: node-2"]);
  expect(of([{ wanted: "stopped", name: "node-2", node: second }])).toEqual(["stop-node node-2"]);
  expect(of([{ wanted: "absent", name: "node-3", node: third }])).toEqual(["remove-node node-3"]);
  expect(of([{ wanted: "absent", name: "other", node: third }])).toEqual([]);
});

test("the mode of all nodes that run changes, the first one's last, and no guest's", () => {
  const broken = new CommandError("UNUSABLE_CONFIG", "not JSON");
  const from = seen(["control"], {
    "node-2": up(nodeOf("node-2")),
    "node-3": ended(nodeOf("node-3")),
    "node-4": { ...ended(nodeOf("node-4")), isSupervised: true },
    other: up({ ...nodeOf("other"), guest }),
    hurt: up(broken),
  });
  const spec: Spec = { wanted: "kept", cluster, nodes: [], proxyMode: "iptables" };
  expect(keys(spec, from)).toEqual([
    "guest-mode other",
    "mode node-2",
    "mode node-4",
    `mode ${cluster.nodeName}`,
  ]);
  expect(keys({ ...spec, proxyMode: "ipvs" }, from)).not.toContain("guest-mode other");
});

test("data goes after all else", () => {
  expect(keys({ wanted: "absent", cluster }, seen())).toEqual(["remove", "purge"]);
  expect(keys({ wanted: "stopped", cluster, nodes: [] }, seen())).toEqual(["remove"]);
});

test("control planes come in place of the host's, and change one by one", async () => {
  const several = await planCluster("several", roots, { controlPlanes: 3 }, []);
  const spec: Spec = { wanted: "started", cluster: several, nodes: [], demo: false };
  expect(keys(spec, seen())).toEqual([
    "files",
    "network",
    "control-planes",
    "way to the control planes",
    "add-ons",
    "node",
    `ready ${several.nodeName}`,
  ]);
  const change = (wanted: WantedControlPlane["wanted"]) => {
    const controlPlane = { wanted, name: "control-2" };
    return keys({ wanted: "kept", cluster: several, nodes: [], controlPlane }, seen());
  };
  expect([
    ...change("stopped"),
    ...change("absent"),
    ...change("added"),
    ...change("running"),
  ]).toEqual([
    "stop-control-plane control-2",
    "remove-control-plane control-2",
    "add-control-plane control-2",
    "control-planes",
  ]);
});

/** Returns the state of a cluster after a step, without a machine. */
function after(step: Step, state: Observation): Observation {
  const { running, controlPlanes, nodes } = state;
  const others = new Map(nodes);
  switch (step.kind) {
    case "files":
      return { ...state, isWritten: true };
    case "processes":
      return { ...state, running: new Set([...running, ...step.names]) };
    case "control-planes":
    case "add-control-plane": {
      const names = step.kind === "control-planes" ? step.names : [step.name];
      return { ...state, controlPlanes: new Set([...controlPlanes, ...names]) };
    }
    case "stop-control-plane":
    case "remove-control-plane": {
      const left = [...controlPlanes].filter((name) => name !== step.name);
      return { ...state, controlPlanes: new Set(left) };
    }
    case "nodes":
      for (const node of step.nodes) others.set(node.nodeName, up(node));
      return { ...state, nodes: others };
    case "stop-node":
      others.set(step.name, ended(nodes.get(step.name)?.config));
      return { ...state, nodes: others };
    case "remove-node":
      others.delete(step.name);
      return { ...state, nodes: others };
    case "remove":
      for (const [name, { config }] of nodes) others.set(name, ended(config));
      return { ...state, running: new Set(), controlPlanes: new Set(), nodes: others };
    case "purge":
      return {
        isWritten: false,
        hasHand: false,
        running: new Set(),
        controlPlanes: new Set(),
        nodes: new Map(),
      };
    case "network":
    case "add-ons":
    case "ready":
    case "demo":
    case "answer":
    case "ingress":
    case "dashboard":
    case "mode":
    case "guest-mode":
      return state;
  }
}

const FORMER: readonly (readonly [what: string, state: Observation])[] = [
  ["a new cluster", { ...seen(), isWritten: false }],
  ["one that was stopped", seen([], { "node-2": ended(nodeOf("node-2")) })],
  ["one that ran in part", seen(["control"], { "node-2": up(nodeOf("node-2")) })],
  ["one that runs", seen(processNames(cluster))],
];

test.each(FORMER)("undoing a start or an addition, at each step, leads back to %s", (_, before) => {
  const nodes = ["node-2", "node-3"].map((name) => {
    return { wanted: "started", node: nodeOf(name) } as const;
  });
  const specs: Change[] = [
    { wanted: "started", cluster, nodes, demo: true },
    { wanted: "kept", cluster, nodes: nodes.slice(1) },
  ];
  for (const spec of specs) {
    const former = formerSpec(spec, before);
    const steps = plan(spec, before);
    for (let done = 0; done <= steps.length; done++) {
      const failed = steps.slice(0, done).reduce((state, step) => after(step, state), before);
      const back = plan(former, failed).reduce((state, step) => after(step, state), failed);
      expect(back.isWritten).toBe(before.isWritten);
      expect([...back.nodes.keys()]).toEqual([...before.nodes.keys()]);
      // Beside processes that ran before, those that the start added stay too.
      const wanted = former.wanted === "kept" ? failed.running : before.running;
      expect([...back.running]).toEqual([...wanted]);
    }
  }
});

test("undoing never removes a node that had a folder before", () => {
  const node: ClusterConfig = nodeOf("node-2");
  const spec: Change = { wanted: "kept", cluster, nodes: [{ wanted: "started", node }] };
  const former = formerSpec(spec, seen(["control"], { "node-2": ended(undefined) }));
  expect(former).toEqual({ wanted: "kept", cluster, nodes: [] });
});
