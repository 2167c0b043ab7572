import { assert } from "./assert.ts";

/** Items of a leaf, children of a branch. More means fewer levels, and more copied per change. */
const WIDTH_MAX = 32;
const WIDTH_MIN = WIDTH_MAX / 4;

export type Keyed = { readonly key: string };

type Leaf<T> = { readonly items: readonly T[] };

interface Branch<T> {
  readonly children: readonly Node<T>[];
  /** The first key below each child. */
  readonly firsts: readonly string[];
  /** Items below. */
  readonly size: number;
}

type Node<T> = Leaf<T> | Branch<T>;

/**
 * Items in order of their keys, in a B-tree that is never changed: `set` and `delete` copy the few
 * nodes on the path and share all others with the previous tree. A reference to a tree is therefore
 * a snapshot of the whole, at the cost of a pointer.
 */
export class OrderedTree<T extends Keyed> {
  readonly #root: Node<T>;

  private constructor(root: Node<T>) {
    this.#root = root;
  }

  static empty<T extends Keyed>(): OrderedTree<T> {
    return new OrderedTree<T>({ items: [] });
  }

  /** Makes a tree of items that are in order, each key once. */
  static of<T extends Keyed>(sorted: readonly T[]): OrderedTree<T> {
    let level: Node<T>[] = pieces(sorted, (items) => ({ items }));
    while (level.length > 1) level = pieces(level, (children) => branchOf(children));
    return new OrderedTree<T>(level[0] ?? { items: [] });
  }

  get size(): number {
    return sizeOf(this.#root);
  }

  get(key: string): T | undefined {
    let node = this.#root;
    while ("children" in node) node = node.children[childFor(node, key)]!;
    const item = node.items[positionIn(node.items, key)];
    return item?.key === key ? item : undefined;
  }

  /** The tree with `item` in place of the one with its key, if any. */
  set(item: T): OrderedTree<T> {
    const nodes = put(this.#root, item);
    return new OrderedTree<T>(nodes.length === 1 ? nodes[0]! : branchOf(nodes));
  }

  /** The tree without `key`; the same tree when it is not there. */
  delete(key: string): OrderedTree<T> {
    if (this.get(key) === undefined) return this;
    let root = remove(this.#root, key);
    while ("children" in root && root.children.length === 1) root = root.children[0]!;
    return new OrderedTree<T>(root);
  }

  /** Visits the items from `start` on, below `end`, in order, until `visit` says false. */
  walk(start: string, end: string, visit: (item: T) => boolean | void): void {
    walk(this.#root, start, end, visit);
  }

  /** How many items lie from `start` on, below `end`. Looks at one path for each, not at all. */
  count(start: string, end: string): number {
    return start < end ? before(this.#root, end) - before(this.#root, start) : 0;
  }

  /** All items, in order. */
  all(): T[] {
    const items: T[] = [];
    collect(this.#root, items);
    return items;
  }
}

const sizeOf = <T>(node: Node<T>): number => ("children" in node ? node.size : node.items.length);

function firstKey<T extends Keyed>(node: Node<T>): string {
  return "children" in node ? node.firsts[0]! : node.items[0]!.key;
}

function branchOf<T extends Keyed>(children: readonly Node<T>[]): Branch<T> {
  assert(children.length > 0, "a branch without children");
  let size = 0;
  for (const child of children) size += sizeOf(child);
  return { children, firsts: children.map(firstKey), size };
}

/** Cuts a level into nodes of about the same width. */
function pieces<X, N>(items: readonly X[], make: (part: readonly X[]) => N): N[] {
  const count = Math.ceil(items.length / WIDTH_MAX);
  const cut = (i: number) => Math.round((i * items.length) / count);
  return Array.from({ length: count }, (_, i) => make(items.slice(cut(i), cut(i + 1))));
}

/** The first position whose key is not below `key`. */
function positionIn<T extends Keyed>(items: readonly T[], key: string): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (items[middle]!.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The child that has `key`, or would have it. */
function childFor<T>({ firsts }: Branch<T>, key: string): number {
  let low = 1;
  let high = firsts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (firsts[middle]! <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** One node, or two when it became too wide. */
function put<T extends Keyed>(node: Node<T>, item: T): Node<T>[] {
  if ("children" in node) {
    const at = childFor(node, item.key);
    return pieces(node.children.toSpliced(at, 1, ...put(node.children[at]!, item)), (children) =>
      branchOf(children),
    );
  }
  const at = positionIn(node.items, item.key);
  const replaced = node.items[at]?.key === item.key ? 1 : 0;
  return pieces(node.items.toSpliced(at, replaced, item), (items) => ({ items }));
}

/** The node without `key`, which is in it. Only a root may come out empty. */
function remove<T extends Keyed>(node: Node<T>, key: string): Node<T> {
  if (!("children" in node)) return { items: node.items.toSpliced(positionIn(node.items, key), 1) };
  const at = childFor(node, key);
  const child = remove(node.children[at]!, key);
  if (widthOf(child) >= WIDTH_MIN || node.children.length === 1) {
    return branchOf(node.children.with(at, child));
  }
  // Too narrow: it is joined with a neighbour, and both are split again.
  const left = at === 0 ? child : node.children[at - 1]!;
  const right = at === 0 ? node.children[1]! : child;
  return branchOf(node.children.toSpliced(Math.max(0, at - 1), 2, ...join(left, right)));
}

function widthOf<T>(node: Node<T>): number {
  return "children" in node ? node.children.length : node.items.length;
}

/** Two neighbours of one level as one node, or as two of about the same width. */
function join<T extends Keyed>(left: Node<T>, right: Node<T>): Node<T>[] {
  if ("children" in left) {
    assert("children" in right, "neighbours of different levels");
    return pieces([...left.children, ...right.children], (children) => branchOf(children));
  }
  assert("items" in right, "neighbours of different levels");
  return pieces([...left.items, ...right.items], (items) => ({ items }));
}

function walk<T extends Keyed>(
  node: Node<T>,
  start: string,
  end: string,
  visit: (item: T) => boolean | void,
): boolean {
  if ("children" in node) {
    for (let at = childFor(node, start); at < node.children.length; at++) {
      if (node.firsts[at]! >= end) return false;
      if (!walk(node.children[at]!, start, end, visit)) return false;
    }
    return true;
  }
  for (let at = positionIn(node.items, start); at < node.items.length; at++) {
    const item = node.items[at]!;
    if (item.key >= end || visit(item) === false) return false;
  }
  return true;
}

/** How many items have keys below `key`. */
function before<T extends Keyed>(node: Node<T>, key: string): number {
  if (!("children" in node)) return positionIn(node.items, key);
  const at = childFor(node, key);
  let count = before(node.children[at]!, key);
  for (let i = 0; i < at; i++) count += sizeOf(node.children[i]!);
  return count;
}

function collect<T>(node: Node<T>, into: T[]): void {
  if ("children" in node) for (const child of node.children) collect(child, into);
  else for (const item of node.items) into.push(item);
}
