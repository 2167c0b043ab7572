import type { Clock } from "@raft2kube/std/clock.ts";
import type { Random } from "@raft2kube/std/random.ts";
import { type KubeObject, keyOf } from "../object/object.ts";
import type { Selection } from "../rest/query.ts";
import { Reflector, type ReflectorSink } from "./reflector.ts";
import { apiVersionOf, type ResourceType } from "../rest/resource.ts";
import type { ResourceClient } from "../rest/resource-client.ts";
import { type IndexFunction, ObjectStore, type ReadStore } from "./store.ts";
import type { WatchEvent } from "../rest/watch.ts";

/** Called in the order of changes, after the store has them. Must not throw and not wait. */
export interface Handler<T> {
  added?(object: T): void;
  updated?(object: T, old: T): void;
  deleted?(object: T): void;
}

export interface InformerOptions<T extends KubeObject> {
  resource: ResourceClient<T>;
  selection?: Selection;
  metadataOnly?: boolean;
  /** Shrinks an object before it is kept; by default managedFields are dropped. */
  transform?: (object: T) => T;
  clock: Clock;
  random?: Random;
}

/**
 * A copy of a resource in memory, kept by a reflector, and handlers of its changes. Many readers
 * share one informer. There is no resync: a reconciler that wants to look again requests it of its
 * queue.
 */
export class Informer<T extends KubeObject> {
  readonly synced: Promise<void>;
  readonly #store = new ObjectStore<T>();
  readonly #handlers = new Set<Handler<T>>();
  readonly #reflector: Reflector<T>;
  readonly #transform: (object: T) => T;
  #markSynced: () => void = () => {};
  #hasSynced = false;

  constructor(options: InformerOptions<T>) {
    const type = options.resource.type;
    const transform = options.transform ?? withoutManagedFields;
    this.#transform = (object) => transform(typed(object, type));
    this.synced = new Promise((resolve) => {
      this.#markSynced = resolve;
    });
    const sink: ReflectorSink<T> = {
      replace: (objects) => this.#replace(objects),
      apply: (event) => this.#apply(event),
    };
    this.#reflector = new Reflector<T>({ ...options, sink });
  }

  /** The objects in their last known state. */
  get store(): ReadStore<T> {
    return this.#store;
  }

  /** Whether the first list is in the store. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Adds an index over the store; may be called at any time. */
  index(name: string, indexer: IndexFunction<T>): void {
    this.#store.addIndex(name, indexer);
  }

  /**
   * Adds a handler and calls it immediately for all present objects; the returned function removes
   * it.
   */
  handle(handler: Handler<T>): () => void {
    this.#handlers.add(handler);
    for (const object of this.#store.list()) handler.added?.(object);
    return () => this.#handlers.delete(handler);
  }

  start(): void {
    this.#reflector.start();
  }

  close(): Promise<void> {
    return this.#reflector.close();
  }

  #replace(objects: T[]): void {
    const gone = new Set(this.#store.keys());
    for (const object of objects) {
      gone.delete(keyOf(object));
      this.#put(object);
    }
    for (const key of gone) this.#remove(key);
    this.#hasSynced = true;
    this.#markSynced();
  }

  #apply(event: WatchEvent<T>): void {
    if (event.type !== "DELETED") return this.#put(event.object);
    this.#remove(keyOf(event.object), event.object);
  }

  #put(received: T): void {
    const object = this.#transform(received);
    const old = this.#store.set(object);
    if (old === undefined) for (const handler of this.#handlers) handler.added?.(object);
    else if (!sameRevision(old, object)) this.#callUpdated(object, old);
  }

  /** Reports a removal with the object's last state, which a DELETED event carries. */
  #remove(key: string, last?: T): void {
    const old = this.#store.delete(key);
    if (old === undefined) return;
    const object = last === undefined ? old : this.#transform(last);
    for (const handler of this.#handlers) handler.deleted?.(object);
  }

  #callUpdated(object: T, old: T): void {
    // Same name, another object: readers that track identity need both events.
    const replaced = old.metadata.uid !== object.metadata.uid;
    for (const handler of this.#handlers) {
      if (!replaced) handler.updated?.(object, old);
      else {
        handler.deleted?.(old);
        handler.added?.(object);
      }
    }
  }
}

function sameRevision(a: KubeObject, b: KubeObject): boolean {
  const revision = a.metadata.resourceVersion;
  return revision !== undefined && revision === b.metadata.resourceVersion;
}

/**
 * Items of lists come without their type, metadata with another; readers find it on every object.
 */
function typed<T extends KubeObject>(object: T, type: ResourceType): T {
  object.apiVersion = apiVersionOf(type);
  if (type.kind !== undefined) object.kind = type.kind;
  return object;
}

function withoutManagedFields<T extends KubeObject>(object: T): T {
  delete object.metadata.managedFields;
  return object;
}
