import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import { type Observation, runsInPart } from "../observe/cluster.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { controlPlaneNames } from "../spec/control-planes.ts";
import type { ProcessName } from "../spec/processes.ts";
import {
  type Change,
  isWanted,
  type Spec,
  type UnwantedNode,
  type WantedControlPlane,
  type WantedNode,
} from "../spec/spec.ts";
import { storeMemberNames } from "../spec/store.ts";
import type { Step } from "./step.ts";

/** Plans the steps that lead from the state in which a cluster was seen to the wanted one. */
export function plan(spec: Spec, seen: Observation): Step[] {
  switch (spec.wanted) {
    case "started": {
      const { cluster } = spec;
      const joins = planJoins(cluster, spec.nodes, seen, "nodes joined");
      const demo: Step[] = spec.demo ? [{ kind: "demo", cluster }] : [];
      const answer: Step[] = spec.demo ? [{ kind: "answer", cluster }] : [];
      return [
        // Its pods wait for the first node; with several they wait for all, and spread over them.
        ...planControlPlane(cluster, joins.length > 0 ? [] : demo),
        ...joins,
        ...(joins.length > 0 ? demo : []),
        ...answer,
        ...planIngress(spec, spec.demo),
        ...planDashboard(spec),
      ];
    }
    case "kept":
      return [
        ...planRemovals(
          spec.nodes.filter((node) => !isWanted(node)),
          seen,
        ),
        ...planJoins(spec.cluster, spec.nodes.filter(isWanted), seen, "nodes"),
        ...planIngress(spec, false),
        ...planDashboard(spec),
        ...(spec.proxyMode === undefined ? [] : planModes(spec.cluster, spec.proxyMode, seen)),
        ...(spec.controlPlane ? [planControlPlaneChange(spec.cluster, spec.controlPlane)] : []),
      ];
    case "stopped":
      return [...planRemovals(spec.nodes, seen), { kind: "remove", cluster: spec.cluster }];
    case "absent":
      return [
        { kind: "remove", cluster: spec.cluster },
        { kind: "purge", cluster: spec.cluster, keepsHand: spec.keepsHand ?? false },
      ];
  }
}

/**
 * The control plane, `first` that uses it, and the first node. A start repairs also what seems to
 * be there.
 */
function planControlPlane(cluster: ClusterConfig, first: readonly Step[]): Step[] {
  const members = storeMemberNames(cluster);
  const processes = (title: string, names: ProcessName[], ahead: ProcessName[] = []): Step => {
    return { kind: "processes", title, cluster, names, ahead };
  };
  const names = controlPlaneNames(cluster);
  return [
    { kind: "files", cluster, ahead: names.length > 0 ? [] : ["control"] },
    { kind: "network", cluster },
    // Each waits for a majority.
    ...(members.length > 0 ? [processes(`store of ${members.length} members`, members)] : []),
    ...(names.length > 0
      ? [
          { kind: "control-planes" as const, cluster, names },
          processes("way to the control planes", ["host"], ["node"]),
        ]
      : [processes("control plane", ["control"], ["node"])]),
    { kind: "add-ons", cluster },
    ...first,
    processes("node", ["node"]),
    { kind: "ready", node: cluster },
  ];
}

function planIngress({ cluster, ingress }: Change, demo: boolean): Step[] {
  return ingress ? [{ kind: "ingress", cluster, demo, api: ingress }] : [];
}

function planDashboard({ cluster, dashboard }: Change): Step[] {
  return dashboard ? [{ kind: "dashboard", cluster }] : [];
}

function planControlPlaneChange(
  cluster: ClusterConfig,
  { wanted, name }: WantedControlPlane,
): Step {
  switch (wanted) {
    case "running":
      return { kind: "control-planes", cluster, names: [name] };
    case "stopped":
      return { kind: "stop-control-plane", cluster, name };
    case "added":
      return { kind: "add-control-plane", cluster, name };
    case "absent":
      return { kind: "remove-control-plane", cluster, name };
  }
}

function planJoins(
  cluster: ClusterConfig,
  wanted: readonly WantedNode[],
  seen: Observation,
  title: string,
): Step[] {
  const nodes = wanted
    .filter((one) => one.wanted === "started" || !seen.nodes.get(one.node.nodeName)?.runs)
    .map(({ node }) => node);
  if (nodes.length === 0) return [];
  const names = nodes.map(({ nodeName }) => nodeName).join(", ");
  return [{ kind: "nodes", title: `${title}: ${names}`, cluster, nodes }];
}

function planRemovals(unwanted: readonly UnwantedNode[], seen: Observation): Step[] {
  return unwanted
    .filter(({ name }) => seen.nodes.has(name))
    .map(({ wanted, name, node }) => {
      return { kind: wanted === "stopped" ? "stop-node" : "remove-node", name, node };
    });
}

/**
 * A node that has ended is changed too if a supervisor is about to start it. A guest keeps its
 * mode. The first node is the last: its file is the cluster's, by which nodes are started.
 */
function planModes(cluster: ClusterConfig, mode: ModeName, seen: Observation): Step[] {
  const read = [...seen.nodes.values()].flatMap((node) => {
    const { config } = node;
    return config === undefined || config instanceof Error ? [] : [{ ...node, config }];
  });
  const guests = read.filter(({ config: { guest } }) => guest && guest.proxyMode !== mode);
  const others = read.filter(({ config, runs, isSupervised }) => {
    return config.guest === undefined && (runs || isSupervised);
  });
  return [
    ...guests.map(({ config: node }) => ({ kind: "guest-mode", node, mode }) as const),
    ...[...others.map(({ config }) => config), cluster].map((node) => {
      return { kind: "mode", node, mode } as const;
    }),
  ];
}

/**
 * The spec to which a failed change converges: a new cluster is removed with its data, one that was
 * stopped is stopped again, and of one that is kept, or of which a process ran, only the nodes are
 * removed that had no folder before.
 */
export function formerSpec({ wanted, cluster, ...spec }: Change, before: Observation): Spec {
  const nodes: readonly (WantedNode | UnwantedNode)[] = spec.nodes;
  const added = nodes.filter(isWanted).filter(({ node }) => !before.nodes.has(node.nodeName));
  const unwanted = added.map(({ node }): UnwantedNode => {
    return { wanted: "absent", name: node.nodeName, node };
  });
  if (wanted === "kept" || (before.isWritten && runsInPart(before))) {
    return { wanted: "kept", cluster, nodes: unwanted };
  }
  if (before.isWritten) return { wanted: "stopped", cluster, nodes: unwanted };
  return { wanted: "absent", cluster, keepsHand: before.hasHand };
}
