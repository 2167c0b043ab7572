import type { Clock } from "@raft2kube/std/clock.ts";
import type { Random } from "@raft2kube/std/random.ts";
import type { KubeObject } from "../object/object.ts";
import type { Selection } from "../rest/query.ts";
import { apiVersionOf, type ResourceType } from "../rest/resource.ts";
import type { ResourceClient } from "../rest/resource-client.ts";
import { type Handler, InformerCopy } from "./copy.ts";
import { Reflector } from "./reflector.ts";
import type { IndexFunction, ReadStore } from "./store.ts";

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
  readonly #copy: InformerCopy<T>;
  readonly #reflector: Reflector<T>;
  #hasSynced = false;

  constructor(options: InformerOptions<T>) {
    const type = options.resource.type;
    const transform = options.transform ?? withoutManagedFields;
    const copy = new InformerCopy<T>((object) => transform(typed(object, type)));
    this.#copy = copy;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.synced = promise;
    const sink = {
      replace: (objects: T[]) => {
        copy.replace(objects);
        this.#hasSynced = true;
        resolve();
      },
      apply: copy.apply.bind(copy),
    };
    this.#reflector = new Reflector<T>({ ...options, sink });
  }

  /** The objects in their last known state. */
  get store(): ReadStore<T> {
    return this.#copy.store;
  }

  /** Whether the first list is in the store. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Adds an index over the store; may be called at any time. */
  index(name: string, indexer: IndexFunction<T>): void {
    this.#copy.index(name, indexer);
  }

  /**
   * Adds a handler and calls it immediately for all present objects; the returned function removes
   * it.
   */
  handle(handler: Handler<T>): () => void {
    return this.#copy.handle(handler);
  }

  start(): void {
    this.#reflector.start();
  }

  close(): Promise<void> {
    return this.#reflector.close();
  }
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

/** Drops managed fields and annotations, for a program that reads neither, to save memory. */
export function trimMetadata<T extends KubeObject>(object: T): T {
  delete object.metadata.managedFields;
  delete object.metadata.annotations;
  return object;
}
