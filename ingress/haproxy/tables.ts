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

/** A rule of a group: of the lines with groups of a path's chain the first that holds decides. */
export interface ChainLine {
  readonly group: string;
  readonly conditions: readonly Condition[];
  readonly backend: string;
}

/** The start of a chain, the value of a path that has conditions. A backend's name has no `=`. */
const CHAIN = "chain=";

/**
 * Computes the tables of a frontend's sites. A path without conditions leads to its backend by one
 * lookup, among any number. One with conditions leads to a chain of groups: `chain=/2/0/`, the
 * group of its own rules, then those of the shorter prefixes, which hold where none of its own
 * does. Each rule is one line, however many paths lead to it. Pure.
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
    for (const [key, value] of valuesOf(byPath(site.paths), chains)) {
      if (key.startsWith("=")) exact.push(`${mapKey(`${id}${key.slice(1)}`)} ${value}`);
      else prefix.push(`${mapKey(`${id}${key}/`)} ${value}`);
    }
  });
  // The first suffix that fits decides: the longest.
  const ordered = suffixes.toSorted(([a], [b]) => b.length - a.length).map(([, line]) => line);
  return { hosts, suffixes: ordered, labels, any, exact, prefix, chains };
}

/** The rules of each path, `=` before those that are exact; after one without conditions none. */
function byPath(paths: readonly PathRule[]): Map<string, PathRule[]> {
  const all = new Map<string, PathRule[]>();
  for (const rule of paths) {
    const key = rule.kind === "exact" ? `=${rule.path}` : rule.path;
    const rules = all.get(key) ?? [];
    if (!rules.some(isPlain)) rules.push(rule);
    all.set(key, rules);
  }
  return all;
}

/** The value of each path; the lines of their chains are added, those of longer paths first. */
function valuesOf(own: ReadonlyMap<string, PathRule[]>, chains: ChainLine[]): Map<string, string> {
  const groups = new Map<string, string>();
  const first = chains.length;
  const groupOf = (key: string) => {
    const group = groups.get(key) ?? `/${first + groups.size}/`;
    groups.set(key, group);
    return group;
  };
  const values = new Map<string, string>();
  for (const [key, rules] of own) {
    const [one] = rules;
    if (one && isPlain(one)) {
      values.set(key, token(one.backend));
      continue;
    }
    let chain = groupOf(key);
    let last = rules;
    for (const shorter of prefixesOf(key)) {
      if (last.some(isPlain)) break;
      last = own.get(shorter) ?? last;
      if (own.has(shorter)) chain += groupOf(shorter).slice(1);
    }
    values.set(key, CHAIN + chain);
  }
  const isExact = (key: string) => Number(key.startsWith("="));
  const ordered = [...groups].sort(([a], [b]) => isExact(b) - isExact(a) || b.length - a.length);
  for (const [key, group] of ordered) {
    const rules = own.get(key) ?? [];
    chains.push(...rules.map(({ conditions, backend }) => ({ group, conditions, backend })));
  }
  return values;
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
