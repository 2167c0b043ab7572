import type { PodTemplateSpec } from "@raft2kube/api/gen/core/v1.ts";
import { digest } from "@raft2kube/std/digest.ts";
import { compareTexts } from "@raft2kube/std/text.ts";

/** Upstream's alphabet of name parts: no vowels, so that no words come out. */
const SAFE_LETTERS = "bcdfghjklmnpqrstvwxz2456789";

/** A number in upstream's letters, safe in names and labels (SafeEncodeString). */
export function safeName(hash: number): string {
  const letter = (digit: string) => SAFE_LETTERS[digit.charCodeAt(0) % SAFE_LETTERS.length] ?? "";
  return [...String(hash)].map(letter).join("");
}

/**
 * The value of a hash label: FNV-1a (32 bits) over the template's canonical JSON and the collision
 * count. Upstream hashes a dump of Go structures, which cannot be reproduced here.
 */
export function templateHash(template: PodTemplateSpec, collisionCount = 0): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${canonicalJson(template)}#${collisionCount}`)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return safeName(hash);
}

/** JSON with keys in order; absent, null and empty collections are the same, as for upstream. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    const entries = Object.entries(part).filter(([key, item]) => !isNothing(key, item));
    return Object.fromEntries(entries.sort(([a], [b]) => compareTexts(a, b)));
  });
}

/** The digest of a value's canonical JSON: the values are the same if theirs are. */
export const canonicalDigest = (value: unknown): string => digest(canonicalJson(value));

/**
 * Returns a function for the digest of a part of an object, which is computed once for each object,
 * as those of an informer do not change. A workload's template is compared with all of its history
 * at each sync, and each of them may have 100,000 values.
 */
export function digestedOnce<T extends object>(
  partOf: (object: T) => unknown,
): (object: T) => string {
  const known = new WeakMap<T, string>();
  return (object) => {
    const found = known.get(object) ?? canonicalDigest(partOf(object));
    known.set(object, found);
    return found;
  };
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
