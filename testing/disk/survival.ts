import { type Random, randomInteger } from "@raft2kube/std/random.ts";

/** A disk writes sectors as a whole: a write may be torn between two of them. */
export const SECTOR_BYTES = 512;

/** A write that no sync has made durable. */
export type Write = { readonly offset: number; readonly bytes: Buffer };

/** Which ranges `[from, to)` of an unsynced write, the i-th of its file, survive a power cut. */
export type Survival = (write: Write, i: number) => readonly (readonly [number, number])[];

/** Each write is kept, lost, or torn at one sector. */
export function tornAtOneSector(random: Random): Survival {
  return ({ bytes: { length } }) => {
    const die = random.next();
    if (die < 0.4) return [];
    if (die < 0.7 || length <= SECTOR_BYTES) return [[0, length]];
    const cut = randomInteger(random, 1, Math.floor(length / SECTOR_BYTES) + 1) * SECTOR_BYTES;
    // A disk may write the later sectors first.
    return [random.next() < 0.7 ? [0, Math.min(cut, length)] : [Math.min(cut, length), length]];
  };
}

/** Each sector of a write is old or new. */
export function anySectors(random: Random): Survival {
  return ({ offset, bytes: { length } }) => {
    const ranges: [number, number][] = [];
    for (let from = 0; from < length; ) {
      const sector = SECTOR_BYTES - ((offset + from) % SECTOR_BYTES);
      const to = Math.min(from + sector, length);
      if (random.next() < 0.5) ranges.push([from, to]);
      from = to;
    }
    return ranges;
  };
}

/** The given share (0 to 1) of the i-th write, from its start. */
export function firstShare(share: (i: number) => number): Survival {
  return ({ bytes: { length } }, i) => {
    const kept = Math.floor(length * share(i));
    return kept > 0 ? [[0, kept]] : [];
  };
}
