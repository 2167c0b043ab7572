import type { Node, Pod, UnsatisfiableConstraintAction } from "@raft2kube/api/gen/core/v1.ts";
import { type FitError, type ScheduleResult, schedulePod } from "@raft2kube/scheduler/cycle.ts";
import type { Snapshot } from "@raft2kube/scheduler/framework/snapshot.ts";
import { podInfo } from "@raft2kube/scheduler/node-info.ts";
import { Nominator } from "@raft2kube/scheduler/nominator.ts";
import { topologySpread } from "@raft2kube/scheduler/plugins/topology-spread.ts";
import { findCandidate } from "@raft2kube/scheduler/preemption.ts";
import { DEFAULT_PROFILE, frameworkOf } from "@raft2kube/scheduler/profiles.ts";
import {
  NO_WORKLOADS,
  type NodeShape,
  node,
  type PodShape,
  pod,
  resultOf,
  snapshot,
} from "@raft2kube/scheduler/testing/objects.ts";
import { seededRandom } from "@raft2kube/std/random.ts";

/** The scheduler's plugins, without those of volumes and claims. */
export const FRAMEWORK = frameworkOf(DEFAULT_PROFILE, [topologySpread(NO_WORKLOADS)]);

/** A node with its pods, which are named `a-0`, `a-1`, ... after it. */
export type Place = readonly [name: string, shape: NodeShape, ...pods: PodShape[]];

/** A pod or node in the tables of the checks. */
type Given = Readonly<Record<string, string | number | boolean>>;

const ZONE = "topology.kubernetes.io/zone";
const textsOf = (given: Given) =>
  Object.fromEntries(Object.entries(given).map(([name, value]) => [name, String(value)]));

/** A pod from a table: its requests, its label `app`, its priority. */
export function shapeOf(given: unknown): PodShape {
  const { app, priority, ...requests } = given as Given;
  return {
    ...(Object.keys(requests).length > 0 ? { requests: textsOf(requests) } : {}),
    ...(app === undefined ? {} : { labels: { app: String(app) } }),
    ...(priority === undefined ? {} : { priority: Number(priority) }),
  };
}

/** A node with its pods from a table: what it has, its zone, whether it is unschedulable. */
export function placeOf(given: unknown): Place {
  const [name, node, ...pods] = given as [string, ...Given[]];
  const { zone, unschedulable, ...has } = node!;
  const shape = {
    ...textsOf(has),
    ...(zone === undefined ? {} : { labels: { [ZONE]: String(zone) } }),
    ...(unschedulable ? { unschedulable: true } : {}),
  };
  return [name, shape, ...pods.map(shapeOf)];
}

export const placesOf = (given: unknown): Place[] => (given as unknown[]).map(placeOf);

/** A pod of the app web, which is spread over zones as the text says: `1 DoNotSchedule`. */
export function spreadOf(given: unknown): PodShape {
  const [maxSkew, action] = String(given).split(" ");
  const whenUnsatisfiable = action as UnsatisfiableConstraintAction;
  const labelSelector = { matchLabels: { app: "web" } };
  const constraint = { maxSkew: Number(maxSkew), topologyKey: ZONE, whenUnsatisfiable };
  return { labels: { app: "web" }, topologySpreadConstraints: [{ ...constraint, labelSelector }] };
}

export function clusterOf(places: readonly Place[]): Snapshot {
  return snapshot(
    places.map(([name, shape, ...pods]): [Node, Pod[]] => {
      return [node(name, shape), pods.map((one, i) => pod(`${name}-${i}`, one))];
    }),
  );
}

/** One cycle for a pod. */
export function decide(wanted: Pod, cluster: Snapshot): ScheduleResult | FitError {
  const random = seededRandom(1);
  return schedulePod({ info: podInfo(wanted), snapshot: cluster, framework: FRAMEWORK, random });
}

/** The name of the node that was chosen, or why there is none. */
export function outcomeOf(decision: ScheduleResult | FitError): string {
  return decision.kind === "scheduled" ? decision.suggestedHost.name : decision.message;
}

/** The node to preempt on with its victims, for a pod that fits nowhere. */
export function preempted(wanted: Pod, cluster: Snapshot): string {
  const decision = decide(wanted, cluster);
  if (decision.kind === "scheduled") return `it fits on ${decision.suggestedHost.name}`;
  const { nodeToStatus, state } = decision;
  const info = podInfo(wanted);
  const budgetsOf = () => [];
  const input = {
    info,
    state,
    handle: FRAMEWORK,
    nodeToStatus,
    budgetsOf,
    nominator: new Nominator(),
  };
  const { candidate } = resultOf(findCandidate(input));
  if (!candidate) return "nothing";
  const names = candidate.victims.map((victim) => victim.pod.metadata.name);
  return `${candidate.node}: ${names.join(" ")}`;
}
