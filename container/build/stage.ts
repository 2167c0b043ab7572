import { createHash, randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { layersOptions } from "@raft2kube/runtime/container/layers.ts";
import { mountRootfs, unmountRootfs } from "@raft2kube/runtime/container/rootfs.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { HistoryEntry } from "@raft2kube/runtime/image/config.ts";
import { runtimePaths } from "@raft2kube/runtime/paths.ts";
import type { Builder } from "./builder.ts";
import type { CachedStep } from "./cache.ts";
import { type Draft, withStep } from "./image.ts";
import { storeLayer } from "./layer.ts";
import { removeMountPoints } from "./mount-points.ts";
import type { Instruction } from "./parse.ts";
import type { Step } from "./progress.ts";
import type { Source } from "./source.ts";
import type { BuildArguments, Stage } from "./stages.ts";

/** Sources of files that a build's steps copy or mount. */
export interface BuildSources {
  context: Source;
  /** The files of a stage or an image, as COPY --from and RUN --mount name it. */
  draftNamed(name: string, before: number): Promise<{ draft: Draft; key: string }>;
}

/** One instruction with all that it stands in. */
export interface Doing {
  builder: Builder;
  options: BuildOptions;
  sources: BuildSources;
  state: StageState;
  instruction: Instruction;
  stage: Stage;
  globals: ReadonlyMap<string, string>;
  progress: Step;
}

/** Settings of a whole build. */
export interface BuildOptions {
  buildArgs: BuildArguments;
  labels: Readonly<Record<string, string>>;
  noCache: boolean;
  network: string;
  explain: boolean;
  /** SOURCE_DATE_EPOCH: no time of the image is later. */
  epoch_ms: number | undefined;
}

/** How far a stage is: what it would be as an image, and what all of it depends on. */
export interface StageState {
  draft: Draft;
  /** Hash of the base and of all steps. */
  key: string;
  /** Whether the last step was found in the cache. */
  wasCached: boolean;
  args: Map<string, string>;
  /** Whether the stage has had a CMD. */
  setsCmd: boolean;
}

export function keyOf(...parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

/** The folders of a draft's layers, the topmost first; empty ones up to as many as are needed. */
async function lowerOf(
  { work, images }: Builder,
  { diffIds }: Draft,
  count: number,
): Promise<string[]> {
  const folders = images.lowerDirectories({ diffIds });
  while (folders.length < count) {
    const empty = path.join(work, `empty-${folders.length}`);
    await mkdir(empty, { recursive: true, mode: 0o755 });
    folders.push(empty);
  }
  return folders;
}

/** Mounts a draft's layers under a folder to write to, and unmounts them after `work`. */
export async function withRootfs<T>(
  builder: Builder,
  draft: Draft,
  work: (rootfs: string, upper: string) => Promise<T>,
): Promise<T> {
  const id = randomBytes(6).toString("hex");
  const folders = [builder.work, builder.state].map((folder) => path.join(folder, id));
  const paths = runtimePaths(folders[0]!, folders[1]!).container(id);
  await mountRootfs(paths, await lowerOf(builder, draft, 1));
  try {
    return await work(paths.rootfs, paths.upper);
  } finally {
    await unmountRootfs(paths);
  }
}

/** A draft's tree, read-only for other steps until it is disposed of. */
export async function readOnlyTree(
  builder: Builder,
  draft: Draft,
): Promise<Disposable & { root: string }> {
  const root = path.join(builder.state, `from-${randomBytes(6).toString("hex")}`);
  await mkdir(root, { recursive: true, mode: 0o755 });
  // An overlay without an upper directory has two lower ones at least.
  const data = layersOptions(await lowerOf(builder, draft, 2));
  mount({ source: "overlay", target: root, type: "overlay", data });
  return { root, [Symbol.dispose]: () => void unmount(root, { detach: true }) };
}

/** A step that may change files. */
export interface ChangingStep {
  /** The hash of all that its result depends on. */
  key: string;
  history: string;
  progress: Step;
  /** Places that are mounted on while it is made, beside a runtime's own. */
  mounts?: readonly string[];
  make: (rootfs: string) => Promise<void>;
}

/**
 * Returns the stage with a step's layer: the cache's for its key, unless the build goes without a
 * cache, or one that `make` makes, which the cache then has. The progress ends with CACHED, DONE or
 * ERROR; a step that fails leaves nothing in the cache.
 */
export async function layerStep(
  builder: Builder,
  options: BuildOptions,
  state: StageState,
  step: ChangingStep,
): Promise<StageState> {
  // lab:01b begin layer-step
  const { key, history, progress } = step;
  const cached = options.noCache ? undefined : await usable(builder, key);
  if (cached) {
    explain(options, progress, cached, "the same as an earlier build's");
    progress.done("CACHED");
    return next(state, key, cached, history, true);
  }
  try {
    const made = await make(builder, options, state, step);
    await builder.cache.put(key, made);
    const why = options.noCache
      ? "--no-cache"
      : state.wasCached
        ? "its text, arguments or files are new"
        : "the step before it was made again";
    explain(options, progress, made, `not from the cache: ${why}`);
    progress.done("DONE");
    return next(state, key, made, history, false);
  } catch (error) {
    progress.done("ERROR");
    throw error;
  }
  // lab:01b end
}

/** A cached step whose layer is still here. */
async function usable(builder: Builder, key: string): Promise<CachedStep | undefined> {
  const found = builder.cache.find(key);
  if (found?.layer === undefined) return found;
  const { diffId } = found.layer;
  const { layers, blobs } = builder.images;
  const isHere = (await layers.usage(diffId)) && (await blobs.size(diffId)) !== undefined;
  return isHere ? found : undefined;
}

async function make(
  builder: Builder,
  options: BuildOptions,
  state: StageState,
  { mounts, make: fill, history }: ChangingStep,
): Promise<CachedStep> {
  const { images, host } = builder;
  const { epoch_ms } = options;
  const created = new Date(epoch_ms ?? host.clock.now()).toISOString();
  return await withRootfs(builder, state.draft, async (rootfs, upper) => {
    await fill(rootfs);
    if (!unmount(rootfs, { detach: true })) {
      throw new RuntimeError("internal", "a build step's root was not mounted");
    }
    if (mounts) {
      await removeMountPoints(upper, images.lowerDirectories(state.draft), mounts);
    }
    const how = { latest_ms: epoch_ms, keepsManaged: mounts === undefined };
    const layer = await storeLayer(images, upper, how);
    if (layer === undefined) return { created, step: history };
    const { diffId, size, entries } = layer;
    // Times that were changed in the tar alone: what is unpacked must be the tar's content.
    if (epoch_ms === undefined) await images.layers.adopt(diffId, upper, { bytes: size, entries });
    else {
      const open = () => images.blobs.open(diffId) as AsyncIterable<Buffer>;
      await images.layers.add(diffId, diffId, open);
    }
    return { created, step: history, layer };
  });
}

function next(
  state: StageState,
  key: string,
  { layer, created }: CachedStep,
  created_by: string,
  wasCached: boolean,
): StageState {
  const entry: HistoryEntry = { created, created_by, comment: "r2k container build" };
  return { ...state, key, wasCached, draft: withStep(state.draft, layer, entry) };
}

function explain(options: BuildOptions, progress: Step, { layer }: CachedStep, why: string): void {
  if (!options.explain) return;
  const made =
    layer === undefined
      ? "no layer: nothing changed"
      : `layer ${layer.diffId}, ${layer.entries} entries, ${layer.size} bytes`;
  progress.note(`made: ${made}`);
  progress.note(`cache: ${why}`);
}
