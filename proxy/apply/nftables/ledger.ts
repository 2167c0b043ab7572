import { assert } from "@raft2kube/std/assert.ts";
import { ELEMENTS_PER_STATEMENT } from "../../limits.ts";
import type { Element, Fragment } from "./fragment.ts";

/** A fragment to put in the place of the owner's earlier one; `undefined` takes that one away. */
export interface Change {
  owner: string;
  fragment: Fragment | undefined;
}

interface Claim {
  element: Element;
  /** Values by owner, the first one counts: a second Service cannot take over a node port. */
  values: Map<string, string>;
}

/**
 * Keeps what stands in the table and turns changes into the statements of one transaction: only
 * what differs is written. Pure: nothing here touches the kernel.
 */
export class Ledger {
  readonly #table: string;
  readonly #fragments = new Map<string, Fragment>();
  readonly #claims = new Map<string, Claim>();

  constructor(table: string) {
    this.#table = table;
  }

  /**
   * The statements that bring the table from the earlier changes to these; empty when none differ.
   */
  apply(changes: readonly Change[]): string {
    const before = changes.map(({ owner }) => this.#fragments.get(owner));
    const touched = new Map<string, string | undefined>();
    for (const [at, change] of changes.entries()) this.#forget(change, before[at], touched);
    for (const { owner, fragment } of changes) {
      if (fragment) this.#remember(owner, fragment, touched);
    }
    const pairs = changes.map(({ fragment }, at) => ({ old: before[at], now: fragment }));
    return this.#statements(pairs, touched);
  }

  /** Owners whose claim of an element another owner has: `owner` wants `key`, `holder` has it. */
  conflicts(owner: string): { key: string; holder: string }[] {
    const elements = this.#fragments.get(owner)?.elements ?? [];
    return elements.flatMap((element) => {
      const values = this.#claims.get(idOf(element))?.values;
      const [holder, value] = values?.entries().next().value ?? [];
      if (holder === undefined || value === element.value) return [];
      return [{ key: element.key, holder }];
    });
  }

  #forget(
    { owner, fragment: next }: Change,
    old: Fragment | undefined,
    touched: Map<string, string | undefined>,
  ): void {
    if (!old) return;
    this.#fragments.delete(owner);
    const kept = new Set(next?.elements.map(idOf));
    for (const element of old.elements) {
      const id = idOf(element);
      const claim = this.#claims.get(id);
      assert(claim !== undefined, `the claim of ${owner} on ${id} is lost`);
      if (!touched.has(id)) touched.set(id, valueOf(claim));
      // What is claimed again keeps its turn among the claims.
      if (!kept.has(id)) claim.values.delete(owner);
    }
  }

  #remember(owner: string, fragment: Fragment, touched: Map<string, string | undefined>): void {
    this.#fragments.set(owner, fragment);
    for (const element of fragment.elements) {
      const id = idOf(element);
      const claim = this.#claims.get(id) ?? { element, values: new Map<string, string>() };
      if (!touched.has(id)) touched.set(id, valueOf(claim));
      claim.values.set(owner, element.value);
      this.#claims.set(id, claim);
    }
  }

  #statements(
    pairs: { old: Fragment | undefined; now: Fragment | undefined }[],
    touched: Map<string, string | undefined>,
  ): string {
    const table = this.#table;
    const make: string[] = [];
    const fill: string[] = [];
    const sweep: string[] = [];
    for (const { old, now } of pairs) {
      for (const [name, definition] of now?.sets ?? []) {
        if (!old?.sets.has(name)) make.push(`add set ip ${table} ${name} { ${definition} }`);
      }
      for (const [name, rules] of now?.chains ?? []) {
        const known = old?.chains.get(name);
        if (known?.join("\n") === rules.join("\n")) continue;
        make.push(known ? `flush chain ip ${table} ${name}` : `add chain ip ${table} ${name}`);
        for (const rule of rules) fill.push(`add rule ip ${table} ${name} ${rule}`);
      }
    }
    const elements = this.#elementStatements(touched);
    const removed = pairs.flatMap(({ old, now }) =>
      [...(old?.chains.keys() ?? [])].filter((name) => !now?.chains.has(name)),
    );
    // All are emptied before the first is deleted: they refer to one another.
    for (const name of removed) sweep.push(`flush chain ip ${table} ${name}`);
    for (const name of removed) sweep.push(`delete chain ip ${table} ${name}`);
    for (const { old, now } of pairs) {
      for (const name of old?.sets.keys() ?? []) {
        if (!now?.sets.has(name)) sweep.push(`delete set ip ${table} ${name}`);
      }
    }
    const lines = [...make, ...fill, ...elements, ...sweep];
    return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
  }

  #elementStatements(touched: Map<string, string | undefined>): string[] {
    const gone = new Map<string, string[]>();
    const come = new Map<string, string[]>();
    const into = (lists: Map<string, string[]>, set: string, text: string) => {
      const list = lists.get(set);
      if (list) list.push(text);
      else lists.set(set, [text]);
    };
    for (const [id, was] of touched) {
      const claim = this.#claims.get(id);
      assert(claim !== undefined, `the claim on ${id} is lost`);
      const is = valueOf(claim);
      if (claim.values.size === 0) this.#claims.delete(id);
      if (was === is) continue;
      const { set, key } = claim.element;
      if (was !== undefined) into(gone, set, key);
      if (is !== undefined) into(come, set, is === "" ? key : `${key} : ${is}`);
    }
    return [
      ...statementsOf("delete", this.#table, gone),
      ...statementsOf("add", this.#table, come),
    ];
  }
}

function statementsOf(verb: string, table: string, lists: Map<string, string[]>): string[] {
  return [...lists].flatMap(([set, elements]) => {
    const statements: string[] = [];
    for (let at = 0; at < elements.length; at += ELEMENTS_PER_STATEMENT) {
      const some = elements.slice(at, at + ELEMENTS_PER_STATEMENT).join(", ");
      statements.push(`${verb} element ip ${table} ${set} { ${some} }`);
    }
    return statements;
  });
}

const idOf = ({ set, key }: Element) => `${set} ${key}`;

function valueOf(claim: Claim): string | undefined {
  return claim.values.values().next().value;
}
