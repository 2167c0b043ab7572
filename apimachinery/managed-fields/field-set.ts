import { parseExact } from "@raft2kube/std/exact-json.ts";
import { ODDITY_CHARACTERS_MAX } from "../limits.ts";

/** The children of a leaf. Most sets are leaves, so these have no map of their own. */
const NOTHING: ReadonlyMap<string, FieldSet> = new Map();

/**
 * A set of fields of an object, as a tree of path elements in the notation of managedFields:
 * `f:name` a field, `k:{"name":"a"}` an item of a list by its keys, `v:"x"` an item of a set by its
 * value.
 */
export class FieldSet {
  /** Whether the field at this place is in the set itself, not only fields below it. */
  member = false;
  #children: Map<string, FieldSet> | undefined;

  constructor(children?: Map<string, FieldSet>) {
    this.#children = children;
  }

  get children(): ReadonlyMap<string, FieldSet> {
    return this.#children ?? NOTHING;
  }

  /** A field that is owned, and nothing below it. */
  static whole(): FieldSet {
    const set = new FieldSet();
    set.member = true;
    return set;
  }

  /** Reads a FieldsV1. */
  static fromJson(json: unknown): FieldSet {
    const set = new FieldSet();
    for (const [element, below] of Object.entries((json ?? {}) as Record<string, object>)) {
      if (element === ".") set.member = true;
      else set.#put(element, childFromJson(below));
    }
    return set;
  }

  /**
   * The FieldsV1 of this set; a leaf is `{}`, a member with fields below it has the element `.`.
   */
  toJson(): { [element: string]: never } {
    return (this.#json() ?? {}) as { [element: string]: never };
  }

  #json(): object | undefined {
    if (this.children.size === 0) return this.member ? {} : undefined;
    const json: Record<string, unknown> = this.member ? { ".": {} } : {};
    let empty = true;
    for (const element of sorted(this.children.keys())) {
      const below = this.children.get(element)!.#json();
      if (below === undefined) continue;
      json[element] = below;
      empty = false;
    }
    if (!empty) return json;
    return this.member ? {} : undefined;
  }

  get empty(): boolean {
    if (this.member) return false;
    for (const child of this.children.values()) if (!child.empty) return false;
    return true;
  }

  child(element: string): FieldSet {
    let child = this.children.get(element);
    if (child === undefined) {
      child = new FieldSet();
      this.#put(element, child);
    }
    return child;
  }

  #put(element: string, child: FieldSet): void {
    this.#children ??= new Map();
    this.#children.set(element, child);
  }

  /** Fields of any, joined in pairs: a single sum would be copied for each of thousands. */
  static unionOf(sets: readonly FieldSet[]): FieldSet {
    const half = sets.length >> 1;
    if (half === 0) return sets[0] ?? new FieldSet();
    return FieldSet.unionOf(sets.slice(0, half)).union(FieldSet.unionOf(sets.slice(half)));
  }

  /** Fields of either. Sets that are combined share what they have in common. */
  union(other: FieldSet): FieldSet {
    let children: Map<string, FieldSet> | undefined;
    for (const [element, theirs] of other.children) {
      const own = this.children.get(element);
      const joined = own?.union(theirs) ?? theirs;
      if (joined === own) continue;
      children ??= new Map(this.children);
      children.set(element, joined);
    }
    return this.#with(this.member || other.member, children);
  }

  /** Fields of this one that the other has not; this very set when it loses nothing. */
  difference(other: FieldSet): FieldSet {
    let children: Map<string, FieldSet> | undefined;
    for (const element of this.#common(other)) {
      const own = this.children.get(element)!;
      const left = own.difference(other.children.get(element)!);
      if (left === own) continue;
      children ??= new Map(this.children);
      if (left.empty) children.delete(element);
      else children.set(element, left);
    }
    return this.#with(this.member && !other.member, children);
  }

  /** The set whose parts are what `change` makes of them; this very set when it changes none. */
  mapped(change: (element: string, below: FieldSet) => FieldSet): FieldSet {
    let children: Map<string, FieldSet> | undefined;
    for (const [element, below] of this.children) {
      const changed = change(element, below);
      if (changed === below) continue;
      children ??= new Map(this.children);
      children.set(element, changed);
    }
    return this.#with(this.member, children);
  }

  /** Fields of both. */
  intersection(other: FieldSet): FieldSet {
    const set = new FieldSet();
    set.member = this.member && other.member;
    for (const element of this.#common(other)) {
      const common = this.children.get(element)!.intersection(other.children.get(element)!);
      if (!common.empty) set.#put(element, common);
    }
    return set;
  }

  /** Elements of both, at the cost of the smaller: thousands of owners may have a field each. */
  *#common({ children }: FieldSet): Generator<string> {
    const own = this.children;
    const [few, many] = own.size < children.size ? [own, children] : [children, own];
    for (const element of few.keys()) if (many.has(element)) yield element;
  }

  #with(member: boolean, children: Map<string, FieldSet> | undefined): FieldSet {
    if (children === undefined && member === this.member) return this;
    const set = new FieldSet(children ?? this.#children);
    set.member = member;
    return set;
  }

  /** The paths of all members, as elements, in upstream's order: nearer ones first. */
  *paths(prefix: readonly string[] = []): Generator<readonly string[]> {
    const elements = sorted(this.children.keys());
    for (const element of elements) {
      if (this.children.get(element)!.member) yield [...prefix, element];
    }
    for (const element of elements) yield* this.children.get(element)!.paths([...prefix, element]);
  }

  /** Makes the field at a path a member. */
  insert(path: readonly string[]): void {
    this.at(path).member = true;
  }

  /** The set of the field at a path, made where there is none. */
  at(path: readonly string[]): FieldSet {
    let set: FieldSet = this;
    for (const element of path) set = set.child(element);
    return set;
  }

  /** Takes a field and all below it out of this set. */
  cut(path: readonly string[]): void {
    const parent = this.#at(path.slice(0, -1));
    if (parent) parent.#children?.delete(path.at(-1)!);
  }

  /** Takes a field out of this set, and leaves what is below it. */
  unset(path: readonly string[]): void {
    const set = this.#at(path);
    if (set) set.member = false;
  }

  #at(path: readonly string[]): FieldSet | undefined {
    let set: FieldSet | undefined = this;
    for (const element of path) set = set?.children.get(element);
    return set;
  }
}

/** The most elements for which insertion sort is faster than the library's sort. */
const INSERTION_SORT_MAX = 16;

/** Elements in upstream's order, which is that of `sort()`: dozens of short lists in each write. */
function sorted(elements: Iterable<string>): string[] {
  const all = [...elements];
  if (all.length > INSERTION_SORT_MAX) return all.sort();
  for (let i = 1; i < all.length; i++) {
    const element = all[i]!;
    let at = i;
    for (; at > 0 && all[at - 1]! > element; at--) all[at] = all[at - 1]!;
    all[at] = element;
  }
  return all;
}

function childFromJson(json: object): FieldSet {
  const set = FieldSet.fromJson(json);
  if (set.children.size === 0) set.member = true;
  return set;
}

/** A path as conflicts name it: `.spec.containers[name="a"].image`. */
export function pathText(path: readonly string[]): string {
  return shortened(path.map((element) => shortened(elementText(element))).join(""));
}

function elementText(element: string): string {
  const rest = element.slice(2);
  if (element.startsWith("f:")) return `.${rest}`;
  if (element.startsWith("v:")) return `[=${rest}]`;
  if (rest.length > ODDITY_CHARACTERS_MAX) return `[${rest.slice(0, ODDITY_CHARACTERS_MAX)}`;
  const keys = parseExact(rest) as Record<string, unknown>;
  const terms = Object.entries(keys).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return `[${terms.join(",")}]`;
}

/** A path as far as a finding shows it: many may be below one long key. */
export const shortened = (path: string): string => path.slice(0, ODDITY_CHARACTERS_MAX);
