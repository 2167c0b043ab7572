import { own } from "@raft2kube/std/own.ts";

/** The part of a node selector's term, or of a label selector, that requires values of labels. */
interface Term {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

/**
 * Objects filed by a label value that a node must have to reach them, so that each node is compared
 * with its own alone: thousands of nodes have a local volume, or a capacity, each.
 */
export class Reachable<T> {
  readonly #unlabelled: T[] = [];
  readonly #labelled = new Map<string, Map<string, T[]>>();

  /** Files an object that a node reaches if one of `terms` holds for it; every node, without. */
  add(item: T, terms?: readonly Term[]): void {
    const required = terms?.map(requiredLabel);
    if (!required?.every((each) => each !== undefined)) {
      this.#unlabelled.push(item);
      return;
    }
    for (const { key, values } of required) {
      let byValue = this.#labelled.get(key);
      if (!byValue) this.#labelled.set(key, (byValue = new Map()));
      for (const value of values) {
        const list = byValue.get(value);
        if (list) list.push(item);
        else byValue.set(value, [item]);
      }
    }
  }

  /**
   * Yields what a node with these labels may reach, in lists in the order of addition. Only one
   * label of each term was looked at.
   */
  *of(labels: Readonly<Record<string, string>>): Iterable<readonly T[]> {
    yield this.#unlabelled;
    for (const [key, byValue] of this.#labelled) yield byValue.get(own(labels, key) ?? "") ?? [];
  }
}

/** Returns a label that a term requires, with its values; undefined if it requires none. */
function requiredLabel({ matchLabels = {}, matchExpressions = [] }: Term) {
  for (const [key, value] of Object.entries(matchLabels)) return { key, values: [value] };
  const found = matchExpressions.find(({ operator }) => operator === "In");
  return found && { key: found.key, values: found.values ?? [] };
}
