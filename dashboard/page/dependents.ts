import type { ObjectMeta } from "@raft2kube/api/gen/meta/v1.ts";
import { KubeError } from "@raft2kube/client-kube/errors.ts";
import { canDo } from "@raft2kube/client-kube/rest/discovery.ts";
import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import { ownedBy } from "@raft2kube/explain/timeline.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { resource } from "./api.ts";
import { mapAtOnce } from "./at-once.ts";
import { isOf, type Kind, type Target } from "./kinds.ts";

/** The objects of a kind; undefined where they could not be listed. */
type Listed = { kind: Kind; items: { metadata: ObjectMeta }[] | undefined; more: boolean };

const OBJECTS_MAX = 2_000;
const LINES_MAX = 200;
/** Kinds that are listed at a time. */
const LISTS_MAX = 6;
/** Kinds that a server deletes by itself after a time. */
const isLeftOut = isOf("events", "events.events.k8s.io");
const isDefinition = isOf("customresourcedefinitions.apiextensions.k8s.io");

/** Lists, in lines, the objects that go with a deleted one, and kinds that were not listed. */
export async function dependents({ kind, kinds, object }: Target): Promise<string[]> {
  const { name, namespace } = object.metadata;
  const own = `${kind.kind} ${name}`;
  const isWhole = isDefinition({ kind }) || isOf("namespaces")({ kind });
  const within = isWhole ? name : namespace;
  if (within === undefined) return [own];
  const wanted = kinds.filter((each) =>
    isDefinition({ kind })
      ? groupResourceOf(each) === name
      : each.namespaced && canDo(each, "delete") && !isLeftOut({ kind: each }),
  );
  const found = await mapAtOnce(LISTS_MAX, wanted, (each) =>
    listed(each, isDefinition({ kind }) ? undefined : within),
  );
  const unseen = found.filter(({ items }) => !items).map((each) => groupResourceOf(each.kind));
  return [
    own,
    ...(isWhole ? found.flatMap(counted) : owned(object, found)),
    ...(unseen.length > 0 ? [`perhaps more, which could not be listed: ${unseen.join(", ")}`] : []),
  ];
}

const counted = ({ kind: { kind }, items = [], more }: Listed) =>
  items.length > 0 ? [`${items.length}${more ? " or more" : ""} of ${kind}`] : [];

/** Objects that name the given one, or one that names it, as their owner. */
function owned(object: Target["object"], found: readonly Listed[]): string[] {
  const all = found.flatMap(({ kind: { kind }, items = [] }) =>
    items.map(({ metadata }) => ({ kind, metadata })),
  );
  const gone = ownedBy(object, all).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
  const rest = gone.length - LINES_MAX;
  const partly = found.filter(({ more }) => more);
  return [
    ...gone.slice(0, LINES_MAX),
    ...(rest > 0 ? [`and ${rest} more`] : []),
    ...partly.map(({ kind: { kind } }) => `only ${OBJECTS_MAX} of ${kind} were looked at`),
  ];
}

async function listed(kind: Kind, namespace: string | undefined): Promise<Listed> {
  const options = { namespace, limit: OBJECTS_MAX, metadataOnly: true };
  const isUnseen = (thrown: unknown) =>
    thrown instanceof KubeError && thrown.http !== 429 && thrown.http !== 502;
  const list = await tolerate(resource(kind).list(options), isUnseen);
  return { kind, items: list?.items, more: Boolean(list?.metadata.continue) };
}
