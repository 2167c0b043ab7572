import { CodedError } from "@raft2kube/std/errors.ts";
import { Framework, type PointTimer } from "./framework/framework.ts";
import type { Plugin } from "./framework/plugin.ts";
import { tracedPlugin } from "./framework/traced.ts";
import { balancedAllocation } from "./plugins/balanced-allocation.ts";
import { imageLocality } from "./plugins/image-locality.ts";
import { interPodAffinity } from "./plugins/inter-pod-affinity.ts";
import { nodeAffinity } from "./plugins/node-affinity.ts";
import { nodeName } from "./plugins/node-name.ts";
import { nodePorts } from "./plugins/node-ports.ts";
import { nodeUnschedulable } from "./plugins/node-unschedulable.ts";
import { nodeUserNamespaces } from "./plugins/node-user-namespaces.ts";
import { resourcesFit } from "./plugins/resources-fit.ts";
import { taintToleration } from "./plugins/taint-toleration.ts";

/** Plugin configuration for the pods that name the profile in `schedulerName`. */
export interface SchedulerProfile {
  schedulerName: string;
  /** Names of plugins that are left out. */
  disabled?: readonly string[];
  /** Weights that replace the default ones, by name of a score plugin. */
  weights?: Readonly<Record<string, number>>;
}

export const DEFAULT_PROFILE: SchedulerProfile = { schedulerName: "default-scheduler" };

/**
 * Plugins without state, in the order of their filters: the cheap ones that reject most nodes
 * first.
 */
const STATELESS: readonly Plugin[] = [
  nodeUnschedulable,
  nodeName,
  nodeUserNamespaces,
  taintToleration,
  nodeAffinity,
  nodePorts,
  resourcesFit,
  interPodAffinity,
];

const SCORING: readonly Plugin[] = [balancedAllocation, imageLocality];

/** The name of the only bind plugin, without which no pod could be bound. */
const BINDER = "DefaultBinder";

/** Names of the plugins that are made with a client or informers. */
const STATEFUL = [
  "PodTopologySpread",
  "VolumeRestrictions",
  "NodeVolumeLimits",
  "VolumeBinding",
  "VolumeZone",
  "DynamicResources",
  "DefaultPreemption",
  BINDER,
];

/**
 * Fails with `UnknownPlugin` if the profile names a plugin that does not exist, and with
 * `NoBindPlugin` if it disables the only bind plugin.
 */
export function checkProfile({ disabled = [], weights = {} }: SchedulerProfile): void {
  const known = [...[...STATELESS, ...SCORING].map((plugin) => plugin.name), ...STATEFUL];
  for (const name of [...disabled, ...Object.keys(weights)]) {
    if (known.includes(name)) continue;
    const message = `no plugin is named "${name}"; there are: ${known.join(", ")}`;
    throw new CodedError("UnknownPlugin", message);
  }
  if (disabled.includes(BINDER)) {
    throw new CodedError("NoBindPlugin", `a profile needs a bind plugin: enable ${BINDER}`);
  }
}

/**
 * Makes the framework of a profile. `stateful` are the plugins with a client or informers; `wrap`
 * may replace plugins, and gets the profile's weight.
 */
export function frameworkOf(
  profile: SchedulerProfile,
  stateful: readonly Plugin[],
  timed?: PointTimer,
  wrap: (plugin: Plugin, weight?: number) => Plugin = (plugin) => plugin,
): Framework {
  const { disabled = [], weights } = profile;
  const plugins = [...STATELESS, ...stateful, ...SCORING]
    .filter(({ name }) => !disabled.includes(name))
    .map((plugin) => wrap(plugin, weights?.[plugin.name]));
  return new Framework(plugins, weights, timed);
}

/** Makes the frameworks of several profiles, by schedulerName. */
export function frameworksOf(
  profiles: readonly SchedulerProfile[],
  stateful: readonly Plugin[],
  timer: (schedulerName: string) => PointTimer,
  isTraced = false,
): ReadonlyMap<string, Framework> {
  return new Map(
    profiles.map((one) => {
      const name = one.schedulerName;
      return [name, frameworkOf(one, stateful, timer(name), isTraced ? tracedPlugin : undefined)];
    }),
  );
}
