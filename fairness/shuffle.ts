import { createHash } from "node:crypto";

/** The bits of a flow's hash that are dealt; queues and hands that need more are invalid. */
const HASH_BITS = 60n;

/**
 * Shuffle sharding: deals a flow its hand, `size` different queues of `queues`. Two flows rarely
 * have the same hand, so that one that fills its queues leaves some to each other.
 */
export function dealHand(flow: string, queues: number, size: number): number[] {
  const digest = createHash("sha256").update(flow).digest();
  let left = digest.readBigUInt64LE() & ((1n << HASH_BITS) - 1n);
  const hand: number[] = [];
  for (let dealt = 0; dealt < size; dealt++) {
    const remaining = BigInt(queues - dealt);
    hand.push(nth(Number(left % remaining), hand));
    left /= remaining;
  }
  return hand;
}

/** The card at a position of those that are not dealt yet. */
function nth(position: number, dealt: readonly number[]): number {
  let card = position;
  for (const taken of dealt.toSorted((a, b) => a - b)) {
    if (taken <= card) card++;
  }
  return card;
}
