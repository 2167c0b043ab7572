import type { NftObject } from "../nft.ts";

/** How many rules a chain has, and how many elements a set or map: what deletions change. */
export interface Shape {
  rules: Map<string, number>;
  elements: Map<string, number>;
}

/** Returns the shape of the chains in a ruleset's text that is indented as nft lists it. */
export function shapeOfText(text: string): Shape {
  const rules = new Map<string, number>();
  const chains = /^ *chain (\S+) \{(?:(.*;) \}$|\n([\s\S]*?)^ {2}\}$)/gm;
  for (const [, name = "", line = "", lines = ""] of text.matchAll(chains)) {
    const statements = `${line}${lines}`.split(/[;\n]/).map((statement) => statement.trim());
    const isRule = (statement: string) => statement !== "" && !statement.startsWith("type ");
    rules.set(name, statements.filter(isRule).length);
  }
  return { rules, elements: new Map() };
}

/** Returns the shape of nft's listing of a table. */
export function shapeOfListing(listing: readonly NftObject[]): Shape {
  const rules = new Map<string, number>();
  const elements = new Map<string, number>();
  for (const { chain, rule, set, map } of listing) {
    if (chain) rules.set(String(chain["name"]), rules.get(String(chain["name"])) ?? 0);
    if (rule) {
      const name = String(rule["chain"]);
      rules.set(name, (rules.get(name) ?? 0) + 1);
    }
    const filled = set ?? map;
    const content = filled?.["elem"];
    if (filled) elements.set(String(filled["name"]), Array.isArray(content) ? content.length : 0);
  }
  return { rules, elements };
}

/**
 * Whether `found` has what the two parts of the table should have. Sets that the kernel fills
 * itself, of session affinity, are expected nowhere.
 */
export function isIntact(found: Shape, base: Shape, owned: Shape): boolean {
  const chains = [...base.rules, ...owned.rules];
  return (
    chains.every(([name, count]) => found.rules.get(name) === count) &&
    [...owned.elements].every(([name, count]) => found.elements.get(name) === count)
  );
}
