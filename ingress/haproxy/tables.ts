import type { PathRule, Site } from "../plan/model.ts";
import { mapKey, token } from "./quote.ts";

/** How requests find their backend: map files, and lines where more than host and path decide. */
export interface Tables {
  /**
   * Host, wildcard of one label or of any number -> site; site and path -> rank and backend. The
   * rank is higher the longer the path; an exact path's is above that of any prefix of it.
   */
  readonly maps: Readonly<Record<"hosts" | "labels" | "suffixes" | PathRule["kind"], string>>;
  /** The site of all other hosts; `none` has no path. */
  readonly rest: string;
  /** Rules with conditions, lowest rank first: of those that hold the last one decides. */
  readonly lines: readonly ConditionLine[];
}

export interface ConditionLine extends PathRule {
  /** Site and path. */
  readonly key: string;
  readonly rank: number;
}

/**
 * Computes the tables of a frontend's sites. A path without conditions leads to its backend by one
 * lookup, among any number. Each rule with conditions is one line, which takes the place of what
 * the lookup found if that has no higher rank. Pure.
 */
export function tablesOf(sites: readonly Site[]): Tables {
  const table = () => new Map<string, string>();
  const [hosts, labels, suffixes, exact, prefix] = [table(), table(), table(), table(), table()];
  const lines: ConditionLine[] = [];
  let rest = "none";
  sites.forEach(({ host, paths }, index) => {
    const site = `s${index}`;
    if (host === "") rest = site;
    else if (host.startsWith("**.")) suffixes.set(host.slice(2), site);
    else if (host.startsWith("*.")) labels.set(host.slice(1), site);
    else hosts.set(host, site);
    for (const rule of paths) {
      const { kind, path, conditions, backend } = rule;
      const key = `${site}${path}/`;
      const rank = 2 * path.length + (kind === "exact" ? 1 : 0);
      const own = kind === "exact" ? exact : prefix;
      if (conditions.length > 0) lines.push({ ...rule, key, rank });
      else if (!own.has(key)) own.set(key, `${rank}/${token(backend)}`);
    }
  });
  // Of suffixes the first that fits is found: the longest.
  const ordered = new Map([...suffixes].sort(([a], [b]) => b.length - a.length));
  return {
    maps: {
      hosts: textOf(hosts),
      labels: textOf(labels),
      suffixes: textOf(ordered),
      exact: textOf(exact),
      prefix: textOf(prefix),
    },
    rest,
    lines: lines.reverse().sort((a, b) => a.rank - b.rank),
  };
}

const textOf = (map: ReadonlyMap<string, string>) =>
  [...map].map(([key, value]) => `${mapKey(key)} ${value}\n`).join("");
