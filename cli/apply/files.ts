import { mkdir } from "node:fs/promises";
import { ensurePki } from "../pki/pki.ts";
import type { StepOf } from "../plan/step.ts";
import { type ClusterConfig, writeCluster } from "../spec/config.ts";
import { ownPluginsDir } from "../spec/paths.ts";
import { type Context, untilAborted } from "./context.ts";
import { installPlugins } from "./plugins.ts";
import { startAhead } from "./processes.ts";

/**
 * Writes a cluster's configuration, its CNI plugins, and certificates that are missing or due.
 * Processes of `ahead` are started as soon as there is a configuration.
 */
export async function applyFiles(
  { cluster, ahead }: StepOf<"files">,
  context: Context,
): Promise<void> {
  const notes: string[] = [];
  await context.step("certificates and plugins", () => {
    return untilAborted(context.signal, async () => {
      await writeConfig(cluster, context);
      for (const name of ahead) startAhead(cluster, name, context);
      await writeFiles(cluster, context, notes);
    });
  });
  notes.forEach(context.progress.note);
}

async function writeConfig(config: ClusterConfig, { written }: Context): Promise<void> {
  await mkdir(config.runDir, { recursive: true, mode: 0o700 });
  await writeCluster(config);
  await written?.();
}

async function writeFiles(
  config: ClusterConfig,
  { clock }: Context,
  notes: string[],
): Promise<void> {
  if (config.cniBinDir === undefined) await installPlugins(ownPluginsDir(config));
  await ensurePki(config, clock.now(), (line) => notes.push(line));
}
