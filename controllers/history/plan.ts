import { defaultTemplate } from "@raft2kube/api/apps/v1/workload.ts";
import type { ControllerRevision } from "@raft2kube/api/gen/apps/v1.ts";
import type { PodTemplateSpec } from "@raft2kube/api/gen/core/v1.ts";
import { goJson, sortedJson } from "@raft2kube/std/go-json.ts";
import { compareTexts } from "@raft2kube/std/text.ts";
import { canonicalDigest, digestedOnce, safeName } from "../pod-template.ts";

/** The label of a pod that names the revision it was made from. */
export const POD_REVISION = "controller-revision-hash";

/** A revision's data: a strategic merge patch that restores the whole template. */
export interface RevisionData {
  spec: { template: PodTemplateSpec & { $patch?: "replace" } };
}

/** The revision of a template among those that there are. */
export interface RevisionPlan {
  /** The revision with the template. Undefined: it must be created. */
  current: ControllerRevision | undefined;
  /** The number that it is to have, greater than those of all others. */
  number: number;
  /** All others, oldest first. */
  old: ControllerRevision[];
  /** Further ones that hold the template, which only manual changes make. */
  duplicates: ControllerRevision[];
}

/** Finds the revision of a template. A template that is back gets its old one with a new number. */
export function planRevision(
  template: PodTemplateSpec,
  revisions: readonly ControllerRevision[],
): RevisionPlan {
  const sorted = [...revisions].sort(byRevision);
  const wanted = digestOf(template);
  const equal = sorted.filter((each) => heldBy(each) === wanted);
  const newest = sorted.at(-1);
  if (equal.length === 0 && newest && holdsWithDefaults(newest, wanted)) equal.push(newest);
  const current = equal.pop();
  const old = sorted.filter((each) => each !== current && !equal.includes(each));
  const greatest = old.at(-1)?.revision ?? 0;
  const number = current && current.revision > greatest ? current.revision : greatest + 1;
  return { current, number, old, duplicates: equal };
}

/** The template of a revision. Undefined: its data has none (an orphan made by other hands). */
export function templateOf(revision: ControllerRevision): PodTemplateSpec | undefined {
  const data = revision.data as unknown as { spec?: Partial<RevisionData["spec"]> | null } | null;
  const held: unknown = data?.spec?.template;
  if (typeof held !== "object" || held === null || Array.isArray(held)) return undefined;
  const { $patch: _replace, ...template } = held as RevisionData["spec"]["template"];
  return template;
}

/** Returns the data of a template's revision, with its keys in upstream's order. */
export function dataOf(template: PodTemplateSpec): RevisionData {
  const data = { spec: { template: { ...template, $patch: "replace" } } };
  return JSON.parse(sortedJson(data)) as RevisionData;
}

/**
 * Upstream's hash of a revision's data (HashControllerRevision): FNV-1 (32 bits) over its JSON as
 * Go writes it, and the collision count.
 */
export function dataHash(data: RevisionData, collisionCount: number): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${goJson(data)}${collisionCount}`)) {
    hash = (Math.imul(hash, 0x01000193) ^ byte) >>> 0;
  }
  return safeName(hash);
}

/** Oldest first. */
export function byRevision(a: ControllerRevision, b: ControllerRevision): number {
  const created = ({ metadata }: ControllerRevision) => metadata.creationTimestamp ?? "";
  const name = ({ metadata }: ControllerRevision) => metadata.name ?? "";
  return (
    a.revision - b.revision ||
    compareTexts(created(a), created(b)) ||
    compareTexts(name(a), name(b))
  );
}

const digestOf = digestedOnce((template: PodTemplateSpec) => template);

/** The digest of a revision's template; one without a template has that of none. */
const heldBy = digestedOnce((revision: ControllerRevision) => templateOf(revision) ?? null);

/** Digests the templates of revisions, one in a step, so that comparing them takes no time. */
export function* digestRevisions(revisions: readonly ControllerRevision[]): Generator<void, void> {
  for (const revision of revisions) {
    heldBy(revision);
    yield;
  }
}

/** Whether a revision differs only by defaults that a later version has added. */
function holdsWithDefaults(revision: ControllerRevision, wanted: string): boolean {
  const template = structuredClone(templateOf(revision));
  if (!template) return false;
  defaultTemplate(template);
  return canonicalDigest(template) === wanted;
}
