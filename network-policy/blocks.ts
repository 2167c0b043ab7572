import { addressOf, parseCidr } from "@raft2kube/api/cidr.ts";
import type { IPBlock } from "@raft2kube/api/gen/networking/v1.ts";

/** Numbers from `first` to `last`, both included: IPv4 addresses, or ports. */
export type Range = { readonly first: number; readonly last: number };

/** The addresses of blocks of IPv4 without their exceptions, in order; none touches the next. */
export function blockRanges(blocks: readonly IPBlock[]): Range[] {
  return merged(
    blocks.flatMap(({ cidr, except = [] }) => {
      const [whole, ...holes] = [cidr, ...except].flatMap((text) => rangeOf(text) ?? []);
      return whole && holes.length === except.length ? without(whole, merged(holes)) : [];
    }),
  );
}

/** Joins ranges that overlap or touch. */
export function merged(ranges: readonly Range[]): Range[] {
  const joined: { first: number; last: number }[] = [];
  for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
    const before = joined.at(-1);
    if (before && range.first <= before.last + 1) before.last = Math.max(before.last, range.last);
    else joined.push({ ...range });
  }
  return joined;
}

/** A range without others, which are in order and do not overlap. */
function without({ first, last }: Range, holes: readonly Range[]): Range[] {
  const left: Range[] = [];
  let from = first;
  for (const hole of holes) {
    if (hole.first > from) left.push({ first: from, last: Math.min(hole.first - 1, last) });
    from = Math.max(from, hole.last + 1);
  }
  return from <= last ? [...left, { first: from, last }] : left;
}

/** The range of an IPv4 CIDR; bits after the prefix are ignored. */
function rangeOf(text: string): Range | undefined {
  const cidr = parseCidr(text);
  return cidr?.family === "IPv4"
    ? { first: Number(cidr.first), last: Number(cidr.last) }
    : undefined;
}

/** A range of addresses as nft reads it. */
export function addressText({ first, last }: Range): string {
  const text = (number: number) => addressOf(BigInt(number), "IPv4");
  return first === last ? text(first) : `${text(first)}-${text(last)}`;
}
