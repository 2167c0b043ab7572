import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import type { Kind } from "@raft2kube/api/kind.ts";
import { assert } from "@raft2kube/std/assert.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { ProgressProof } from "../storage/progress-proof.ts";
import { apiVersionOf } from "./group-version.ts";
import { Resource } from "./resource.ts";

/** Every resource this server has, by the words of a URL. */
export class Registry {
  readonly #byPath = new Map<string, Resource>();
  readonly kinds: readonly Kind[];

  constructor(kinds: readonly Kind[], etcd: EtcdClient, clock: Clock) {
    this.kinds = kinds;
    const proof = new ProgressProof(etcd);
    for (const kind of kinds) {
      const path = `${apiVersionOf(kind)}/${kind.plural}`;
      assert(!this.#byPath.has(path), `two kinds for ${path}`);
      this.#byPath.set(path, new Resource(kind, etcd, clock, proof));
    }
  }

  find(group: string, version: string, plural: string): Resource | undefined {
    return this.#byPath.get(`${apiVersionOf({ group, version })}/${plural}`);
  }

  /** A resource this server always has, such as `of("v1", "pods")`. */
  of(apiVersion: string, plural: string): Resource {
    const found = this.#byPath.get(`${apiVersion}/${plural}`);
    assert(found !== undefined, `no resource ${apiVersion}/${plural}`);
    return found;
  }

  /** The resource of a body's apiVersion and kind. */
  ofKind(apiVersion: string, kind: string): Resource | undefined {
    return [...this.#byPath.values()].find(
      (each) => each.kind.kind === kind && apiVersionOf(each.kind) === apiVersion,
    );
  }

  all(): IterableIterator<Resource> {
    return this.#byPath.values();
  }

  /** The store has dropped its history before `revision`. */
  compactedTo(revision: number): void {
    for (const resource of this.all()) resource.startedCache?.compactedTo(revision);
  }

  /** Ends every watch: their clients reconnect, here or at another server. */
  endWatches(): void {
    for (const resource of this.all()) resource.startedCache?.closeWatchers();
  }

  async close(): Promise<void> {
    await Promise.all([...this.all()].map((resource) => resource.close()));
  }
}
