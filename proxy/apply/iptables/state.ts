import { CHAINS_OF_A_PORT, PORTS_PER_TRANSACTION } from "../../limits.ts";
import { isJump, type Jump, jumpText, LAYOUT, type Layout, type Rule, type Table } from "./base.ts";
import type { Fragment } from "./fragment.ts";
import { CHAINS, isOwnChain } from "./names.ts";

const EMPTY: Fragment = { shared: [], chains: new Map() };
export const TABLES: readonly Table[] = ["filter", "nat"];

/** The lines of iptables-save, by table. */
export type Saved = Readonly<Record<Table, readonly string[]>> & {
  /** Whether the rules of all but the built-in chains are left out. */
  readonly hasNamesAlone?: boolean;
};

/** Statements of one transaction, in the order in which iptables-restore needs them. */
class Section {
  readonly table: Table;
  readonly declared: string[] = [];
  readonly rules: string[] = [];
  readonly removed: string[] = [];

  constructor(table: Table) {
    this.table = table;
  }

  /** Declares a chain; one that exists is emptied. */
  declare(chain: string): void {
    this.declared.push(`:${chain} - [0:0]`);
  }

  remove(chain: string): void {
    this.declare(chain);
    this.removed.push(`-X ${chain}`);
  }

  /** The transaction's input; empty without statements. */
  text(): string {
    const statements = [...this.declared, ...this.rules, ...this.removed];
    if (statements.length === 0) return "";
    return `*${this.table}\n${statements.join("\n")}\nCOMMIT\n`;
  }
}

type Sections = Readonly<Record<Table, Section>>;

const newSections = (): Sections => ({ filter: new Section("filter"), nat: new Section("nat") });

/**
 * The content of the tables. Turns changes into input of `iptables-restore --noflush` that names
 * only the chains of Services that changed. Pure: the caller applies it.
 */
export class TablesState {
  readonly #layout: Layout;
  readonly #base: readonly Rule[];
  readonly #fragments = new Map<string, Fragment>();

  readonly #portsAtOnce: number;
  /** The Services' own chains, where all go in one transaction with the shared ones. */
  #own: Section[] = [];

  /**
   * `base`: the rules of the shared chains, which follow those of the Services. `portsAtOnce`:
   * Service ports in one transaction.
   */
  constructor(layout: Layout, base: readonly Rule[], portsAtOnce = PORTS_PER_TRANSACTION) {
    this.#layout = layout;
    this.#base = base;
    this.#portsAtOnce = portsAtOnce;
  }

  /**
   * Returns the input that replaces what `saved` has by these fragments: chains of other Services
   * are removed, missing jumps inserted.
   */
  rebuild(fragments: Iterable<readonly [string, Fragment]>, saved: Saved): string {
    return [...this.begin(fragments, saved), ...this.end(saved)].join("");
  }

  /**
   * The first part of a rebuild: the transactions of the Services' own chains, each made from the
   * next fragments when it is asked for. Chains that `saved` has with the same rules are left out:
   * to write one that exists takes the programs three times as long. `end` must follow.
   */
  *begin(fragments: Iterable<readonly [string, Fragment]>, saved: Saved): Generator<string> {
    this.#fragments.clear();
    this.#own = [];
    for (const section of this.#ownChains(fragments, rulesIn(saved.nat))) {
      if (this.#portsAtOnce === Infinity) this.#own.push(section);
      else yield section.text();
    }
  }

  *#ownChains(
    fragments: Iterable<readonly [string, Fragment]>,
    found: ReadonlyMap<string, readonly string[]>,
  ): Generator<Section> {
    let section = this.#portsAtOnce === Infinity ? new Section("nat") : this.#mark();
    let ports = 0;
    for (const [key, fragment] of fragments) {
      this.#fragments.set(key, fragment);
      const differing = [...fragment.chains].filter(
        ([name, rules]) => found.get(name)?.join("\n") !== rules.join("\n"),
      );
      if (differing.length === 0) continue;
      for (const [name, rules] of differing) write(section, name, rules);
      if (++ports % this.#portsAtOnce !== 0) continue;
      yield section;
      section = new Section("nat");
    }
    if (ports > 0) yield section;
  }

  /** The only shared chain that Services' own chains name, for those of a transaction before it. */
  #mark(): Section {
    const section = new Section("nat");
    const rules = this.#base.filter(({ chain }) => chain === CHAINS.markMasq);
    write(
      section,
      CHAINS.markMasq,
      rules.map(({ text }) => text),
    );
    return section;
  }

  /**
   * The other part: the shared chains, which lead to the Services' own, then the removal of those
   * of other Services.
   */
  end(saved: Saved): string[] {
    const all = [...this.#fragments.values()];
    const { shared } = this.#layout;
    const sections = newSections();
    for (const table of TABLES) for (const name of shared[table]) sections[table].declare(name);
    append(sections, descending(all.flatMap((fragment) => fragment.shared)));
    // After the Services': the jump to KUBE-NODEPORTS is the last rule of KUBE-SERVICES.
    append(sections, this.#base);
    for (const jump of missingJumps(saved, this.#layout)) {
      sections[jump.table].rules.push(`-I ${jump.from} ${jumpText(jump, this.#layout)}`);
    }
    const wanted = new Set(all.flatMap(({ chains }) => [...chains.keys()]));
    const stale = ownChains(saved, this.#layout).filter((name) => !wanted.has(name));
    return textsOf(
      [...this.#own, sections.filter, sections.nat, ...removals(stale, this.#portsAtOnce)],
      this.#portsAtOnce,
    );
  }

  /**
   * Records changes and returns their transactions; none if nothing differs. Of several, all
   * rules are added before any is deleted: a frontend that moves to another Service always has one.
   */
  change(changes: ReadonlyMap<string, Fragment | undefined>): string[] {
    const parts = inParts([...changes], this.#portsAtOnce).map((some) => {
      const [first, last] = [newSections(), newSections()];
      for (const [key, fragment] of some) {
        replace(this.#fragments.get(key) ?? EMPTY, fragment ?? EMPTY, first, last);
        if (fragment) this.#fragments.set(key, fragment);
        else this.#fragments.delete(key);
      }
      return { first, last };
    });
    const sections = [
      ...parts.flatMap(({ first }) => Object.values(first)),
      ...parts.flatMap(({ last }) => Object.values(last)),
    ];
    return textsOf(sections, parts.length > 1 ? this.#portsAtOnce : Infinity);
  }

  /**
   * Whether `saved` has all chains and the jumps to them, and in each chain as many rules as were
   * applied; the latter is not compared where it has the chains' names alone.
   */
  isIntact(saved: Saved): boolean {
    const wanted: Record<Table, Map<string, number>> = { filter: new Map(), nat: new Map() };
    const { shared } = this.#layout;
    for (const table of TABLES) for (const name of shared[table]) wanted[table].set(name, 0);
    const count = ({ table, chain }: Rule) =>
      wanted[table].set(chain, (wanted[table].get(chain) ?? 0) + 1);
    this.#base.forEach(count);
    for (const fragment of this.#fragments.values()) {
      fragment.shared.forEach(count);
      for (const [name, rules] of fragment.chains) wanted.nat.set(name, rules.length);
    }
    return (
      missingJumps(saved, this.#layout).length === 0 &&
      TABLES.every((table) => {
        const found = rulesIn(saved[table]);
        return [...wanted[table]].every(([name, rules]) =>
          saved.hasNamesAlone ? found.has(name) : found.get(name)?.length === rules,
        );
      })
    );
  }
}

/**
 * Adds a Service port's new rules and chains to `first`, and its shared rules that are gone to
 * `last`: with its chains that are gone then, to which those rules may jump.
 */
function replace(old: Fragment, now: Fragment, first: Sections, last: Sections): void {
  const texts = (fragment: Fragment) => new Set(fragment.shared.map(nameOf));
  const [before, after] = [texts(old), texts(now)];
  const gone = old.shared.filter((rule) => !after.has(nameOf(rule)));
  for (const [name, rules] of now.chains) {
    if (old.chains.get(name)?.join("\n") !== rules.join("\n")) write(first.nat, name, rules);
  }
  const { nat } = gone.length > 0 ? last : first;
  for (const name of old.chains.keys()) if (!now.chains.has(name)) nat.remove(name);
  for (const rule of gone) last[rule.table].rules.push(`-D ${rule.chain} ${rule.text}`);
  for (const rule of now.shared) {
    if (before.has(nameOf(rule))) continue;
    const verb = rule.table === "nat" && rule.chain === CHAINS.services ? "-I" : "-A";
    first[rule.table].rules.push(`${verb} ${rule.chain} ${rule.text}`);
  }
}

/**
 * Returns the input that removes our chains, and the jumps to them; empty if there are none of
 * ours. Upstream's kube-proxy, whose chains have the same names, has other jumps: ours go last, to
 * chains that the first transactions emptied, so that a removal that was interrupted is found and
 * can be repeated.
 */
export function removal(saved: Saved, layout: Layout, portsAtOnce = PORTS_PER_TRANSACTION): string {
  const [emptied, last] = [newSections(), newSections()];
  const missing = missingJumps(saved, layout);
  const jumps = layout.jumps.filter((jump) => !missing.includes(jump));
  if (jumps.length === 0) return "";
  for (const table of TABLES) {
    const there = chainsIn(saved[table]);
    for (const name of layout.shared[table].filter((shared) => there.includes(shared))) {
      emptied[table].declare(name);
      last[table].remove(name);
    }
  }
  for (const jump of jumps) {
    last[jump.table].rules.push(`-D ${jump.from} ${jumpText(jump, layout)}`);
  }
  return textsOf(
    [
      ...Object.values(emptied),
      ...removals(ownChains(saved, layout), portsAtOnce),
      ...Object.values(last),
    ],
    portsAtOnce,
  ).join("");
}

/** The chains of single Services that are there. */
function ownChains(saved: Saved, layout: Layout): string[] {
  return layout === LAYOUT ? chainsIn(saved.nat).filter(isOwnChain) : [];
}

/** Kinds of a Service's chains, each before those that its rules jump to. */
const KINDS = ["KUBE-FW-", "KUBE-EXT-", "KUBE-SV", "KUBE-SEP-"];

/** The transactions that remove chains to which no shared chain jumps. */
function removals(names: readonly string[], portsAtOnce: number): Section[] {
  const kind = (name: string) => KINDS.findIndex((prefix) => name.startsWith(prefix));
  const sorted = names.toSorted((a, b) => kind(a) - kind(b));
  return inParts(sorted, portsAtOnce * CHAINS_OF_A_PORT).map((some) => {
    const section = new Section("nat");
    for (const name of some) section.remove(name);
    return section;
  });
}

/** Whether the jumps of these tables are ours. */
export function hasJumps(saved: Saved, layout: Layout): boolean {
  return missingJumps(saved, layout).length < layout.jumps.length;
}

function missingJumps(saved: Saved, layout: Layout): Jump[] {
  const isMissing = (jump: Jump) => !saved[jump.table].some((line) => isJump(line, jump, layout));
  return layout.jumps.filter(isMissing);
}

function chainsIn(lines: readonly string[]): string[] {
  return lines.flatMap((line) => /^:(\S+) /.exec(line)?.[1] ?? []);
}

/** The rules of each chain, as iptables-save writes them. */
function rulesIn(lines: readonly string[]): Map<string, string[]> {
  const rules = new Map(chainsIn(lines).map((name): [string, string[]] => [name, []]));
  for (const line of lines) {
    if (!line.startsWith("-A ")) continue;
    const end = line.indexOf(" ", 3);
    rules.get(line.slice(3, end))?.push(line.slice(end + 1));
  }
  return rules;
}

const nameOf = ({ table, chain, text }: Rule) => `${table} ${chain} ${text}`;

function write(section: Section, chain: string, rules: readonly string[]): void {
  section.declare(chain);
  for (const rule of rules) section.rules.push(`-A ${chain} ${rule}`);
}

function append(sections: Sections, rules: readonly Rule[]): void {
  for (const { table, chain, text } of rules) sections[table].rules.push(`-A ${chain} ${text}`);
}

/**
 * Rules by the chain to which they jump, the last name first: iptables-nft-restore keeps the
 * chains of a transaction in a sorted list, which it searches from its start for each.
 */
function descending(rules: readonly Rule[]): Rule[] {
  const byTarget = rules.map((rule) => ({ rule, to: rule.text.slice(rule.text.lastIndexOf(" ")) }));
  return byTarget.sort((a, b) => (a.to < b.to ? 1 : a.to > b.to ? -1 : 0)).map(({ rule }) => rule);
}

/** Returns the transactions' input, as one of each table if all ports go in one. */
function textsOf(sections: readonly Section[], portsAtOnce: number): string[] {
  const transactions = portsAtOnce === Infinity ? merged(sections) : sections;
  return transactions.map((section) => section.text()).filter((text) => text !== "");
}

function merged(sections: readonly Section[]): Section[] {
  const whole = newSections();
  for (const { table, declared, rules, removed } of sections) {
    for (const line of declared) whole[table].declared.push(line);
    for (const line of rules) whole[table].rules.push(line);
    for (const line of removed) whole[table].removed.push(line);
  }
  return Object.values(whole);
}

function inParts<T>(all: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let from = 0; from < all.length; from += size) parts.push(all.slice(from, from + size));
  return parts;
}
