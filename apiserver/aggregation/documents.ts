import { logger } from "@raft2kube/observe/log.ts";
import { runWorkers } from "@raft2kube/reconcile/workers.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { RemoteApis, RemoteVersion } from "../handlers/discovery/remote.ts";
import {
  AGGREGATED_DOCUMENTS_MS,
  AGGREGATED_DOCUMENTS_PAUSES,
  AGGREGATED_DOCUMENTS_WORKERS,
} from "../limits.ts";
import type { ApiServices, RemoteApiService } from "./api-services.ts";
import type { Backends } from "./backends.ts";
import { type ReadDiscovery, readDiscovery } from "./remote-discovery.ts";
import { type ReadOpenApi, readOpenApi } from "./remote-openapi.ts";

const log = logger("apiserver");

/** The documents of a remote version that were read. */
interface Known {
  readonly discovery?: ReadDiscovery;
  readonly openapi?: ReadOpenApi;
  /** The last attempt to read it failed. */
  readonly isStale: boolean;
}

/**
 * Reads discovery and OpenAPI of remote versions when their APIServices change, and every
 * AGGREGATED_DOCUMENTS_MS. A document that cannot be read stays as it was, and is shown as stale.
 */
export class RemoteDocuments implements RemoteApis {
  readonly #services: ApiServices;
  readonly #backends: Backends;
  readonly #queue: WorkQueue;
  readonly #known = new Map<string, Known>();
  readonly #workers: Promise<void>;
  readonly #unsubscribe: () => void;
  #versions: readonly RemoteVersion[] | undefined;

  constructor(clock: Clock, services: ApiServices, backends: Backends, closing: AbortSignal) {
    this.#services = services;
    this.#backends = backends;
    const queue = (this.#queue = new WorkQueue({
      clock,
      pauses: AGGREGATED_DOCUMENTS_PAUSES,
      workers: AGGREGATED_DOCUMENTS_WORKERS,
    }));
    this.#workers = runWorkers({
      name: "apiservice-discovery",
      queue,
      reconcile: (name) => this.#reconcile(name),
      isExpected: (_, failures) => failures > 1 || closing.aborted,
    });
    this.#unsubscribe = services.subscribe((name) => {
      const isKnown = this.#known.has(name);
      if (services.remote(name) === undefined && !isKnown) return;
      this.#versions = undefined;
      queue.add(name);
    });
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    this.#queue.close();
    await this.#workers;
  }

  get versions(): readonly RemoteVersion[] {
    this.#versions ??= [...this.#services.remotes()].map((remote) =>
      versionOf(remote, this.#known.get(remote.metadata.name)),
    );
    return this.#versions;
  }

  async #reconcile(name: string): Promise<{ again_ms: number } | void> {
    const remote = this.#services.remote(name);
    if (remote === undefined) {
      this.#known.delete(name);
      this.#versions = undefined;
      return;
    }
    const known = this.#known.get(name);
    try {
      const discovery = await readDiscovery(this.#backends, remote, known?.discovery);
      this.#set(name, { ...known, discovery, isStale: false });
    } catch (thrown) {
      this.#set(name, { ...known, isStale: true });
      throw thrown;
    }
    await this.#readOpenApi(name, remote);
    return { again_ms: AGGREGATED_DOCUMENTS_MS };
  }

  /** A server without OpenAPI is none that is not there: it is asked again in the next round. */
  async #readOpenApi(name: string, remote: RemoteApiService): Promise<void> {
    const known = this.#known.get(name);
    try {
      const openapi = await readOpenApi(this.#backends, remote, known?.openapi);
      this.#set(name, { ...known, openapi, isStale: false });
    } catch (thrown) {
      log.debug("OpenAPI of an aggregated API was not read", { name, reason: messageOf(thrown) });
    }
  }

  #set(name: string, next: Known): void {
    const { discovery, openapi, isStale } = this.#known.get(name) ?? { isStale: undefined };
    const isSame = discovery === next.discovery && openapi === next.openapi;
    if (isSame && isStale === next.isStale) return;
    this.#known.set(name, next);
    this.#versions = undefined;
  }
}

function versionOf({ spec }: RemoteApiService, known: Known | undefined): RemoteVersion {
  const { group = "", version = "", groupPriorityMinimum, versionPriority } = spec;
  const freshness = known?.isStale === false ? "Current" : "Stale";
  return {
    group,
    version,
    groupPriority: groupPriorityMinimum,
    versionPriority,
    discovery: { ...(known?.discovery?.discovery ?? {}), version, freshness },
    openapiV3: known?.openapi?.v3,
    openapiV2: known?.openapi?.v2,
  };
}
