/** The usage of one object in a namespace's ResourceQuotas, by the quotas' names. */
import { compareQuantity, wholeQuantity } from "@raft2kube/std/quantity.ts";
import type { PersistentVolumeClaim, Pod, Service } from "../../../gen/core/v1.ts";
import type { GroupVersionKind, KubeObject } from "../../../kind.ts";
import { type Amounts, addAmounts, podAmounts, resizedSpec } from "../pod/amounts.ts";
import { isMadeByNode } from "../pod/mirror.ts";

/** A resource by the words of its URL. */
export interface Counted extends Pick<GroupVersionKind, "group"> {
  readonly plural: string;
}

/** Kinds of the core group that quotas also count by their bare name. */
const BARE = new Set([
  "configmaps",
  "persistentvolumeclaims",
  "pods",
  "replicationcontrollers",
  "resourcequotas",
  "secrets",
  "services",
]);

/** Resources of pods without a prefix: their requests. */
const PLAIN = /^(cpu|memory|ephemeral-storage)$/;

/** The name by which objects of a resource are counted: `count/deployments.apps`. */
export function countName({ group, plural }: Counted): string {
  return `count/${plural}${group === "" ? "" : `.${group}`}`;
}

/**
 * The usage of one object at a time; a pod that has ended, or should have by its deletion, counts
 * only as an object, and one that a node made for itself not at all (not upstream): else a stolen
 * node uses up the quota of any namespace.
 */
export function usageOf(counted: Counted, object: KubeObject, now_ms: number): Amounts {
  if (counted.group === "" && counted.plural === "pods" && isMadeByNode(object as Pod)) return {};
  const usage: Amounts = { [countName(counted)]: "1" };
  if (counted.group !== "" || !BARE.has(counted.plural)) return usage;
  if (counted.plural === "pods") {
    return now_ms > chargedUntil(object as Pod)
      ? usage
      : { ...usage, ...usageOfPod(object as Pod) };
  }
  usage[counted.plural] = "1";
  if (counted.plural === "services") Object.assign(usage, usageOfService(object as Service));
  if (counted.plural === "persistentvolumeclaims") {
    Object.assign(usage, usageOfClaim(object as PersistentVolumeClaim));
  }
  return usage;
}

/**
 * The last moment at which a pod uses what it requests. A pod that stays in deletion, on a node
 * that is gone, is not charged for after its grace period: its replacement is.
 */
export function chargedUntil({ metadata, status }: Pod): number {
  if (status?.phase === "Succeeded" || status?.phase === "Failed") return 0;
  const { deletionTimestamp, deletionGracePeriodSeconds: grace_s } = metadata ?? {};
  if (!deletionTimestamp || grace_s === undefined) return Number.POSITIVE_INFINITY;
  return Date.parse(deletionTimestamp) + grace_s * 1000;
}

function usageOfPod(pod: Pod): Amounts {
  const usage: Amounts = { pods: "1" };
  const spec = resizedSpec(pod);
  for (const which of ["requests", "limits"] as const) {
    const amounts = podAmounts(spec, which);
    if (which === "requests" || Object.keys(amounts).length > 0) addAmounts(amounts, spec.overhead);
    for (const [name, amount] of Object.entries(amounts)) {
      usage[`${which}.${name}`] = amount;
      if (which === "requests" && (PLAIN.test(name) || name.startsWith("hugepages-"))) {
        usage[name] = amount;
      }
    }
  }
  return usage;
}

function usageOfService({ spec = {} }: Service): Amounts {
  const { type, ports = [], allocateLoadBalancerNodePorts = true } = spec;
  const balanced = type === "LoadBalancer";
  const open =
    balanced && !allocateLoadBalancerNodePorts ? ports.filter(({ nodePort }) => nodePort) : ports;
  return {
    "services.loadbalancers": balanced ? "1" : "0",
    "services.nodeports": balanced || type === "NodePort" ? String(open.length) : "0",
  };
}

function usageOfClaim(claim: PersistentVolumeClaim): Amounts {
  const { spec = {} } = claim;
  const storage = storageOf(claim);
  const of = spec.storageClassName;
  const prefix = of ? `${of}.storageclass.storage.k8s.io` : undefined;
  return {
    ...(prefix ? { [`${prefix}/persistentvolumeclaims`]: "1" } : {}),
    ...(storage ? { "requests.storage": storage } : {}),
    ...(prefix && storage ? { [`${prefix}/requests.storage`]: storage } : {}),
  };
}

/**
 * The whole bytes that a claim requests, or those that an expansion allocated to it before, if they
 * are more (upstream's RecoverVolumeExpansionFailure).
 */
function storageOf({ spec, status }: PersistentVolumeClaim): string | undefined {
  const wanted = spec?.resources?.requests?.["storage"];
  if (!wanted) return undefined;
  const allocated = status?.allocatedResources?.["storage"];
  return wholeQuantity(allocated && compareQuantity(allocated, wanted) > 0 ? allocated : wanted);
}
