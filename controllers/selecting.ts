import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { NAMESPACE_INDEX } from "./indexes.ts";
import { CHANGES_COMPARED_MAX } from "./limits.ts";

export interface SelectingOptions<C extends KubeObject, D extends KubeObject> {
  /** Informer of the objects with selectors, with `NAMESPACE_INDEX`. */
  readonly owners: Pick<Informer<C>, "store">;
  selects(owner: C, object: D): boolean;
  /**
   * Called with the key of each object that selects a state of a changed one, or may do so: all of
   * the namespace if more than CHANGES_COMPARED_MAX have changed, and one that cannot be compared.
   */
  found(key: string): void;
  /** Called with each compared object, and the keys of those that select its current state. */
  compared?(changed: D, keys: readonly string[]): void;
}

/** A change of an object. */
interface Change<D> {
  /** The current state first. */
  readonly states: readonly [D, ...D[]];
  /** The keys of those that select the current state, if they are asked for. */
  readonly keys: string[];
}

const log = logger("controllers");

/**
 * Finds the objects whose selectors match objects that have changed, such as the Services of a pod.
 * A namespace may have thousands of large selectors, and its objects may change all the time: they
 * are compared in slices, which those of all namespaces share, and never in a handler's turn.
 */
export class Selecting<C extends KubeObject, D extends KubeObject> {
  readonly #options: SelectingOptions<C, D>;
  /** Changes to compare, by namespace. Invariant: has a namespace while a pass is at work on it. */
  readonly #due = new Map<string, Change<D>[]>();

  constructor(options: SelectingOptions<C, D>) {
    this.#options = options;
  }

  /** Takes a change of an object. */
  changed(...states: [D, ...D[]]): void {
    const namespace = states[0].metadata.namespace ?? "";
    const due = this.#due.get(namespace);
    if (due) {
      if (due.length <= CHANGES_COMPARED_MAX) due.push({ states, keys: [] });
      return;
    }
    this.#due.set(namespace, [{ states, keys: [] }]);
    void this.#compareAll(namespace).catch((thrown: unknown) => {
      this.#due.delete(namespace);
      log.warn("selectors are not compared", { namespace, error: messageOf(thrown) });
    });
  }

  async #compareAll(namespace: string): Promise<void> {
    const { owners, found, compared } = this.#options;
    const slices = new Slices();
    for (;;) {
      await slices.pause();
      const due = this.#due.get(namespace) ?? [];
      if (due.length === 0) break;
      this.#due.set(namespace, []);
      const all = owners.store.by(NAMESPACE_INDEX, namespace);
      if (due.length > CHANGES_COMPARED_MAX) {
        for (const owner of all) found(keyOf(owner));
        continue;
      }
      for (const owner of all) await this.#compare(owner, due, slices);
      if (compared) for (const { states, keys } of due) compared(states[0], keys);
    }
    this.#due.delete(namespace);
  }

  async #compare(owner: C, due: readonly Change<D>[], slices: Slices): Promise<void> {
    const { selects, found, compared } = this.#options;
    const key = keyOf(owner);
    for (const { states, keys } of due) {
      if (slices.due) await slices.pause();
      try {
        const at = states.findIndex((each) => selects(owner, each));
        if (at >= 0) found(key);
        if (at === 0 && compared) keys.push(key);
      } catch (thrown) {
        log.warn("a selector is not compared", { owner: key, error: messageOf(thrown) });
        return found(key);
      }
    }
  }
}
