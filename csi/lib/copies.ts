import { Shares } from "@raft2kube/std/shares.ts";
import { aborted } from "./errors.ts";
import { COPIES_MAX, COPIES_OF_NAMESPACE_MAX } from "./limits.ts";

/**
 * The namespace that all snapshots count with, since a request has none: together they leave places
 * to clones. It is no name that a namespace can have.
 */
export const SNAPSHOTS = "(snapshots)";

/**
 * Bounds the copies of content that are under way, which take minutes. Others are answered ABORTED,
 * and the caller retries: nothing queues.
 */
export class Copies {
  readonly #shares = new Shares({ all: COPIES_MAX, each: COPIES_OF_NAMESPACE_MAX, reserved: 0 });

  /** Takes a place until it is disposed of. Throws ABORTED while the namespace, or all, have none. */
  enter(namespace: string): Disposable {
    const owner = { name: namespace };
    if (this.#shares.fits(owner)) return { [Symbol.dispose]: this.#shares.take(owner) };
    const whose = this.#shares.isWithinShare(owner) ? "all namespaces" : `namespace ${namespace}`;
    throw aborted(`as many copies of ${whose} are under way as may`);
  }
}
