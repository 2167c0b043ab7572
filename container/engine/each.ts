import { asError } from "@raft2kube/std/errors.ts";
import { printable } from "@raft2kube/std/printable.ts";
import { print } from "../format/list.ts";
import { withEngine } from "./engine.ts";
import type { Host } from "./host.ts";
import type { Engine } from "./open-engine.ts";

/** Handles several items; a failure of one ends no other, and the command fails. */
export async function each<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const failures: Error[] = [];
  for (const item of items) await work(item).catch((error) => failures.push(asError(error)));
  const last = failures.pop();
  for (const { message } of failures) process.stderr.write(`r2k: ${printable(message)}\n`);
  if (last !== undefined) throw last;
}

/**
 * Handles things by their names, each while no other command changes containers, and prints what
 * `work` returns of each, or its name.
 */
export const eachIn = (
  host: Host,
  names: readonly string[],
  work: (engine: Engine, name: string) => Promise<string | void>,
): Promise<void> =>
  each(names, async (name) =>
    print([(await withEngine(host, (open) => work(open, name))) ?? name]),
  );
