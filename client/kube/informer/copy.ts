import { type KubeObject, keyOf } from "../object/object.ts";
import type { WatchEvent } from "../rest/watch.ts";
import type { ReflectorSink } from "./reflector.ts";
import { type IndexFunction, ObjectStore, type ReadStore } from "./store.ts";

/** Called in the order of changes, after the store has them. Must not throw and not wait. */
export interface Handler<T> {
  added?(object: T): void;
  updated?(object: T, old: T): void;
  deleted?(object: T): void;
}

/** An informer's objects, and the handlers of their changes: what its reflector fills. */
export class InformerCopy<T extends KubeObject> implements ReflectorSink<T> {
  readonly #store = new ObjectStore<T>();
  readonly #handlers = new Set<Handler<T>>();
  readonly #transform: (object: T) => T;

  /** `transform` shrinks an object before it is kept. */
  constructor(transform: (object: T) => T = (object) => object) {
    this.#transform = transform;
  }

  get store(): ReadStore<T> {
    return this.#store;
  }

  index(name: string, indexer: IndexFunction<T>): void {
    this.#store.addIndex(name, indexer);
  }

  /** Adds a handler, and calls it for all present objects; the returned function removes it. */
  handle(handler: Handler<T>): () => void {
    this.#handlers.add(handler);
    for (const object of this.#store.list()) handler.added?.(object);
    return () => this.#handlers.delete(handler);
  }

  /** Takes a list: everything there is. Objects that it no longer has are gone. */
  replace(objects: T[]): void {
    // lab:08 begin replace
    const gone = new Set(this.#store.keys());
    for (const object of objects) {
      gone.delete(keyOf(object));
      this.#put(object);
    }
    for (const key of gone) this.#remove(key);
    // lab:08 end
  }

  /** Takes one event of the watch. */
  apply(event: WatchEvent<T> & { type: "ADDED" | "MODIFIED" | "DELETED" }): void {
    if (event.type !== "DELETED") return this.#put(event.object);
    this.#remove(keyOf(event.object), event.object);
  }

  /** Keeps an object, and reports it unless the store had it with the same resourceVersion. */
  #put(received: T): void {
    // lab:08 begin put
    const object = this.#transform(received);
    const old = this.#store.set(object);
    if (old === undefined) for (const handler of this.#handlers) handler.added?.(object);
    else if (!sameRevision(old, object)) this.#callUpdated(object, old);
    // lab:08 end
  }

  /** Reports a removal with the object's last state, which a DELETED event carries. */
  #remove(key: string, last?: T): void {
    const old = this.#store.delete(key);
    if (old === undefined) return;
    const object = last === undefined ? old : this.#transform(last);
    for (const handler of this.#handlers) handler.deleted?.(object);
  }

  /** Reports a change; another uid is another object: one was deleted, and one added. */
  #callUpdated(object: T, old: T): void {
    // lab:08 begin call-updated
    // Same name, another object: readers that track identity need both events.
    const replaced = old.metadata.uid !== object.metadata.uid;
    for (const handler of this.#handlers) {
      if (!replaced) handler.updated?.(object, old);
      else {
        handler.deleted?.(old);
        handler.added?.(object);
      }
    }
    // lab:08 end
  }
}

function sameRevision(a: KubeObject, b: KubeObject): boolean {
  const revision = a.metadata.resourceVersion;
  return revision !== undefined && revision === b.metadata.resourceVersion;
}
