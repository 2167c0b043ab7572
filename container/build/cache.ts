import { rm } from "node:fs/promises";
import path from "node:path";
import { type FileLock, waitForLock } from "@raft2kube/linux/file/flock.ts";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import type { KeptContent } from "@raft2kube/runtime/image/store.ts";
import { readState, type StateKind, writeState } from "@raft2kube/runtime/state-file.ts";
import { ENGINE_LOCK_TIMEOUT_MS } from "../limits.ts";

const CACHE_STATE: StateKind = { schema: "r2k-build-cache", version: 1 };

/** The result of a build step: its layer, if it changed any file. */
export interface CachedStep {
  layer?: { diffId: string; size: number; entries: number };
  created: string;
  /** The step's text, for people. */
  step: string;
}

const folderOf = (imagesDir: string) => path.join(imagesDir, "build-cache");

/** The results of build steps by the hash of all that they depend on. */
export class BuildCache {
  readonly #imagesDir: string;

  constructor(imagesDir: string) {
    this.#imagesDir = imagesDir;
  }

  find(key: string): CachedStep | undefined {
    return readState<CachedStep>(this.#fileOf(key), CACHE_STATE);
  }

  async put(key: string, step: CachedStep): Promise<void> {
    // Another build may have made the same step: a state file has one writer at a time.
    using _ = await this.#lock();
    await writeState(this.#fileOf(key), CACHE_STATE, step);
  }

  /** Forgets all steps; their layers go with the next collection. */
  async clear(): Promise<void> {
    using _ = await this.#lock();
    await rm(folderOf(this.#imagesDir), { recursive: true, force: true });
  }

  async keys(): Promise<string[]> {
    const names = await namesIn(folderOf(this.#imagesDir));
    return names.flatMap((name) => /^([0-9a-f]{64})\.json$/.exec(name)?.[1] ?? []);
  }

  async list(): Promise<CachedStep[]> {
    const keys = await this.keys();
    return keys.map((key) => this.find(key)).filter((step) => step !== undefined);
  }

  #lock(): Promise<FileLock> {
    const file = `${folderOf(this.#imagesDir)}.lock`;
    return waitForLock(file, { mode: "exclusive", timeout_ms: ENGINE_LOCK_TIMEOUT_MS });
  }

  #fileOf(key: string): string {
    return path.join(folderOf(this.#imagesDir), `${key}.json`);
  }
}

/** The content that cached steps keep in the store of images. */
export async function keptByCache(imagesDir: string): Promise<KeptContent> {
  const layers = (await new BuildCache(imagesDir).list()).flatMap(
    ({ layer }) => layer?.diffId ?? [],
  );
  // A step's layer lies in the store as the plain tar, whose digest is the diff id.
  return { layers, blobs: layers };
}
