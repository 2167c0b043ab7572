import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";

const CHANGES_MAX = 6;
/** Numbers at which code tends to change its mind. */
const EDGES = [0, 1, 2, 7, 8, 0x7f, 0x80, 0xff];

/** An input with some bytes changed, moved, doubled, cut out or put in. */
export function mutate(bytes: Buffer, other: Buffer, random: Random): Buffer {
  let mutated: Buffer = Buffer.from(bytes);
  for (let left = randomInteger(random, 1, CHANGES_MAX + 1); left > 0; left--) {
    mutated = pick(random, CHANGES)(mutated, other, random);
  }
  return mutated;
}

type Change = (bytes: Buffer, other: Buffer, random: Random) => Buffer;

/** A stretch of an input, short ones likelier. */
function stretch(bytes: Buffer, random: Random): { from: number; to: number } {
  const from = randomInteger(random, 0, bytes.length + 1);
  const length = Math.floor(2 ** (random.next() * 10)) - 1;
  return { from, to: Math.min(bytes.length, from + length) };
}

const CHANGES: readonly Change[] = [
  (bytes, _other, random) => {
    if (bytes.length > 0) {
      bytes[randomInteger(random, 0, bytes.length)]! ^= 1 << randomInteger(random, 0, 8);
    }
    return bytes;
  },
  (bytes, _other, random) => {
    if (bytes.length > 0) bytes[randomInteger(random, 0, bytes.length)] = pick(random, EDGES);
    return bytes;
  },
  (bytes, _other, random) => {
    const { from, to } = stretch(bytes, random);
    return bytes.fill(pick(random, EDGES), from, to);
  },
  (bytes, _other, random) => {
    const { from, to } = stretch(bytes, random);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  (bytes, other, random) => {
    const { from } = stretch(bytes, random);
    const piece = stretch(other, random);
    const inserted = other.subarray(piece.from, piece.to);
    return Buffer.concat([bytes.subarray(0, from), inserted, bytes.subarray(from)]);
  },
  (bytes, _other, random) => bytes.subarray(0, randomInteger(random, 0, bytes.length + 1)),
];
