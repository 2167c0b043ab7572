import type { Pod } from "@raft2kube/api/gen/core/v1.ts";

/** An object that may be owned; an EndpointSlice's endpoints may be pods. */
export interface Ownable {
  readonly metadata: Pod["metadata"];
  readonly endpoints?: readonly { readonly targetRef?: { readonly uid?: string } }[] | null;
}

/** Returns what an object owns, through others too, and its pods' EndpointSlices, as found. */
export function ownedBy<T extends Ownable>(owner: Ownable, others: readonly T[]): T[] {
  const { uid = "" } = owner.metadata;
  const owned = new Map<string, T>();
  const isIn = (one = "") => one === uid || owned.has(one);
  for (let before = -1; before !== owned.size; ) {
    before = owned.size;
    for (const each of others) {
      const { ownerReferences = [], uid: own = "" } = each.metadata;
      const isOwned =
        ownerReferences.some((owner) => isIn(owner.uid)) ||
        each.endpoints?.some(({ targetRef }) => isIn(targetRef?.uid));
      if (isOwned && own !== uid) owned.set(own, each);
    }
  }
  return [...owned.values()];
}
