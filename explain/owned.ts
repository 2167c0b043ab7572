import type { Pod } from "@raft2kube/api/gen/core/v1.ts";

/** An object that may be owned; an EndpointSlice's endpoints may be pods. */
export interface Ownable {
  readonly metadata: Pod["metadata"];
  readonly endpoints?: readonly { readonly targetRef?: { readonly uid?: string } }[] | null;
}

/** Returns what an object owns, through others too, and its pods' EndpointSlices, nearest first. */
export function ownedBy<T extends Ownable>({ metadata }: Ownable, others: readonly T[]): T[] {
  const pairs = others.flatMap((each) => ownersOf(each).map((owner) => ({ owner, each })));
  const byOwner = Map.groupBy(pairs, ({ owner }) => owner);
  const owned = new Map<string, T>();
  // Grows while it is read: a tenant's chain of owners may be as long as all lists.
  const owners = [metadata.uid ?? ""];
  for (const owner of owners) {
    for (const { each } of byOwner.get(owner) ?? []) {
      const { uid = "" } = each.metadata;
      if (uid === owners[0] || owned.has(uid)) continue;
      owned.set(uid, each);
      owners.push(uid);
    }
  }
  return [...owned.values()];
}

const ownersOf = ({ metadata: { ownerReferences = [] }, endpoints }: Ownable) => [
  ...ownerReferences.map(({ uid }) => uid),
  ...(endpoints ?? []).flatMap(({ targetRef }) => targetRef?.uid ?? []),
];
