import { treeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import { Command } from "commander";
import { BuildCache } from "../build/cache.ts";
import { clearMountCaches, mountCaches } from "../build/mount-caches.ts";
import { withEngine } from "../engine/engine.ts";
import type { FindHost } from "../engine/host.ts";
import { isUntagged } from "../engine/image-names.ts";
import type { Engine } from "../engine/open-engine.ts";
import { removeHand } from "../engine/settle.ts";
import { stateOf } from "../engine/state.ts";
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
    .action(({ all = false, volumes = false }: PruneFlags) => {
      const kinds = { containers: true, networks: true, volumes, images: true, cache: true };
      return printPruned(find, kinds, all);
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

type Prunes = Partial<Record<"containers" | "networks" | "volumes" | "images" | "cache", boolean>>;

/** `container prune`, `image prune` and `builder prune`. */
export function pruneCommand(find: FindHost, kind: "containers" | "images" | "cache"): Command {
  return new Command("prune")
    .description("Remove what nothing uses.")
    .option("-a, --all", "images with names too")
    .option("-f, --force", "without a question: there is none")
    .action(({ all = false }: PruneFlags) => printPruned(find, { [kind]: true }, all));
}

async function printPruned(find: FindHost, kinds: Prunes, all: boolean): Promise<void> {
  for (const line of await withEngine(await find(), (engine) => prune(engine, kinds, all))) {
    process.stdout.write(`${line}\n`);
  }
}

async function prune(engine: Engine, kinds: Prunes, all: boolean): Promise<string[]> {
  const { runtime, containers } = engine;
  const lines: string[] = [];
  for (const container of kinds.containers ? containers.all() : []) {
    const { state } = container.record.phase;
    if (state === "starting" || !["created", "exited"].includes(stateOf(engine, container)))
      continue;
    await removeHand(engine, container, { volumes: kinds.volumes ?? false });
    lines.push(`container ${container.hand.name}`);
  }
  if (kinds.networks) lines.push(...(await pruneNetworks(engine)).map((name) => `network ${name}`));
  if (kinds.volumes) {
    lines.push(...(await pruneVolumes(engine, false)).map((name) => `volume ${name}`));
  }
  if (kinds.images) lines.push(...(await pruneImages(engine, all)));
  if (kinds.cache) lines.push(...(await pruneCache(engine)));
  await runtime.images.collect();
  return lines;
}

async function pruneImages({ runtime, containers }: Engine, all: boolean): Promise<string[]> {
  const users = [
    ...containers.all().map(({ record }) => record),
    ...(await runtime.others.containers()),
  ];
  const used = new Set(users.map(({ image }) => image.id));
  const unused = runtime.images
    .list()
    .filter((image) => !used.has(image.id) && (all || isUntagged(image)));
  for (const { id } of unused) await runtime.images.remove(id);
  return unused.map(({ repoTags, id }) => `image ${repoTags[0] ?? id}`);
}

async function pruneCache({ host }: Engine): Promise<string[]> {
  const steps = await new BuildCache(host.imagesDir).clear();
  const mounts = await clearMountCaches(host);
  return [
    ...(steps > 0 ? [`build cache: ${steps} steps`] : []),
    ...(mounts > 0 ? [`build cache: ${mounts} mounts`] : []),
  ];
}
