import { isDeepStrictEqual } from "node:util";
import type { ControllerRevision } from "@raft2kube/api/gen/apps/v1.ts";
import type { PodTemplateSpec } from "@raft2kube/api/gen/core/v1.ts";
import { isAlreadyExists, undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { type KubeObject, keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerReference } from "@raft2kube/client-kube/object/owner.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import type { OwnerType } from "../pod-control.ts";
import type { WriteTracker } from "../write-tracker.ts";
import { dataOf, type RevisionData, type RevisionPlan } from "./plan.ts";

/** Characters of an owner's name in the name of its revision (upstream's bound). */
const PREFIX_MAX = 223;

/** The parts that keep revisions. */
export interface HistoryControl<C extends KubeObject> {
  type: OwnerType;
  revisions: ResourceClient<ControllerRevision>;
  written: WriteTracker;
  /** The hash in the name of a revision. */
  hashOf(template: PodTemplateSpec, data: RevisionData, collisionCount: number): string;
  /** The label that carries the hash. */
  hashLabel: string;
  annotationsOf?(owner: C): Record<string, string> | undefined;
}

/** The revision of an owner's template, made or numbered as planned, and its collisions so far. */
export type CurrentRevision = { current: ControllerRevision; collisionCount: number };

/**
 * Brings the revision of the template to the server. A name that is taken by other data counts a
 * collision, and the next one is tried.
 */
export async function keepRevision<C extends KubeObject>(
  control: HistoryControl<C>,
  owner: C,
  template: PodTemplateSpec,
  plan: RevisionPlan,
  collisionCount: number,
): Promise<CurrentRevision> {
  const { current, number } = plan;
  const { revisions, written } = control;
  if (!current) return createRevision(control, owner, template, number, collisionCount);
  if (current.revision === number) return { current, collisionCount };
  const renumbered = await revisions.update({ ...current, revision: number });
  written.wrote(keyOf(owner), renumbered);
  return { current: renumbered, collisionCount };
}

async function createRevision<C extends KubeObject>(
  control: HistoryControl<C>,
  owner: C,
  template: PodTemplateSpec,
  number: number,
  collisions: number,
): Promise<CurrentRevision> {
  const data = dataOf(template);
  for (let collisionCount = collisions; ; collisionCount++) {
    const hash = control.hashOf(template, data, collisionCount);
    const revision: ControllerRevision = {
      metadata: {
        namespace: owner.metadata.namespace,
        name: `${(owner.metadata.name ?? "").slice(0, PREFIX_MAX)}-${hash}`,
        labels: { ...template.metadata?.labels, [control.hashLabel]: hash },
        annotations: control.annotationsOf?.(owner) ?? owner.metadata.annotations,
        ownerReferences: [controllerReference(owner, control.type)],
      },
      data: data as unknown as ControllerRevision["data"],
      revision: number,
    };
    const current = await createOrFind(control, revision);
    if (!current) continue;
    control.written.wrote(keyOf(owner), current);
    return { current, collisionCount };
  }
}

/** Creates a revision, or finds it; undefined when the name is that of another revision. */
async function createOrFind<C extends KubeObject>(
  { revisions }: HistoryControl<C>,
  revision: ControllerRevision,
): Promise<ControllerRevision | undefined> {
  try {
    return await revisions.create(revision);
  } catch (thrown) {
    if (!isAlreadyExists(thrown)) throw thrown;
  }
  const existing = await revisions.get(nameOf(revision));
  return isDeepStrictEqual(existing.data, revision.data) ? existing : undefined;
}

/** Deletes revisions that are no longer needed. */
export async function deleteRevisions<C extends KubeObject>(
  { revisions, written }: HistoryControl<C>,
  owner: C,
  surplus: readonly ControllerRevision[],
): Promise<void> {
  for (const revision of surplus) {
    const { uid } = revision.metadata;
    await undefinedIfNotFound(revisions.delete(nameOf(revision), { preconditions: { uid } }));
    written.removed(keyOf(owner), revision);
  }
}
