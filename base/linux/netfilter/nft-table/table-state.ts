import { type Difference, Ownership } from "../ownership.ts";
import type { Element, Fragment } from "./fragment.ts";
import type { Shape } from "./shape.ts";

/** Elements in one statement of a transaction. */
const ELEMENTS_PER_STATEMENT = 500;

/** Replaces the owner's fragment; `undefined` removes it. */
export type Change = { owner: string; fragment: Fragment | undefined };

/** Separates the set from the key in an element's name; neither contains it. */
const SEPARATOR = "\t";

/** The objects that an owner needs, by kind. */
interface Wanted {
  chains: ReadonlyMap<string, string>;
  sets: ReadonlyMap<string, string>;
  elements: ReadonlyMap<string, string>;
}

const NOTHING: Wanted = { chains: new Map(), sets: new Map(), elements: new Map() };

/** The names of the wanted elements; only names are kept, as there are many. */
type Names = Readonly<Record<keyof Wanted, readonly string[]>>;

const NONE: readonly string[] = [];
const NO_NAMES: Names = { chains: NONE, sets: NONE, elements: NONE };

/**
 * The content of the table. Turns changes into the statements of one transaction, which contains
 * only the differences. Pure: the caller applies the transaction.
 */
export class TableState {
  readonly #table: string;
  readonly #names = new Map<string, Names>();
  readonly #chains = new Ownership();
  readonly #sets = new Ownership();
  readonly #elements = new Ownership();

  constructor(table: string) {
    this.#table = table;
  }

  /**
   * Records changes and returns their statements, empty if nothing differs: a step for each change,
   * and for each statement of elements.
   */
  *apply(changes: Iterable<Change>): Generator<void, string> {
    const next: { owner: string; now: Wanted; isRemoval: boolean }[] = [];
    for (const { owner, fragment } of changes) {
      const now = fragment ? wantedOf(fragment) : NOTHING;
      next.push({ owner, now, isRemoval: !fragment });
      const old = this.#names.get(owner) ?? NO_NAMES;
      this.#chains.release(owner, old.chains, now.chains);
      this.#sets.release(owner, old.sets, now.sets);
      this.#elements.release(owner, old.elements, now.elements);
      yield;
    }
    for (const { owner, now, isRemoval } of next) {
      this.#chains.acquire(owner, now.chains);
      this.#sets.acquire(owner, now.sets);
      this.#elements.acquire(owner, now.elements);
      if (isRemoval) this.#names.delete(owner);
      else this.#names.set(owner, namesOf(now));
      yield;
    }
    const lines = yield* this.#statements(
      this.#chains.take(),
      this.#sets.take(),
      this.#elements.take(),
    );
    return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
  }

  /** Returns the elements that `owner` needs with another value than the one that applies. */
  conflicts(owner: string): { key: string; owner: string }[] {
    const { elements } = this.#names.get(owner) ?? NO_NAMES;
    return elements.flatMap((name) => {
      const other = this.#elements.conflictingOwner(name, owner);
      return other === undefined ? [] : [{ key: elementOf(name).key, owner: other }];
    });
  }

  /** Returns how much of each chain and set the owners fill. */
  shape(): Shape {
    const rules = new Map<string, number>();
    const elements = new Map<string, number>();
    for (const [name, text] of this.#chains.applied()) rules.set(name, text.split("\n").length);
    for (const [name] of this.#elements.applied()) {
      const { set } = elementOf(name);
      elements.set(set, (elements.get(set) ?? 0) + 1);
    }
    return { rules, elements };
  }

  *#statements(
    chains: Difference[],
    sets: Difference[],
    elements: Difference[],
  ): Generator<void, string[]> {
    const at = (name: string) => `ip ${this.#table} ${name}`;
    const declared: string[] = [];
    const rules: string[] = [];
    for (const { name, was, is } of sets) {
      if (was === undefined) declared.push(`add set ${at(name)} { ${is} }`);
    }
    for (const { name, was, is } of chains) {
      if (is === undefined) continue;
      declared.push(was === undefined ? `add chain ${at(name)}` : `flush chain ${at(name)}`);
      for (const rule of is.split("\n")) rules.push(`add rule ${at(name)} ${rule}`);
    }
    const removed = chains.filter(({ is }) => is === undefined);
    return [
      ...declared,
      ...rules,
      ...(yield* this.#elementStatements(
        "delete",
        elements.filter(({ was }) => was !== undefined),
      )),
      ...(yield* this.#elementStatements(
        "add",
        elements.filter(({ is }) => is !== undefined),
      )),
      // All are flushed before the first is deleted, since they refer to one another.
      ...removed.map(({ name }) => `flush chain ${at(name)}`),
      ...removed.map(({ name }) => `delete chain ${at(name)}`),
      ...sets.filter(({ is }) => is === undefined).map(({ name }) => `delete set ${at(name)}`),
    ];
  }

  *#elementStatements(
    verb: "add" | "delete",
    differences: Difference[],
  ): Generator<void, string[]> {
    const bySet = new Map<string, string[]>();
    for (const { name, is } of differences) {
      const { set, key } = elementOf(name);
      const text = verb === "add" && is ? `${key} : ${is}` : key;
      const list = bySet.get(set);
      if (list) list.push(text);
      else bySet.set(set, [text]);
    }
    const statements: string[] = [];
    for (const [set, elements] of bySet) {
      for (let from = 0; from < elements.length; from += ELEMENTS_PER_STATEMENT) {
        const some = elements.slice(from, from + ELEMENTS_PER_STATEMENT).join(", ");
        statements.push(`${verb} element ip ${this.#table} ${set} { ${some} }`);
        yield;
      }
    }
    return statements;
  }
}

const wantedOf = ({ chains, sets, elements }: Fragment): Wanted => ({
  chains: new Map([...chains].map(([name, rules]) => [name, rules.join("\n")])),
  sets,
  elements: new Map(elements.map((element) => [nameOf(element), element.value])),
});

function namesOf({ chains, sets, elements }: Wanted): Names {
  const all = (named: ReadonlyMap<string, string>) => (named.size > 0 ? [...named.keys()] : NONE);
  return { chains: all(chains), sets: all(sets), elements: all(elements) };
}

const nameOf = ({ set, key }: Element): string => `${set}${SEPARATOR}${key}`;

function elementOf(name: string): { set: string; key: string } {
  const at = name.indexOf(SEPARATOR);
  return { set: name.slice(0, at), key: name.slice(at + 1) };
}
