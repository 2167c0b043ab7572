import { type AnyObject, ApiError, get } from "./api.ts";
import { type Kind, keyOf, pathOf, type Target } from "./kinds.ts";

type Named = Pick<AnyObject, "metadata">;
type Listed = { kind: Kind; items: Named[]; more: boolean };

const ACCEPT = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
const OBJECTS_MAX = 2_000;
const AT_ONCE = 6;
const LINES_MAX = 200;
/** Kinds that a server deletes by itself after a time. */
const LEFT_OUT = ["events", "events.events.k8s.io"];

/** Lists, in lines, the objects that go with a deleted one, and kinds that may not be listed. */
export async function dependents({ kind, kinds, object }: Target): Promise<string[]> {
  const { name, namespace } = object.metadata;
  const key = keyOf(kind);
  const within = key === "namespaces" ? name : namespace;
  const own = [`${kind.kind} ${name}`];
  if (key === "customresourcedefinitions.apiextensions.k8s.io") {
    const custom = kinds.find((each) => keyOf(each) === name);
    return [...own, ...(custom ? counts(await listAll([custom], undefined)) : [])];
  }
  if (within === undefined) return own;
  const wanted = kinds.filter(
    (each) => each.namespaced && each.verbs.includes("delete") && !LEFT_OUT.includes(keyOf(each)),
  );
  const { listed, unseen } = await listAll(wanted, within);
  if (key === "namespaces") return [...own, ...counts({ listed, unseen })];
  return [...own, ...owned(object, listed), ...notes(unseen, listed)];
}

/** Objects that name the given one, or one that names it, as their owner. */
function owned({ metadata: { uid = "" } }: AnyObject, listed: readonly Listed[]): string[] {
  const gone = new Map([[uid, 0]]);
  const lines: string[] = [];
  for (let before = 0; before !== gone.size; ) {
    before = gone.size;
    for (const { kind, items } of listed) {
      for (const { metadata } of items) {
        const owner = metadata.ownerReferences?.find((each) => gone.has(each.uid));
        if (!owner || !metadata.uid || gone.has(metadata.uid)) continue;
        const depth = gone.get(owner.uid)! + 1;
        gone.set(metadata.uid, depth);
        if (lines.length < LINES_MAX) lines.push(`${kind.kind} ${metadata.name}`);
      }
    }
  }
  const more = gone.size - 1 - lines.length;
  return more > 0 ? [...lines, `and ${more} more`] : lines;
}

const counts = ({ listed, unseen }: Awaited<ReturnType<typeof listAll>>) => [
  ...listed
    .filter(({ items }) => items.length > 0)
    .map(({ kind, items, more }) => `${items.length}${more ? " or more" : ""} of ${kind.kind}`),
  ...notes(unseen, []),
];

const notes = (unseen: readonly Kind[], listed: readonly Listed[]) => [
  ...(unseen.length > 0
    ? [`perhaps more, which you may not list: ${unseen.map(keyOf).join(", ")}`]
    : []),
  ...listed
    .filter(({ more }) => more)
    .map(({ kind }) => `only ${OBJECTS_MAX} of ${kind.kind} were looked at`),
];

async function listAll(kinds: readonly Kind[], namespace: string | undefined) {
  const [listed, unseen]: [Listed[], Kind[]] = [[], []];
  const waiting = [...kinds];
  const work = async () => {
    for (let kind = waiting.shift(); kind; kind = waiting.shift()) {
      try {
        const path = `${pathOf(kind, namespace)}?limit=${OBJECTS_MAX}`;
        const list = await get<{ items: Named[] | null; metadata?: { continue?: string } }>(
          path,
          ACCEPT,
        );
        listed.push({ kind, items: list.items ?? [], more: Boolean(list.metadata?.continue) });
      } catch (thrown) {
        if (!(thrown instanceof ApiError) || thrown.status === 502) throw thrown;
        unseen.push(kind);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { listed, unseen };
}
