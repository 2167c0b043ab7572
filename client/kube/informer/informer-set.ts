import type { Clock } from "@raft2kube/std/clock.ts";
import type { KubeObject } from "../object/object.ts";
import type { KubeClient } from "../rest/client.ts";
import type { Selection } from "../rest/query.ts";
import { groupResourceOf, type ResourceType } from "../rest/resource.ts";
import { Informer } from "./informer.ts";

type Shared = { informer: Informer<KubeObject>; metadataOnly: boolean };

/** Informers of one client, one per resource and selection, shared by all that ask. */
export class InformerSet {
  readonly client: KubeClient;
  readonly #clock: Clock;
  readonly #shared = new Map<string, Shared>();
  #started = false;
  #markClosed: () => void = () => {};
  /**
   * Resolves when the set is closed; for those that wait for `synced` and must not wait without
   * end.
   */
  readonly closed: Promise<void>;

  constructor(client: KubeClient, clock: Clock = client.clock) {
    this.client = client;
    this.#clock = clock;
    this.closed = new Promise((resolve) => {
      this.#markClosed = resolve;
    });
  }

  /**
   * The informer of a resource; made, and started if the set is, when asked for the first time,
   * then with this `transform`.
   */
  of<T extends KubeObject>(
    type: ResourceType<T>,
    selection: Selection = {},
    transform?: (object: T) => T,
  ): Informer<T> {
    const shrink = transform as ((object: KubeObject) => KubeObject) | undefined;
    return this.#get(type, selection, false, shrink) as unknown as Informer<T>;
  }

  /** One that may hold only metadata: the whole objects' when there is one already. */
  metadataOf(type: ResourceType): Informer<KubeObject> {
    const whole = this.#shared.get(keyOfShared(type, {}, false));
    return whole ? whole.informer : this.#get(type, {}, true);
  }

  /** Starts those asked for so far; later ones start when asked for. */
  start(): void {
    this.#started = true;
    for (const { informer } of this.#shared.values()) informer.start();
  }

  /**
   * Starts those asked for so far; calls `changed` when each of them has its first list, and after
   * each later change of one.
   */
  follow(changed: () => void): void {
    const all = [...this.#shared.values()].map(({ informer }) => informer);
    const look = () => {
      if (all.every(({ hasSynced }) => hasSynced)) changed();
    };
    for (const informer of all) informer.handle({ added: look, updated: look, deleted: look });
    this.start();
    void this.synced().then(look);
  }

  /** Resolves when all asked for so far have their first list. */
  async synced(): Promise<void> {
    await Promise.all([...this.#shared.values()].map(({ informer }) => informer.synced));
  }

  /** Ends and forgets one resource's metadata informer (its type was removed from the API). */
  async dropMetadata(type: ResourceType): Promise<void> {
    const key = keyOfShared(type, {}, true);
    const shared = this.#shared.get(key);
    this.#shared.delete(key);
    await shared?.informer.close();
  }

  async close(): Promise<void> {
    this.#markClosed();
    const all = [...this.#shared.values()];
    this.#shared.clear();
    await Promise.all(all.map(({ informer }) => informer.close()));
  }

  #get(
    type: ResourceType,
    selection: Selection,
    metadataOnly: boolean,
    transform?: (object: KubeObject) => KubeObject,
  ): Informer<KubeObject> {
    const key = keyOfShared(type, selection, metadataOnly);
    let shared = this.#shared.get(key);
    if (!shared) {
      const resource = this.client.resource(type);
      const shrink = transform ? { transform } : {};
      const options = { resource, selection, metadataOnly, clock: this.#clock, ...shrink };
      shared = { informer: new Informer(options), metadataOnly };
      this.#shared.set(key, shared);
      if (this.#started) shared.informer.start();
    }
    return shared.informer;
  }
}

function keyOfShared(type: ResourceType, selection: Selection, metadataOnly: boolean): string {
  const { namespace = "", labelSelector = "", fieldSelector = "" } = selection;
  const what = `${groupResourceOf(type)}/${type.version}${metadataOnly ? "#metadata" : ""}`;
  return [what, namespace, labelSelector, fieldSelector].join("|");
}
