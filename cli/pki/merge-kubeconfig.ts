import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { parse, stringify } from "yaml";

type Entry = { readonly name: string };
type Lists = Record<string, readonly Entry[] | undefined>;

const LISTS = ["clusters", "users", "contexts"] as const;

/**
 * Adds a kubeconfig's cluster, user and context to ~/.kube/config and makes its context current.
 */
export async function mergeKubeconfig(from: string): Promise<void> {
  const target = userConfig();
  const added = parse(await readFile(from, "utf8")) as Lists & { "current-context": string };
  const merged = mergeConfigs((await readConfig(target)) as Lists, added);
  await replaceFile(target, stringify(merged), { mode: 0o600 });
}

/**
 * Takes a kubeconfig's cluster, user and context out of ~/.kube/config again; returns whether they
 * were there. Entries of the same names that lead elsewhere are another cluster's, and stay.
 */
export async function unmergeKubeconfig(from: string): Promise<boolean> {
  const own = parse(await readFile(from, "utf8")) as Lists;
  const left = unmergeConfigs((await readConfig(userConfig())) as Lists, own);
  if (left === undefined) return false;
  await replaceFile(userConfig(), stringify(left), { mode: 0o600 });
  return true;
}

/** Puts a changed kubeconfig's entries in ~/.kube/config where those of the old one are. */
export async function followChange(before: string, after: string): Promise<void> {
  const config = (await readConfig(userConfig())) as Lists;
  const [old, changed] = [parse(before) as Lists, parse(after) as Lists];
  if (unmergeConfigs(config, old) === undefined) return;
  const { clusters, users } = changed;
  const merged = mergeConfigs(config, { clusters, users });
  await replaceFile(userConfig(), stringify(merged), { mode: 0o600 });
}

/** `base` without the entries of `own`; undefined when it has none of them. */
export function unmergeConfigs(base: Lists, own: Lists): Lists | undefined {
  const left: Record<string, unknown> = { ...base };
  let removed = false;
  for (const list of LISTS) {
    const isOwn = (entry: Entry) => own[list]?.some((other) => isDeepStrictEqual(entry, other));
    const entries = base[list] ?? [];
    const kept = entries.filter((entry) => !isOwn(entry));
    if (kept.length === entries.length) continue;
    removed = true;
    left[list] = kept;
  }
  const current = left["current-context"];
  const contexts = (left["contexts"] ?? []) as readonly Entry[];
  if (!contexts.some(({ name }) => name === current)) delete left["current-context"];
  return removed ? (left as Lists) : undefined;
}

const userConfig = (): string => join(homedir(), ".kube/config");

/** Entries of `added` replace those of `base` with the same name; everything else stays. */
export function mergeConfigs<T extends Lists>(base: Lists, added: T): Lists & T {
  const merged: Record<string, unknown> = { ...base, ...added };
  for (const list of LISTS) {
    const names = new Set(added[list]?.map((entry) => entry.name));
    const kept = (base[list] ?? []).filter((entry) => !names.has(entry.name));
    merged[list] = [...kept, ...(added[list] ?? [])];
  }
  return merged as Lists & T;
}

async function readConfig(path: string): Promise<unknown> {
  return parse((await readIfPresent(path)) ?? "") ?? {};
}
