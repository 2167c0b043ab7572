import { ELEMENTS_PER_STATEMENT } from "../../limits.ts";
import { Claims, type Difference } from "./claims.ts";
import type { Element, Fragment } from "./fragment.ts";

/** A fragment to put in the place of the owner's earlier one; `undefined` takes that one away. */
export interface Change {
  owner: string;
  fragment: Fragment | undefined;
}

/** Separates a set from the key in an element's name; neither can hold it. */
const SEPARATOR = "\t";

/** What an owner claims, by kind of object. */
interface Wanted {
  chains: Map<string, string>;
  sets: Map<string, string>;
  elements: Map<string, string>;
}

const NOTHING: Wanted = { chains: new Map(), sets: new Map(), elements: new Map() };

/**
 * Keeps what stands in the table and turns changes into the statements of one transaction: only
 * what differs is written. Pure: nothing here touches the kernel.
 */
export class Ledger {
  readonly #table: string;
  readonly #wanted = new Map<string, Wanted>();
  readonly #chains = new Claims();
  readonly #sets = new Claims();
  readonly #elements = new Claims();

  constructor(table: string) {
    this.#table = table;
  }

  /** The statements that bring the table from the earlier changes to these; empty: none. */
  apply(changes: readonly Change[]): string {
    const next = changes.map(({ fragment }) => (fragment ? wantedOf(fragment) : NOTHING));
    for (const [at, { owner }] of changes.entries()) {
      const old = this.#wanted.get(owner) ?? NOTHING;
      const now = next[at] ?? NOTHING;
      this.#chains.release(owner, old.chains.keys(), now.chains);
      this.#sets.release(owner, old.sets.keys(), now.sets);
      this.#elements.release(owner, old.elements.keys(), now.elements);
    }
    for (const [at, { owner, fragment }] of changes.entries()) {
      const now = next[at] ?? NOTHING;
      this.#chains.claim(owner, now.chains);
      this.#sets.claim(owner, now.sets);
      this.#elements.claim(owner, now.elements);
      if (fragment) this.#wanted.set(owner, now);
      else this.#wanted.delete(owner);
    }
    const lines = this.#statements(this.#chains.take(), this.#sets.take(), this.#elements.take());
    return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
  }

  /** What `owner` wants and another owner has. */
  conflicts(owner: string): { key: string; holder: string }[] {
    const elements = [...(this.#wanted.get(owner)?.elements ?? [])];
    return elements.flatMap(([name, value]) => {
      const holder = this.#elements.holder(name, value);
      return holder === undefined ? [] : [{ key: elementOf(name).key, holder }];
    });
  }

  #statements(chains: Difference[], sets: Difference[], elements: Difference[]): string[] {
    const at = (name: string) => `ip ${this.#table} ${name}`;
    const make: string[] = [];
    const fill: string[] = [];
    for (const { name, was, is } of sets) {
      if (was === undefined) make.push(`add set ${at(name)} { ${is} }`);
    }
    for (const { name, was, is } of chains) {
      if (is === undefined) continue;
      make.push(was === undefined ? `add chain ${at(name)}` : `flush chain ${at(name)}`);
      for (const rule of is.split("\n")) fill.push(`add rule ${at(name)} ${rule}`);
    }
    const gone = chains.filter(({ is }) => is === undefined);
    return [
      ...make,
      ...fill,
      ...this.#elementStatements("delete", elements.filter(({ was }) => was !== undefined)),
      ...this.#elementStatements("add", elements.filter(({ is }) => is !== undefined)),
      // All are emptied before the first is deleted: they refer to one another.
      ...gone.map(({ name }) => `flush chain ${at(name)}`),
      ...gone.map(({ name }) => `delete chain ${at(name)}`),
      ...sets.filter(({ is }) => is === undefined).map(({ name }) => `delete set ${at(name)}`),
    ];
  }

  #elementStatements(verb: "add" | "delete", differences: Difference[]): string[] {
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
      }
    }
    return statements;
  }
}

function wantedOf({ chains, sets, elements }: Fragment): Wanted {
  return {
    chains: new Map([...chains].map(([name, rules]) => [name, rules.join("\n")])),
    sets,
    elements: new Map(elements.map((element) => [nameOf(element), element.value])),
  };
}

function nameOf({ set, key }: Element): string {
  return `${set}${SEPARATOR}${key}`;
}

function elementOf(name: string): { set: string; key: string } {
  const at = name.indexOf(SEPARATOR);
  return { set: name.slice(0, at), key: name.slice(at + 1) };
}
