import type { IPBlock } from "@raft2kube/api/gen/networking/v1.ts";

/** Numbers from `first` to `last`, both included: IPv4 addresses, or ports. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

/** The addresses of blocks of IPv4 without their exceptions, in order; none touches the next. */
export function blockRanges(blocks: readonly IPBlock[]): Range[] {
  return merged(blocks.filter(({ cidr }) => !cidr.includes(":")).flatMap(({ cidr, except = [] }) =>
    without(rangeOf(cidr), merged(except.map(rangeOf)))));
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

/** The range of a CIDR that the API server has validated; bits after the prefix are ignored. */
function rangeOf(cidr: string): Range {
  const [address = "", prefix = "32"] = cidr.split("/");
  const size = 2 ** (32 - Number(prefix));
  const first = Math.floor(addressNumber(address) / size) * size;
  return { first, last: first + size - 1 };
}

export function addressNumber(address: string): number {
  return address.split(".").reduce((number, part) => number * 256 + Number(part), 0);
}

/** A range of addresses as nft reads it. */
export function addressText({ first, last }: Range): string {
  const text = (number: number) =>
    [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
  return first === last ? text(first) : `${text(first)}-${text(last)}`;
}
