import { close } from "node:fs";
import { FairTurns, KeyedTurns } from "@raft2kube/std/turns.ts";

/** Calls at the same time: with one that reads, three of the four threads of Node's pool. */
const CLOSES_MAX = 2;

const ofOwner = new KeyedTurns();
const closes = new FairTurns(CLOSES_MAX);
const reads = new FairTurns();

/**
 * Closes a descriptor in a thread of Node's pool: at the last one of a file or a mount the kernel
 * frees what it has, the blocks of the one, all files that it knows of the other. One of an
 * `owner`, as a namespace, at a time, and few in all, since others wait for the pool too.
 */
export function closeAside(fd: number, owner = ""): Promise<void> {
  // An error of close(2) is no failure of what was to be removed.
  const closed = () => new Promise<void>((resolve) => close(fd, () => resolve()));
  return ofOwner.run(owner, () => closes.run(owner, closed));
}

/** Runs work whose calls read long in that pool: one in all, owners in rotation. */
export const readAside = <R>(owner: string, work: () => Promise<R>): Promise<R> =>
  reads.run(owner, work);
