import type { Pod } from "@raft2kube/api/gen/core/v1.ts";

/** An object that may be owned; an EndpointSlice's endpoints may be pods. */
export interface Ownable {
  readonly metadata: Pod["metadata"];
  readonly endpoints?: readonly { readonly targetRef?: { readonly uid?: string } }[] | null;
}

/** Returns what an object owns, through others too, and its pods' EndpointSlices, nearest first. */
export function ownedBy<T extends Ownable>(owner: Ownable, others: readonly T[]): T[] {
  const pairs = others.flatMap((each) => ownersOf(each).map((uid) => ({ uid, each })));
  const byOwner = Map.groupBy(pairs, ({ uid }) => uid);
  const found = new Map<string, Ownable>([[owner.metadata.uid ?? "", owner]]);
  // The map grows meanwhile: the chain of a tenant's owners may be as long as all lists.
  for (const [of] of found) {
    for (const { each } of byOwner.get(of) ?? []) {
      const { uid = "" } = each.metadata;
      if (!found.has(uid)) found.set(uid, each);
    }
  }
  return [...found.values()].slice(1) as T[];
}

const ownersOf = ({ metadata: { ownerReferences = [] }, endpoints }: Ownable) => [
  ...ownerReferences.map(({ uid }) => uid),
  ...(endpoints ?? []).flatMap(({ targetRef }) => targetRef?.uid ?? []),
];
