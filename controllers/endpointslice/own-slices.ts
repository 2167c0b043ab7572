import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { ENDPOINT_SLICES } from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext } from "../context.ts";
import { WriteTracker } from "../write-tracker.ts";
import { MANAGED_BY, SERVICE_NAME, type SlicesPlan } from "./plan.ts";

/** The slices that one controller keeps, by the key of what they are of: a Service, a peer. */
export class OwnSlices {
  readonly informer: Informer<EndpointSlice>;
  readonly #manager: string;
  readonly #label: string;
  readonly #writer: ResourceClient<EndpointSlice>;
  readonly #tracker: WriteTracker;

  /** `account` writes them, `manager` is what their label says, `label` names what they are of. */
  constructor(context: ControllerContext, account: string, manager: string, label = SERVICE_NAME) {
    this.#manager = manager;
    this.#label = label;
    this.informer = context.informers.of(ENDPOINT_SLICES);
    this.informer.index(manager, (slice) => [this.#keyOf(slice) ?? ""]);
    this.#writer = context.client(account).resource(ENDPOINT_SLICES);
    this.#tracker = new WriteTracker(context.clock);
  }

  of(key: string): EndpointSlice[] {
    return this.informer.store.by(this.#manager, key);
  }

  /** Whether the informer shows all that was written for `key`. */
  isSeen(key: string): boolean {
    return this.#tracker.isSeen(key, this.informer.store);
  }

  forget(key: string): void {
    this.#tracker.forget(key);
  }

  async apply(key: string, plan: SlicesPlan): Promise<void> {
    for (const slice of plan.create) this.#tracker.wrote(key, await this.#writer.create(slice));
    for (const slice of plan.update) this.#tracker.wrote(key, await this.#writer.update(slice));
    for (const slice of plan.delete) await this.#remove(key, slice);
  }

  async #remove(key: string, slice: EndpointSlice): Promise<void> {
    this.#tracker.removed(key, slice);
    try {
      await this.#writer.delete(nameOf(slice), { preconditions: { uid: slice.metadata.uid } });
    } catch (thrown) {
      this.#tracker.gone(key, slice);
      if (!isNotFound(thrown)) throw thrown;
    }
  }

  /** Calls `look` with the key of each that was changed or removed: by hand, it is put right. */
  watch(look: (key: string) => void): void {
    this.informer.handle({
      updated: (slice, before) => {
        // Without its labels it is no longer one of these, and another has to take its place.
        const keys = new Set([this.#keyOf(before), this.#keyOf(slice)]);
        for (const key of keys) if (key !== undefined) look(key);
      },
      deleted: (slice) => {
        const key = this.#keyOf(slice);
        if (key === undefined) return;
        this.#tracker.gone(key, slice);
        look(key);
      },
    });
  }

  /** The key of what one of ours is of; undefined for those that others keep. */
  #keyOf({ metadata }: EndpointSlice): string | undefined {
    const { [this.#label]: owner, [MANAGED_BY]: manager } = metadata.labels ?? {};
    if (owner === undefined || manager !== this.#manager) return undefined;
    return `${metadata.namespace ?? ""}/${owner}`;
  }
}
