import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { EXPECTATIONS_MS } from "./limits.ts";

interface Written {
  /** The revision that the store must have reached; undefined: it must be gone. */
  revision: number | undefined;
  uid: string | undefined;
  since_ms: number;
}

/**
 * The writes of a reconciler under one of its keys that its informer has not shown yet. Until it
 * has, a plan made from the informer would repeat them (a second slice, a second volume).
 */
export class WriteTracker {
  readonly #clock: Clock;
  readonly #written = new Map<string, Map<string, Written>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wrote(key: string, object: KubeObject): void {
    this.#set(key, object, Number(object.metadata.resourceVersion));
  }

  removed(key: string, object: KubeObject): void {
    this.#set(key, object, undefined);
  }

  /** Whether the store shows all that was written under a key, or five minutes have passed. */
  isSeen(key: string, store: Pick<ReadStore<KubeObject>, "get">): boolean {
    const written = this.#written.get(key);
    if (!written) return true;
    for (const [name, { revision, uid, since_ms }] of written) {
      const object = store.get(name);
      const same = object?.metadata.uid === uid;
      const reached = Number(object?.metadata.resourceVersion) >= (revision ?? Infinity);
      const seen = revision === undefined ? !same : same && reached;
      const old = this.#clock.monotonic() - since_ms > EXPECTATIONS_MS;
      if (seen || old) written.delete(name);
    }
    if (written.size === 0) this.#written.delete(key);
    return written.size === 0;
  }

  /** An object is gone: no further events of it are expected. */
  gone(key: string, object: KubeObject): void {
    this.#written.get(key)?.delete(keyOf(object));
  }

  /** The same, when it is not known which key wrote the object. */
  goneUnderAny(object: KubeObject): void {
    for (const key of this.#written.keys()) this.gone(key, object);
  }

  forget(key: string): void {
    this.#written.delete(key);
  }

  #set(key: string, object: KubeObject, revision: number | undefined): void {
    const written = this.#written.get(key) ?? new Map<string, Written>();
    const { uid } = object.metadata;
    written.set(keyOf(object), { revision, uid, since_ms: this.#clock.monotonic() });
    this.#written.set(key, written);
  }
}

/** An informer, by the store that shows what was written. */
type Shows<O extends KubeObject> = { readonly store: Pick<ReadStore<O>, "get"> };

/** The trackers of a reconciler that writes several kinds, each with the informer of its kind. */
export class ShownWrites {
  readonly #tracked: readonly (readonly [WriteTracker, Shows<KubeObject>])[];

  constructor(tracked: readonly (readonly [WriteTracker, Shows<KubeObject>])[]) {
    this.#tracked = tracked;
  }

  /** Whether all that was written under a key is shown, of every kind. */
  areSeen(key: string): boolean {
    return this.#tracked.map(([tracker, { store }]) => tracker.isSeen(key, store)).every(Boolean);
  }

  /** An object of this informer is gone; one of the same name of another kind is still expected. */
  gone<O extends KubeObject>(informer: Shows<O>, object: O): void {
    for (const [tracker, shows] of this.#tracked) {
      if (shows === informer) tracker.goneUnderAny(object);
    }
  }

  forget(key: string): void {
    for (const [tracker] of this.#tracked) tracker.forget(key);
  }
}
