type Act = () => void;

/**
 * An event loop of our own. From `begin` to `end`, `setImmediate` puts off to its next turn, and
 * what one turn sets going, promises included, has run before the next one starts: Node empties
 * the queue of promises before a tick that a promise asked for. So a run is a function of its seed
 * alone, and does not wait for the real loop to turn.
 */
export class Loop {
  #putOff: Act[] = [];
  readonly #real = globalThis.setImmediate;

  begin(): void {
    const putOff = (act: (...args: unknown[]) => void, ...args: unknown[]) => {
      this.#putOff.push(() => act(...args));
    };
    Object.assign(globalThis, { setImmediate: putOff });
  }

  end(): void {
    Object.assign(globalThis, { setImmediate: this.#real });
    this.#putOff = [];
  }

  /** Turns: does what was put off, one thing after the other, else `turn`, until that is true. */
  run(turn: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const drive = () => {
        try {
          const next = this.#putOff.shift();
          if (next) next();
          else if (turn()) return resolve();
        } catch (thrown) {
          return reject(thrown as Error);
        }
        later();
      };
      // Asked for by a promise, the tick comes when no promise is left to run.
      const later = () => queueMicrotask(() => process.nextTick(drive));
      later();
    });
  }
}
