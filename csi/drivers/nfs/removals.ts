import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { RecentMap } from "@raft2kube/std/recent-map.ts";
import type { RequestOf } from "./in-share/operations.ts";
import { CONTENT_TIMEOUT_MS, LONG_REMOVALS_MAX } from "./limits.ts";
import { sourceOf } from "./share.ts";
import type { ShareProcesses } from "./share-processes.ts";

/**
 * Removals of content. They have places of their own at a server, which copies that fail for their
 * size do not occupy; and those whose last attempt did not end in time have others. Each of these
 * continues when it is tried again, and a few claims with millions of files would otherwise keep
 * all other removals waiting for hours.
 */
export class Removals {
  readonly #processes: ShareProcesses;
  /** Removals that did not end in time. */
  readonly #long = new RecentMap<string, true>(LONG_REMOVALS_MAX);

  constructor(processes: ShareProcesses) {
    this.#processes = processes;
  }

  /** Removes a volume or snapshot; throws as `ShareProcesses.run`. */
  async run<N extends "deleteVolume" | "deleteSnapshot">(
    name: N,
    request: RequestOf<N>,
  ): Promise<void> {
    const { share, key } = request;
    const removal = `${name} ${sourceOf(share, key)}`;
    const kind = this.#long.has(removal) ? "long removals" : "removals";
    const limits = { server: `${share.server}, ${kind}`, timeout_ms: CONTENT_TIMEOUT_MS };
    try {
      await this.#processes.run(name, request, limits);
      this.#long.delete(removal);
    } catch (thrown) {
      const isLate = thrown instanceof RpcError && thrown.status === Status.DEADLINE_EXCEEDED;
      if (isLate) this.#long.set(removal, true);
      throw thrown;
    }
  }
}
