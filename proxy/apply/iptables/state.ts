import { isJump, type Jump, jumpText, LAYOUT, type Layout, type Rule, type Table } from "./base.ts";
import type { Fragment } from "./fragment.ts";
import { CHAINS, isOwnChain } from "./names.ts";

const EMPTY: Fragment = { shared: [], chains: new Map() };
const TABLES: readonly Table[] = ["filter", "nat"];

/** The lines of iptables-save, by table. */
export type Saved = Readonly<Record<Table, readonly string[]>>;

/** Statements of one table in the order in which iptables-restore needs them. */
class Section {
  readonly declared: string[] = [];
  readonly rules: string[] = [];
  readonly removed: string[] = [];

  /** Declares a chain; one that exists is emptied. */
  declare(chain: string): void {
    this.declared.push(`:${chain} - [0:0]`);
  }

  remove(chain: string): void {
    this.declare(chain);
    this.removed.push(`-X ${chain}`);
  }

  lines(table: Table): string[] {
    const statements = [...this.declared, ...this.rules, ...this.removed];
    return statements.length === 0 ? [] : [`*${table}`, ...statements, "COMMIT"];
  }
}

/**
 * The content of the tables. Turns changes into input of `iptables-restore --noflush` that names
 * only the chains of Services that changed. Pure: the caller applies it.
 */
export class TablesState {
  readonly #layout: Layout;
  readonly #base: readonly Rule[];
  readonly #fragments = new Map<string, Fragment>();

  /** `base`: the rules of the shared chains, which follow those of the Services. */
  constructor(layout: Layout, base: readonly Rule[]) {
    this.#layout = layout;
    this.#base = base;
  }

  /**
   * Returns the input that replaces what `saved` has by these fragments: chains of other Services
   * are removed, missing jumps inserted.
   */
  rebuild(fragments: ReadonlyMap<string, Fragment>, saved: Saved): string {
    this.#fragments.clear();
    for (const [key, fragment] of fragments) this.#fragments.set(key, fragment);
    const sections = { filter: new Section(), nat: new Section() };
    const { shared } = this.#layout;
    for (const table of TABLES) for (const name of shared[table]) sections[table].declare(name);
    for (const fragment of fragments.values()) {
      for (const [name, rules] of fragment.chains) write(sections.nat, name, rules);
      append(sections, fragment.shared);
    }
    // After the Services': the jump to KUBE-NODEPORTS is the last rule of KUBE-SERVICES.
    append(sections, this.#base);
    const wanted = new Set([...fragments.values()].flatMap(({ chains }) => [...chains.keys()]));
    for (const name of chainsIn(saved.nat)) {
      if (this.#layout === LAYOUT && isOwnChain(name) && !wanted.has(name)) {
        sections.nat.remove(name);
      }
    }
    for (const jump of missingJumps(saved, this.#layout)) {
      sections[jump.table].rules.push(`-I ${jump.from} ${jumpText(jump, this.#layout)}`);
    }
    return inputOf(sections);
  }

  /** Records changes and returns their input; empty if nothing differs. */
  change(changes: ReadonlyMap<string, Fragment | undefined>): string {
    const sections = { filter: new Section(), nat: new Section() };
    for (const [key, fragment] of changes) {
      this.#replace(this.#fragments.get(key) ?? EMPTY, fragment ?? EMPTY, sections);
      if (fragment) this.#fragments.set(key, fragment);
      else this.#fragments.delete(key);
    }
    return inputOf(sections);
  }

  #replace(old: Fragment, now: Fragment, sections: Record<Table, Section>): void {
    for (const [name, rules] of now.chains) {
      if (old.chains.get(name)?.join("\n") !== rules.join("\n")) write(sections.nat, name, rules);
    }
    for (const name of old.chains.keys()) if (!now.chains.has(name)) sections.nat.remove(name);
    const texts = (fragment: Fragment) => new Set(fragment.shared.map(nameOf));
    const [before, after] = [texts(old), texts(now)];
    for (const rule of old.shared) {
      if (after.has(nameOf(rule))) continue;
      sections[rule.table].rules.push(`-D ${rule.chain} ${rule.text}`);
    }
    for (const rule of now.shared) {
      if (before.has(nameOf(rule))) continue;
      const verb = rule.table === "nat" && rule.chain === CHAINS.services ? "-I" : "-A";
      sections[rule.table].rules.push(`${verb} ${rule.chain} ${rule.text}`);
    }
  }

  /** Whether `saved` has all chains, as many rules in each as were applied, and the jumps. */
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
    return missingJumps(saved, this.#layout).length === 0 && TABLES.every((table) => {
      const found = rulesIn(saved[table]);
      return [...wanted[table]].every(([name, rules]) => found.get(name) === rules);
    });
  }
}

/**
 * Returns the input that removes our chains, and the jumps to them; empty if there are none of
 * ours. Upstream's kube-proxy, whose chains have the same names, has other jumps.
 */
export function removal(saved: Saved, layout: Layout): string {
  const sections = { filter: new Section(), nat: new Section() };
  const missing = missingJumps(saved, layout);
  const jumps = layout.jumps.filter((jump) => !missing.includes(jump));
  if (jumps.length === 0) return "";
  for (const jump of jumps) {
    sections[jump.table].rules.push(`-D ${jump.from} ${jumpText(jump, layout)}`);
  }
  for (const table of TABLES) {
    for (const name of chainsIn(saved[table])) {
      const isOurs = layout.shared[table].includes(name) || (layout === LAYOUT && isOwnChain(name));
      if (isOurs) sections[table].remove(name);
    }
  }
  return inputOf(sections);
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

function rulesIn(lines: readonly string[]): Map<string, number> {
  const counts = new Map(chainsIn(lines).map((name) => [name, 0]));
  for (const line of lines) {
    if (!line.startsWith("-A ")) continue;
    const name = line.slice(3, line.indexOf(" ", 3));
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

const nameOf = ({ table, chain, text }: Rule) => `${table} ${chain} ${text}`;

function write(section: Section, chain: string, rules: readonly string[]): void {
  section.declare(chain);
  for (const rule of rules) section.rules.push(`-A ${chain} ${rule}`);
}

function append(sections: Record<Table, Section>, rules: readonly Rule[]): void {
  for (const { table, chain, text } of rules) sections[table].rules.push(`-A ${chain} ${text}`);
}

function inputOf(sections: Record<Table, Section>): string {
  const lines = TABLES.flatMap((table) => sections[table].lines(table));
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}
