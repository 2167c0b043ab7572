import { treeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import { Command } from "commander";
import { BuildCache } from "../build/cache.ts";
import { clearMountCaches, mountCaches } from "../build/mount-caches.ts";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import { isUntagged } from "../engine/image-names.ts";
import type { Engine } from "../engine/open-engine.ts";
import { removeHand } from "../engine/settle.ts";
import { printList } from "../format/list.ts";
import { sizeWords } from "../format/words.ts";
import { pruneNetworks } from "./network.ts";
import { pruneVolumes } from "./volume.ts";

type PruneFlags = { all?: boolean; volumes?: boolean; force?: boolean };

export function command(find: FindHost): Command {
  const system = new Command("system").description("Room on the disk.");
  system
    .command("df")
    .description("What takes room.")
    .action(async () => {
      const lines = await withEngine(await find(), usage);
      printList(lines, { Type: "TYPE", Total: "TOTAL", Size: "SIZE" }, {});
    });
  system
    .command("prune")
    .description("Remove containers that have ended, and what nothing uses.")
    .option("-a, --all", "images without containers too, not those without names alone")
    .option("--volumes", "anonymous volumes too")
    .option("-f, --force", "without a question: there is none")
    .action(async (flags: PruneFlags) => {
      for (const line of await withEngine(await find(), (engine) => prune(engine, flags))) {
        process.stdout.write(`${line}\n`);
      }
    });
  return system;
}

async function usage(engine: Engine) {
  const { runtime, containers, volumes, host } = engine;
  const all = await volumes.list();
  const sizes = await Promise.all(all.map(({ name }) => treeUsage(volumes.dataOf(name))));
  const written = await Promise.all(
    containers.all().map(({ record }) => treeUsage(runtime.paths.container(record.id).upper)),
  );
  const sum = (found: { used_bytes: number }[]) =>
    found.reduce((total, { used_bytes }) => total + used_bytes, 0);
  const cached = await new BuildCache(host.imagesDir).list();
  const mounts = await treeUsage(mountCaches(host));
  const line = (Type: string, total: number, bytes: number) => ({
    Type,
    Total: String(total),
    Size: sizeWords(bytes),
  });
  return [
    line("Images", runtime.images.list().length, (await runtime.images.diskUsage()).used_bytes),
    line("Containers", containers.all().length, sum(written)),
    line("Local Volumes", all.length, sum(sizes)),
    line(
      "Build Cache",
      cached.length,
      cached.reduce((total, { layer }) => total + (layer?.size ?? 0), mounts.used_bytes),
    ),
  ];
}

async function prune(engine: Engine, flags: PruneFlags): Promise<string[]> {
  const { runtime, containers, host } = engine;
  const lines: string[] = [];
  for (const container of containers.all()) {
    const { state } = container.record.phase;
    if (state === "running" || state === "starting") continue;
    await removeHand(engine, container, { volumes: flags.volumes ?? false });
    lines.push(`container ${container.hand.name}`);
  }
  lines.push(...(await pruneNetworks(engine)).map((name) => `network ${name}`));
  if (flags.volumes)
    lines.push(...(await pruneVolumes(engine, false)).map((name) => `volume ${name}`));
  const users = [
    ...containers.all().map(({ record }) => record),
    ...(await runtime.others.containers()),
  ];
  const used = new Set(users.map(({ image }) => image.id));
  for (const image of runtime.images.list()) {
    if (used.has(image.id) || !(flags.all || isUntagged(image))) continue;
    await runtime.images.remove(image.id);
    lines.push(`image ${image.repoTags[0] ?? image.id}`);
  }
  const steps = await new BuildCache(host.imagesDir).clear();
  if (steps > 0) lines.push(`build cache: ${steps} steps`);
  const mounts = await clearMountCaches(host);
  if (mounts > 0) lines.push(`build cache: ${mounts} mounts`);
  await runtime.images.collect();
  return lines;
}
