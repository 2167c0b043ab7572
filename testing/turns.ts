/** Counts the turns of the event loop until it is disposed of. */
export class CountedTurns {
  #now = 0;
  #immediate = setImmediate(() => this.#next());

  /** The number of the turn that runs. */
  get now(): number {
    return this.#now;
  }

  #next(): void {
    this.#now++;
    this.#immediate = setImmediate(() => this.#next());
  }

  [Symbol.dispose](): void {
    clearImmediate(this.#immediate);
  }
}

/** How many of these turns are the same one, at most. */
export function mostInOneTurn(turns: readonly number[]): number {
  return Math.max(...turns.map((each) => turns.filter((other) => other === each).length));
}
