import { pick, type Random, randomInteger, shuffled } from "@raft2kube/std/random.ts";

/** The shapes in which a network comes apart. */
export const PARTITIONS = ["symmetric", "one-way", "isolate one", "ring", "bridge"] as const;
export type PartitionShape = (typeof PARTITIONS)[number];

/** A pair `from>to` whose messages do not arrive. */
export const link = (from: bigint, to: bigint): string => `${from}>${to}`;

/**
 * The links that a partition of this shape cuts.
 * ring: each reaches only its two neighbours. bridge: two halves that only one member reaches both.
 */
export function cutLinks(shape: PartitionShape, ids: readonly bigint[], random: Random): string[] {
  const order = shuffled(random, ids);
  switch (shape) {
    case "symmetric": {
      const left = order.slice(0, randomInteger(random, 1, order.length));
      return between(
        left,
        order.filter((id) => !left.includes(id)),
      );
    }
    case "one-way": {
      const left = order.slice(0, randomInteger(random, 1, order.length));
      const right = order.filter((id) => !left.includes(id));
      return left.flatMap((from) => right.map((to) => link(from, to)));
    }
    case "isolate one": {
      const one = pick(random, order);
      return between(
        [one],
        order.filter((id) => id !== one),
      );
    }
    case "ring":
      return order.flatMap((from, i) =>
        order.flatMap((to, j) => {
          const apart = Math.abs(i - j);
          const near = apart <= 1 || apart === order.length - 1;
          return near ? [] : [link(from, to)];
        }),
      );
    case "bridge": {
      const rest = order.slice(1);
      const half = rest.slice(0, Math.floor(rest.length / 2));
      return between(half, rest.slice(half.length));
    }
  }
}

function between(left: readonly bigint[], right: readonly bigint[]): string[] {
  return left.flatMap((a) => right.flatMap((b) => [link(a, b), link(b, a)]));
}
