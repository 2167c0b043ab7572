import { mkdirSync, statSync } from "node:fs";
import path from "node:path";
import { type FileLock, tryLock, waitForLock } from "@raft2kube/linux/file/flock.ts";
import { STORE_LOCK_TIMEOUT_MS } from "../limits.ts";
import { readState, type StateKind, writeState } from "../state-file.ts";

const INDEX_STATE: StateKind = { schema: "r2k-images", version: 1 };

/**
 * The target of an image name: the content it named at its registry, and the manifest for this
 * machine.
 */
export interface Target {
  /** The digest that the name resolved to: an index or a manifest. */
  target: string;
  manifest: string;
}

type IndexState = { references: Record<string, Target> };

/**
 * The file with the names of a store's images, which several processes share: a node's runtime, and
 * commands that people enter. Changes exclude each other, and content is collected only while no
 * process stores any.
 */
export class IndexFile {
  readonly #file: string;
  readonly #directory: string;
  #seen: string | undefined = "";
  /** Pulls of this process, which share a lock; undefined while this process collects. */
  #pulls = 0;
  #pullLock: FileLock | undefined;

  constructor(directory: string) {
    this.#directory = directory;
    this.#file = path.join(directory, "images.json");
  }

  /** Returns the names if another process has written them since the last call. */
  readChanged(): Map<string, Target> | undefined {
    const stats = statSync(this.#file, { bigint: true, throwIfNoEntry: false });
    const seen = stats && `${stats.ino} ${stats.mtimeNs} ${stats.size}`;
    if (seen === this.#seen) return undefined;
    this.#seen = seen;
    const state = readState<IndexState>(this.#file, INDEX_STATE);
    return new Map(Object.entries(state?.references ?? {}));
  }

  /** Writes the names, in the order in which they came. */
  async write(names: ReadonlyMap<string, Target>): Promise<void> {
    const references = Object.fromEntries(names);
    await writeState(this.#file, INDEX_STATE, { references } satisfies IndexState);
  }

  /** Excludes other processes' changes of names. */
  lockNames(): Promise<FileLock> {
    return this.#wait("names.lock", "exclusive");
  }

  /** Keeps all processes from collecting garbage, since content without a name looks unused. */
  lockContent(): Promise<FileLock> {
    return this.#wait("content.lock", "shared");
  }

  /**
   * Keeps other processes from collecting garbage, and not this one, which knows what its pulls
   * need: a registry that never finishes must not keep the disk full.
   */
  async lockPull(): Promise<Disposable> {
    this.#pulls++;
    try {
      const lock = this.#pullLock ? undefined : await this.lockContent();
      if (this.#pullLock) lock?.[Symbol.dispose]();
      else this.#pullLock = lock;
    } catch (thrown) {
      this.#pulls--;
      throw thrown;
    }
    return {
      [Symbol.dispose]: () => {
        if (--this.#pulls === 0) this.#releasePulls();
      },
    };
  }

  #releasePulls(): void {
    this.#pullLock?.[Symbol.dispose]();
    this.#pullLock = undefined;
  }

  /** Excludes all work with content but this process's pulls; undefined while there is some. */
  tryCollect(): Disposable | undefined {
    // One process at a time: none collects while this one has given up the lock of its pulls.
    const only = tryLock(this.#lockFile("collect.lock"));
    if (!only) return undefined;
    this.#releasePulls();
    const all = tryLock(this.#lockFile("content.lock"));
    const end = () => {
      all?.[Symbol.dispose]();
      if (this.#pulls > 0) this.#pullLock = tryLock(this.#lockFile("content.lock"), "shared");
      only[Symbol.dispose]();
    };
    if (all) return { [Symbol.dispose]: end };
    end();
    return undefined;
  }

  #wait(name: string, mode: "exclusive" | "shared"): Promise<FileLock> {
    return waitForLock(this.#lockFile(name), { mode, timeout_ms: STORE_LOCK_TIMEOUT_MS });
  }

  #lockFile(name: string): string {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    return path.join(this.#directory, name);
  }
}
