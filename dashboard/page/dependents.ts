import type { ObjectMeta } from "@raft2kube/api/gen/meta/v1.ts";
import { KubeError } from "@raft2kube/client-kube/errors.ts";
import { canDo } from "@raft2kube/client-kube/rest/discovery.ts";
import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import { ownedBy } from "@raft2kube/explain/timeline.ts";
import { type AnyObject, resource } from "./api.ts";
import { isOf, type Kind, type Target } from "./kinds.ts";

type Listed = { kind: Kind; items: { metadata: ObjectMeta }[]; more: boolean };
type Found = { listed: readonly Listed[]; unseen: readonly Kind[] };

const OBJECTS_MAX = 2_000;
const AT_ONCE = 6;
const LINES_MAX = 200;
/** Kinds that a server deletes by itself after a time. */
const isLeftOut = isOf("events", "events.events.k8s.io");
const isDefinition = isOf("customresourcedefinitions.apiextensions.k8s.io");

/** Lists, in lines, the objects that go with a deleted one, and kinds that may not be listed. */
export async function dependents({ kind, kinds, object }: Target): Promise<string[]> {
  const { name, namespace } = object.metadata;
  const own = `${kind.kind} ${name}`;
  if (isDefinition({ kind })) {
    const custom = kinds.filter((each) => groupResourceOf(each) === name);
    return [own, ...counts(await listAll(custom, undefined))];
  }
  const isNamespace = isOf("namespaces")({ kind });
  const within = isNamespace ? name : namespace;
  if (within === undefined) return [own];
  const wanted = kinds.filter(
    (each) => each.namespaced && canDo(each, "delete") && !isLeftOut({ kind: each }),
  );
  const found = await listAll(wanted, within);
  return [own, ...(isNamespace ? counts(found) : owned(object, found))];
}

/** Objects that name the given one, or one that names it, as their owner. */
function owned(object: AnyObject, { listed, unseen }: Found): string[] {
  const all = listed.flatMap(({ kind: { kind }, items }) =>
    items.map(({ metadata }) => ({ kind, metadata })),
  );
  const gone = ownedBy(object, all).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
  const more = gone.length - LINES_MAX;
  const partly = listed.filter((each) => each.more);
  return [
    ...gone.slice(0, LINES_MAX),
    ...(more > 0 ? [`and ${more} more`] : []),
    ...notes(unseen),
    ...partly.map(({ kind }) => `only ${OBJECTS_MAX} of ${kind.kind} were looked at`),
  ];
}

const counts = ({ listed, unseen }: Found) => [
  ...listed
    .filter(({ items }) => items.length > 0)
    .map(({ kind, items, more }) => `${items.length}${more ? " or more" : ""} of ${kind.kind}`),
  ...notes(unseen),
];

const notes = (unseen: readonly Kind[]) =>
  unseen.length > 0
    ? [`perhaps more, which you may not list: ${unseen.map(groupResourceOf).join(", ")}`]
    : [];

async function listAll(kinds: readonly Kind[], namespace: string | undefined): Promise<Found> {
  const [listed, unseen]: [Listed[], Kind[]] = [[], []];
  const waiting = [...kinds];
  const work = async () => {
    for (let kind = waiting.shift(); kind; kind = waiting.shift()) {
      try {
        const options = { namespace, limit: OBJECTS_MAX, metadataOnly: true };
        const { items, metadata } = await resource(kind).list(options);
        listed.push({ kind, items, more: Boolean(metadata.continue) });
      } catch (thrown) {
        if (!(thrown instanceof KubeError) || thrown.http === 502) throw thrown;
        unseen.push(kind);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { listed, unseen };
}
