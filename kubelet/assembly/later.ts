import { assert } from "@raft2kube/std/assert.ts";

/** A part that is made after those that will ask for it. */
export class Later<T> {
  readonly #name: string;
  #value: T | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  set(value: T): void {
    assert(this.#value === undefined, `${this.#name} is set twice`);
    this.#value = value;
  }

  /** The part; asking too early is a mistake in the wiring. */
  get(): T {
    assert(this.#value !== undefined, `${this.#name} is asked for before it is made`);
    return this.#value;
  }

  /** The part, when it is there. */
  peek(): T | undefined {
    return this.#value;
  }
}
