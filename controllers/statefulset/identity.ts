import type { StatefulSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { POD_REVISION } from "../history/plan.ts";
import { podFromTemplate } from "../pod-control.ts";

export const STATEFUL_SET_TYPE = { apiVersion: "apps/v1", kind: "StatefulSet" };
const POD_NAME = "statefulset.kubernetes.io/pod-name";
const POD_INDEX = "apps.kubernetes.io/pod-index";
/** Start and count are each below 2^31, and nothing bounds their sum (upstream's validation). */
const ORDINAL_MAX = 2 * (2 ** 31 - 1);

/** The ordinals of a set: `count` from `start` on. */
export function ordinalsOf({ spec }: StatefulSet): { start: number; count: number } {
  return { start: spec.ordinals?.start ?? 0, count: spec.replicas ?? 1 };
}

/** The ordinal in the name of a pod of this set; undefined for any other pod. */
export function ordinalOf({ metadata: { name = "" } }: StatefulSet, pod: Pod): number | undefined {
  const own = pod.metadata.name ?? "";
  if (!own.startsWith(name) || own[name.length] !== "-") return undefined;
  const digits = own.slice(name.length + 1);
  const ordinal = /^\d+$/.test(digits) ? Number(digits) : NaN;
  return ordinal <= ORDINAL_MAX ? ordinal : undefined;
}

/** Whether the set has a pod of this ordinal. */
export function isWanted(set: StatefulSet, ordinal: number): boolean {
  const { start, count } = ordinalsOf(set);
  return ordinal >= start && ordinal < start + count;
}

/** The name of the revision that a pod was made from. */
export const revisionOf = ({ metadata }: Pod): string => metadata.labels?.[POD_REVISION] ?? "";

/** The pod of an ordinal, by the template of `set`, of the revision of this name. */
export function podOf(set: StatefulSet, ordinal: number, revision: string): Pod {
  const pod = podFromTemplate(set, STATEFUL_SET_TYPE, set.spec.template);
  const name = `${set.metadata.name}-${ordinal}`;
  delete pod.metadata.generateName;
  pod.metadata.name = name;
  pod.metadata.labels = { ...pod.metadata.labels, [POD_REVISION]: revision };
  const { serviceName } = set.spec;
  // Those of the template have no rules, so that a pod with them could be refused.
  const { subdomain: _subdomain, ...spec } = pod.spec;
  pod.spec = { ...spec, hostname: name, ...(serviceName && { subdomain: serviceName }) };
  return withIdentity(set, pod, ordinal);
}

/** The pod with the labels and the volumes of its ordinal. */
export function withIdentity(set: StatefulSet, pod: Pod, ordinal: number): Pod {
  const labels = {
    ...pod.metadata.labels,
    [POD_NAME]: pod.metadata.name ?? "",
    [POD_INDEX]: String(ordinal),
  };
  const claims = (set.spec.volumeClaimTemplates ?? []).map(({ metadata: { name = "" } }) => ({
    name,
    persistentVolumeClaim: { claimName: claimName(set, name, ordinal) },
  }));
  const taken = new Set(claims.map(({ name }) => name));
  const own = pod.spec.volumes?.filter(({ name }) => !taken.has(name));
  const volumes = [...claims, ...(own ?? [])];
  return {
    ...pod,
    metadata: { ...pod.metadata, labels },
    spec: { ...pod.spec, ...(volumes.length > 0 && { volumes }) },
  };
}

/** Whether a pod has the label and the volumes of its ordinal. */
export function hasIdentity(set: StatefulSet, pod: Pod, ordinal: number): boolean {
  if (pod.metadata.labels?.[POD_NAME] !== pod.metadata.name) return false;
  const volumes = new Map(pod.spec.volumes?.map((each) => [each.name, each]));
  return (set.spec.volumeClaimTemplates ?? []).every(({ metadata: { name = "" } }) => {
    const volume = volumes.get(name);
    return volume?.persistentVolumeClaim?.claimName === claimName(set, name, ordinal);
  });
}

function claimName(set: StatefulSet, template: string, ordinal: number): string {
  return `${template}-${set.metadata.name}-${ordinal}`;
}

/** The template and the set that a claim's name may mean: each of them may have dashes. */
export function* claimParts(name: string): Generator<[template: string, set: string]> {
  const whole = name.slice(0, Math.max(0, name.lastIndexOf("-")));
  for (let at = whole.indexOf("-"); at >= 0; at = whole.indexOf("-", at + 1)) {
    yield [whole.slice(0, at), whole.slice(at + 1)];
  }
}

/** The names of an ordinal's claims, in the order of the templates. */
export function claimNamesOf(set: StatefulSet, ordinal: number): string[] {
  return (set.spec.volumeClaimTemplates ?? []).map(({ metadata: { name = "" } }) =>
    claimName(set, name, ordinal),
  );
}

/**
 * The claims of an ordinal, as the templates describe them. Each is made when it is asked for: it
 * has all labels of the set, so all of them together can be a thousand times the set's size.
 */
export function* claimsOf(set: StatefulSet, ordinal: number): Generator<PersistentVolumeClaim> {
  for (const template of set.spec.volumeClaimTemplates ?? []) {
    const { metadata, spec } = structuredClone(template);
    yield {
      metadata: {
        ...metadata,
        namespace: set.metadata.namespace,
        name: claimName(set, metadata.name ?? "", ordinal),
        labels: { ...metadata.labels, ...set.spec.selector.matchLabels },
      },
      spec,
    };
  }
}
