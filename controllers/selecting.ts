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
   * Called with the key of each object that selects a changed one. Without the changed one if there
   * were more than CHANGES_COMPARED_MAX: then all of the namespace are named.
   */
  found(key: string, changed?: D): void;
  /** Called with changed objects when they have been compared with all of their namespace. */
  passed?(changed: readonly D[]): void;
}

/** The states of an object that changed, the current one first. */
type Change<D> = [D, ...D[]];

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
  changed(...states: Change<D>): void {
    const namespace = states[0].metadata.namespace ?? "";
    const due = this.#due.get(namespace);
    if (due) {
      if (due.length <= CHANGES_COMPARED_MAX) due.push(states);
      return;
    }
    this.#due.set(namespace, [states]);
    void this.#compareAll(namespace).catch((thrown: unknown) => {
      this.#due.delete(namespace);
      log.warn("selectors are not compared", { namespace, error: messageOf(thrown) });
    });
  }

  async #compareAll(namespace: string): Promise<void> {
    const { owners, found, passed } = this.#options;
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
      passed?.(due.map(([changed]) => changed));
    }
    this.#due.delete(namespace);
  }

  async #compare(owner: C, due: readonly Change<D>[], slices: Slices): Promise<void> {
    const { selects, found } = this.#options;
    for (const states of due) {
      if (slices.due) await slices.pause();
      if (states.some((each) => selects(owner, each))) found(keyOf(owner), states[0]);
    }
  }
}
