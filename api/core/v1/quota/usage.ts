/** The usage of one object in a namespace's ResourceQuotas, by the quotas' names. */
import type { PersistentVolumeClaim, Pod, Service } from "../../../gen/core/v1.ts";
import type { GroupVersionKind, KubeObject } from "../../../kind.ts";
import { type Amounts, addAmounts, podAmounts, resizedSpec } from "../pod/amounts.ts";

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

/** The usage of one object; a pod that has ended counts only as an object. */
export function usageOf(counted: Counted, object: KubeObject): Amounts {
  const usage: Amounts = { [countName(counted)]: "1" };
  if (counted.group !== "" || !BARE.has(counted.plural)) return usage;
  if (counted.plural === "pods") return { ...usage, ...usageOfPod(object as Pod) };
  usage[counted.plural] = "1";
  if (counted.plural === "services") Object.assign(usage, usageOfService(object as Service));
  if (counted.plural === "persistentvolumeclaims") {
    Object.assign(usage, usageOfClaim(object as PersistentVolumeClaim));
  }
  return usage;
}

function usageOfPod(pod: Pod): Amounts {
  if (pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed") return {};
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
  const opened = type === "NodePort" || (balanced && allocateLoadBalancerNodePorts);
  return {
    "services.loadbalancers": balanced ? "1" : "0",
    "services.nodeports": opened ? String(ports.length) : "0",
  };
}

function usageOfClaim({ spec = {} }: PersistentVolumeClaim): Amounts {
  const storage = spec.resources?.requests?.["storage"];
  const of = spec.storageClassName;
  const prefix = of ? `${of}.storageclass.storage.k8s.io` : undefined;
  return {
    ...(prefix ? { [`${prefix}/persistentvolumeclaims`]: "1" } : {}),
    ...(storage ? { "requests.storage": storage } : {}),
    ...(prefix && storage ? { [`${prefix}/requests.storage`]: storage } : {}),
  };
}
