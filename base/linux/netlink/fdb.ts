import {
  deleteEntry,
  type EntryKey,
  listEntries,
  type Neighbour,
  replaceEntry,
} from "./neighbour-messages.ts";
import type { NetlinkSocket } from "./netlink.ts";

// A VXLAN link's forwarding database (FDB): the address of the node that frames to a hardware
// address are sent to. `bridge fdb show` prints it; its messages are those of neighbours.

/** An entry: `mac` is reached through the node at `address`. */
export type FdbEntry = Neighbour;

/** Adds a permanent entry, in the place of the one of the same hardware address. */
export function replaceFdbEntry(route: NetlinkSocket, entry: EntryKey): void {
  replaceEntry(route, "bridge", entry);
}

/** Deletes an entry by its hardware address. Returns false when it was not there. */
export function deleteFdbEntry(route: NetlinkSocket, entry: EntryKey): boolean {
  return deleteEntry(route, "bridge", entry);
}

/** The entries of one link. */
export function listFdb(route: NetlinkSocket, link: number): FdbEntry[] {
  return listEntries(route, "bridge", link);
}
