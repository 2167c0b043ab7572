import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { join } from "node:path";
import { BUNDLE_MADE, makeBundle } from "../e2e/own-host.ts";

const ROOT = join(import.meta.dirname, "../..");

/** Makes the product's bundle, unless the run has made it: it loads in half the sources' time. */
export async function readyBundle(): Promise<void> {
  if (process.env[BUNDLE_MADE] === undefined) await makeBundle();
}

/** Starts a command of the product from its bundle; `env` has further variables. */
export function spawnBundled(words: readonly string[], options: SpawnOptions = {}): ChildProcess {
  const env = { ...process.env, R2K_ROOT: ROOT, ...options.env };
  return spawn(process.execPath, [join(ROOT, ".cache/bundle/main.js"), ...words], {
    ...options,
    env,
  });
}
