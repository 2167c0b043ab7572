import type { Condition, PathRule, Site } from "../plan/model.ts";
import { mapKey, token } from "./quote.ts";

/** How requests find their backend: map files, and lines where more than host and path decide. */
export interface Tables {
  /** Host, suffix or label -> site. */
  readonly hosts: readonly string[];
  readonly suffixes: readonly string[];
  readonly labels: readonly string[];
  /** The site of all other hosts. */
  readonly any: string | undefined;
  /** Site and path -> backend or chain. */
  readonly exact: readonly string[];
  readonly prefix: readonly string[];
  readonly chains: readonly ChainLine[];
}

/** A line of a chain, in which the first line whose conditions hold decides. */
export interface ChainLine {
  readonly chain: string;
  readonly conditions: readonly Condition[];
  readonly backend: string;
}

/** The value of a path that has conditions. A backend's name has no `=`. */
const CHAIN = "chain=";

/**
 * Computes the tables of a frontend's sites. A path without conditions leads to its backend by one
 * lookup, among any number. One with conditions leads to a chain: its own rules, then those of
 * the shorter prefixes that hold where none of its own does. Pure.
 */
export function tablesOf(sites: readonly Site[]): Tables {
  const hosts: string[] = [];
  const labels: string[] = [];
  const suffixes: [suffix: string, line: string][] = [];
  const exact: string[] = [];
  const prefix: string[] = [];
  const chains: ChainLine[] = [];
  let any: string | undefined;
  sites.forEach((site, index) => {
    const id = `s${index}`;
    const { host } = site;
    if (host.kind === "any") any = id;
    else if (host.kind === "exact") hosts.push(`${mapKey(host.host)} ${id}`);
    else if (host.kind === "label") labels.push(`${mapKey(host.suffix)} ${id}`);
    else suffixes.push([host.suffix, `${mapKey(host.suffix)} ${id}`]);
    for (const [key, rules] of byPath(site.paths)) {
      const value = valueOf(rules, chains);
      if (key.startsWith("=")) exact.push(`${mapKey(`${id}${key.slice(1)}`)} ${value}`);
      else prefix.push(`${mapKey(`${id}${key}/`)} ${value}`);
    }
  });
  // The first suffix that fits decides: the longest.
  const ordered = suffixes.toSorted(([a], [b]) => b.length - a.length).map(([, line]) => line);
  return { hosts, suffixes: ordered, labels, any, exact, prefix, chains };
}

/** The rules of each path, `=` before those that are exact, followed by those of prefixes of it. */
function byPath(paths: readonly PathRule[]): Map<string, PathRule[]> {
  const own = new Map<string, PathRule[]>();
  for (const rule of paths) {
    const key = rule.kind === "exact" ? `=${rule.path}` : rule.path;
    const rules = own.get(key);
    if (rules) rules.push(rule);
    else own.set(key, [rule]);
  }
  const all = new Map<string, PathRule[]>();
  for (const [key, rules] of own) {
    const chain = [...rules];
    for (const shorter of prefixesOf(key)) {
      if (chain.some(isPlain)) break;
      chain.push(...(own.get(shorter) ?? []));
    }
    const last = chain.findIndex(isPlain);
    all.set(key, last < 0 ? chain : chain.slice(0, last + 1));
  }
  return all;
}

const isPlain = ({ conditions }: PathRule) => conditions.length === 0;

/** The prefixes that hold where a path does, the longest first. */
function* prefixesOf(key: string): Generator<string> {
  let rest = key;
  if (key.startsWith("=")) {
    rest = key.slice(1);
    if (rest.endsWith("/")) rest = rest.slice(0, -1);
    yield rest;
  }
  while (rest !== "") {
    rest = rest.slice(0, rest.lastIndexOf("/"));
    yield rest;
  }
}

function valueOf(rules: readonly PathRule[], chains: ChainLine[]): string {
  const [first] = rules;
  if (first && isPlain(first)) return token(first.backend);
  const chain = `${CHAIN}${chains.length}`;
  for (const { conditions, backend } of rules) chains.push({ chain, conditions, backend });
  return chain;
}
