// Set up by vitest before the files that share a cluster, in its own process (vitest.config.ts).
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { OwnHost } from "./own-host.ts";

/** The shared cluster's name. */
export const SHARED = "shared";

declare module "vitest" {
  export interface ProvidedContext {
    readonly sharedHost: { readonly dir: string; readonly pid: number };
  }
}

/** Makes the host of the shared cluster; what is returned takes down the cluster and ends it. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const host = await OwnHost.create();
  project.provide("sharedHost", { dir: host.dir, pid: host.pid });
  return async () => {
    const wasStarted = existsSync(join(host.dir, "data", SHARED));
    const down = wasStarted ? await host.r2k(["down", "--purge", "--name", SHARED]) : undefined;
    await host.close();
    if (down === undefined || down.code === 0) return;
    // vitest prints what is thrown here, and would end well.
    process.exitCode = 1;
    throw new Error(`r2k down: ${down.stderr}`);
  };
}
