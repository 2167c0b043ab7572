import type { Deployment, ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { PodTemplateSpec } from "@raft2kube/api/gen/core/v1.ts";

/** The label that tells the pods and ReplicaSets of one template from those of another. */
export const TEMPLATE_HASH = "pod-template-hash";

/** Upstream's alphabet of name parts: no vowels, so that no words come out. */
const SAFE_LETTERS = "bcdfghjklmnpqrstvwxz2456789";

/**
 * The value of the hash label: FNV-1a (32 bits) over the template's canonical JSON and the
 * collision count, in upstream's letters. Upstream hashes a dump of Go structures, which nobody can
 * compare with.
 */
export function templateHash(template: PodTemplateSpec, collisionCount = 0): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${canonicalJson(template)}#${collisionCount}`)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  const letter = (digit: string) => SAFE_LETTERS[digit.charCodeAt(0) % SAFE_LETTERS.length] ?? "";
  return [...String(hash)].map(letter).join("");
}

/** Whether two templates describe the same pods, their hash labels apart. */
export function sameTemplate(a: PodTemplateSpec = {}, b: PodTemplateSpec = {}): boolean {
  return canonicalJson(withoutHash(a)) === canonicalJson(withoutHash(b));
}

/** The oldest ReplicaSet of a deployment's own template. Two are possible only by hand. */
export function newReplicaSetOf(
  deployment: Deployment,
  replicaSets: readonly ReplicaSet[],
): ReplicaSet | undefined {
  return [...replicaSets]
    .sort(byCreation)
    .find((set) => sameTemplate(set.spec.template, deployment.spec.template));
}

/** Oldest first; by name where the creation's second is the same. */
export function byCreation(a: ReplicaSet, b: ReplicaSet): number {
  const created = (set: ReplicaSet) => set.metadata.creationTimestamp ?? "";
  return compareText(created(a), created(b)) || compareText(nameOfSet(a), nameOfSet(b));
}

function nameOfSet(set: ReplicaSet): string {
  return set.metadata.name ?? "";
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function withoutHash(template: PodTemplateSpec): PodTemplateSpec {
  const labels = { ...template.metadata?.labels };
  delete labels[TEMPLATE_HASH];
  return { ...template, metadata: { ...template.metadata, labels } };
}

/** JSON with keys in order; absent, null and empty collections are the same, as for upstream. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    const entries = Object.entries(part).filter(([key, item]) => !isNothing(key, item));
    return Object.fromEntries(entries.sort(([a], [b]) => compareText(a, b)));
  });
}

/**
 * Fields that are maps: empty means absent. Other empty objects (`emptyDir: {}`) mean something.
 */
const MAPS = new Set([
  "labels",
  "annotations",
  "nodeSelector",
  "limits",
  "requests",
  "matchLabels",
]);

function isNothing(key: string, value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (Array.isArray(value)) return value.length === 0;
  return MAPS.has(key) && typeof value === "object" && Object.keys(value).length === 0;
}
