import { CodedError } from "@raft2kube/std/errors.ts";
import type { Plugin } from "./framework.ts";
import { balancedAllocation } from "./plugins/balanced-allocation.ts";
import { imageLocality } from "./plugins/image-locality.ts";
import { interPodAffinity } from "./plugins/inter-pod-affinity.ts";
import { nodeAffinity } from "./plugins/node-affinity.ts";
import { nodeName } from "./plugins/node-name.ts";
import { nodePorts } from "./plugins/node-ports.ts";
import { nodeUnschedulable } from "./plugins/node-unschedulable.ts";
import { resourcesFit } from "./plugins/resources-fit.ts";
import { taintToleration } from "./plugins/taint-toleration.ts";
import { topologySpread } from "./plugins/topology-spread.ts";

/** A way of scheduling, for the pods that name it in `schedulerName`. */
export interface SchedulerProfile {
  schedulerName: string;
  /** Plugins left out. */
  disabled?: readonly string[];
  /** Other weights than the usual ones, by plugin. */
  weights?: Readonly<Record<string, number>>;
}

export const DEFAULT_PROFILE: SchedulerProfile = { schedulerName: "default-scheduler" };

/** Cheap filters first: what turns down most nodes at least cost. */
const STATELESS: readonly Plugin[] = [
  nodeUnschedulable,
  nodeName,
  taintToleration,
  nodeAffinity,
  nodePorts,
  resourcesFit,
  topologySpread,
  interPodAffinity,
];

const SCORING: readonly Plugin[] = [balancedAllocation, imageLocality];

/** The names of the plugins that are made with a client or informers. */
const STATEFUL = ["VolumeRestrictions", "VolumeBinding", "DynamicResources"];

/** Fails with `UnknownPlugin` when the profile names a plugin that does not exist. */
export function checkProfile({ disabled = [], weights = {} }: SchedulerProfile): void {
  const known = [...[...STATELESS, ...SCORING].map((plugin) => plugin.name), ...STATEFUL];
  for (const name of [...disabled, ...Object.keys(weights)]) {
    if (known.includes(name)) continue;
    const message = `no plugin is named "${name}"; there are: ${known.join(", ")}`;
    throw new CodedError("UnknownPlugin", message);
  }
}

/** The plugins of a profile in their order. */
export function pluginsOf(profile: SchedulerProfile, stateful: readonly Plugin[]): Plugin[] {
  const { disabled = [], weights = {} } = profile;
  return [...STATELESS, ...stateful, ...SCORING]
    .filter((plugin) => !disabled.includes(plugin.name))
    .map((plugin) => ({ ...plugin, weight: weights[plugin.name] ?? plugin.weight }));
}
