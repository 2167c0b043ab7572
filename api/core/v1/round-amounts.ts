import { milliQuantity } from "@raft2kube/std/quantity.ts";

type Amounts = Record<string, string>;

/** Matches amounts that may be below a thousandth; others need no parsing. */
const MAY_BE_FINE = /[nu.]|[eE]-/;

/** Rounds amounts up to thousandths, in place, as upstream's SetDefaults_ResourceList. */
export function roundAmounts(...lists: (Amounts | undefined)[]): void {
  for (const list of lists) {
    for (const [name, amount] of Object.entries(list ?? {})) {
      if (MAY_BE_FINE.test(amount)) list![name] = milliQuantity(amount);
    }
  }
}

/** Rounds what a container, a pod or a claim asks for. */
export function roundResources(asked: { requests?: Amounts; limits?: Amounts } | undefined): void {
  roundAmounts(asked?.requests, asked?.limits);
}
