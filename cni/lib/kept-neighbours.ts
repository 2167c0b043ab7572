import {
  deleteNeighbour,
  keepNeighbour,
  listNeighbours,
  type Neighbour,
} from "@raft2kube/linux/netlink/neighbour.ts";
import type { NetlinkSocket } from "@raft2kube/linux/netlink/netlink.ts";
import { asError } from "@raft2kube/std/errors.ts";

/**
 * Keeps addresses on a link resolved: a full table of neighbours, which all network namespaces of a
 * machine share, takes no new entry and drops those older than 5 s. Entries with `protocol` are the
 * caller's: one that is not wanted is deleted. Appends what was changed, and what was refused.
 */
export function keepNeighbours(
  route: NetlinkSocket,
  wanted: ReadonlySet<string>,
  { link, protocol }: { readonly link: number; readonly protocol: number },
  { changes, failures }: { changes: string[]; failures: Error[] },
): void {
  const entries = listNeighbours(route, link);
  const isOurs = (entry: Neighbour) => entry.protocol === protocol;
  // A permanent one is an administrator's, and not dropped either.
  const kept = entries.filter((entry) => isOurs(entry) || entry.permanent);
  const present = new Set(kept.map(({ address }) => address));
  const change = (done: string, make: () => void) => {
    try {
      make();
      changes.push(done);
    } catch (thrown) {
      failures.push(asError(thrown));
    }
  };
  for (const entry of entries.filter(isOurs)) {
    const { address } = entry;
    if (wanted.has(address)) continue;
    change(`let neighbour ${address} go`, () => deleteNeighbour(route, entry));
  }
  for (const address of wanted) {
    if (present.has(address)) continue;
    change(`kept neighbour ${address}`, () => keepNeighbour(route, { link, address, protocol }));
  }
}
