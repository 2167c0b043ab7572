import { assert } from "@raft2kube/std/assert.ts";
import type { Revision } from "../records/revision.ts";

/** A record of a key as of some revision. */
export interface KeyPoint extends Revision {
  createRevision: number;
  version: number;
}

/**
 * One generation of a key, from its creation to its deletion: the revisions as main, sub, main,
 * sub, ...
 */
export interface Generation {
  created: number;
  /** The version of the last revision, a tombstone not counted. */
  version: number;
  revisions: number[];
  /** The last revision is a tombstone. */
  ended: boolean;
}

/** All revisions of one key that are not compacted away. */
export class KeyHistory {
  #current: Generation;
  #older: Generation[] | undefined;

  constructor(main: number, sub: number, created = main, version = 1) {
    this.#current = { created, version, revisions: [main, sub], ended: false };
  }

  /** A key of which only its deletion is left. */
  static deletedAt(main: number, sub: number): KeyHistory {
    const history = new KeyHistory(main, sub, main, 0);
    history.#current.ended = true;
    return history;
  }

  /** Makes a history of generations: one at least, the oldest first. */
  static of(generations: Generation[]): KeyHistory {
    const history = new KeyHistory(0, 0);
    const current = generations.pop();
    const isWhole = current && generations.every(({ ended }) => ended);
    assert(isWhole, "a generation before the last one did not end");
    history.#current = current;
    history.#older = generations.length > 0 ? generations : undefined;
    return history;
  }

  /** Returns all generations, the oldest first. */
  generations(): readonly Generation[] {
    return [...(this.#older ?? []), this.#current];
  }

  /**
   * Records a put at (main, sub). Returns the point, whose version counts from 1 in each
   * generation.
   */
  put(main: number, sub: number): KeyPoint {
    // lab:06 begin key-put
    this.#assertLater(main, sub);
    if (this.#current.ended) {
      (this.#older ??= []).push(this.#current);
      this.#current = { created: main, version: 0, revisions: [], ended: false };
    }
    const { created, revisions } = this.#current;
    revisions.push(main, sub);
    const version = ++this.#current.version;
    return { main, sub, createRevision: created, version };
    // lab:06 end
  }

  /** Records a deletion at (main, sub). */
  tombstone(main: number, sub: number): void {
    this.#assertLater(main, sub);
    assert(!this.#current.ended, () => `deleted twice, at ${main}`);
    this.#current.revisions.push(main, sub);
    this.#current.ended = true;
  }

  #assertLater(main: number, sub: number): void {
    const last = lastMain(this.#current);
    const lastSub = this.#current.revisions.at(-1)!;
    assert(main > last || (main === last && sub > lastSub), () => `revision ${main} after ${last}`);
  }

  /** Whether the key exists now. */
  get alive(): boolean {
    return !this.#current.ended;
  }

  /** The key's record as of revision `at`; undefined when it did not exist then. */
  get(at: number): KeyPoint | undefined {
    // lab:06 begin key-get
    const current = pointIn(this.#current, at);
    if (current !== "before") return current;
    for (let i = (this.#older?.length ?? 0) - 1; i >= 0; i--) {
      const point = pointIn(this.#older![i]!, at);
      if (point !== "before") return point;
    }
    return undefined;
    // lab:06 end
  }

  /**
   * Forgets revisions that no read at `at` or later can see, calling `removed` for each. A
   * tombstone exactly at `at` stays, since a watch may start there. Returns whether nothing is
   * left.
   */
  compact(at: number, removed: (main: number, sub: number, tombstone: boolean) => void): boolean {
    const generations = [...(this.#older ?? []), this.#current];
    const kept = generations.filter((generation) => !compactOne(generation, at, removed));
    const current = kept.pop();
    if (!current) return true;
    this.#current = current;
    this.#older = kept.length > 0 ? kept : undefined;
    return false;
  }
}

function lastMain(generation: Generation): number {
  return generation.revisions[generation.revisions.length - 2]!;
}

/**
 * Where `at` falls in one generation: at a record, after its end (undefined), or before it.
 */
function pointIn(generation: Generation, at: number): KeyPoint | undefined | "before" {
  // lab:06 begin point-in
  const { revisions, ended, created, version } = generation;
  const count = revisions.length / 2;
  const position = lastAtOrBefore(revisions, at);
  if (position < 0) return "before";
  if (ended && position === count - 1) return undefined;
  const writes = ended ? count - 1 : count;
  return {
    main: revisions[position * 2]!,
    sub: revisions[position * 2 + 1]!,
    createRevision: created,
    version: version - (writes - 1 - position),
  };
  // lab:06 end
}

/** The last position whose main revision is at most `at`, or -1. */
function lastAtOrBefore(revisions: number[], at: number): number {
  const count = revisions.length / 2;
  if (revisions[(count - 1) * 2]! <= at) return count - 1;
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (revisions[middle * 2]! <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Returns whether the whole generation is dropped. */
function compactOne(
  generation: Generation,
  at: number,
  removed: (main: number, sub: number, tombstone: boolean) => void,
): boolean {
  // lab:06 begin compact-one
  const { revisions, ended } = generation;
  const count = revisions.length / 2;
  const position = lastAtOrBefore(revisions, at);
  const gone = ended && position === count - 1 && lastMain(generation) !== at;
  const drop = gone ? count : position;
  for (let i = 0; i < drop; i++) {
    removed(revisions[i * 2]!, revisions[i * 2 + 1]!, ended && i === count - 1);
  }
  if (drop > 0) generation.revisions = revisions.slice(drop * 2);
  return gone;
  // lab:06 end
}
