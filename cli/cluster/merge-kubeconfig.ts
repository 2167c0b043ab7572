import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { replaceFile } from "@raft2kube/linux/durable-file.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { parse, stringify } from "yaml";

type Entry = { readonly name: string };
type Lists = Record<string, readonly Entry[] | undefined>;

const LISTS = ["clusters", "users", "contexts"] as const;

/**
 * Adds a kubeconfig's cluster, user and context to ~/.kube/config and makes its context current.
 */
export async function mergeKubeconfig(from: string): Promise<void> {
  const target = join(homedir(), ".kube/config");
  const added = parse(await readFile(from, "utf8")) as Lists & { "current-context": string };
  const merged = mergeConfigs((await readConfig(target)) as Lists, added);
  await replaceFile(target, stringify(merged), { mode: 0o600 });
}

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
  try {
    return parse(await readFile(path, "utf8")) ?? {};
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return {};
    throw thrown;
  }
}
