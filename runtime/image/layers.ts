import { createHash, randomBytes } from "node:crypto";
import { lstatSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { setDirectoryMode } from "@raft2kube/linux/beneath/directory-mode.ts";
import { removeTree } from "@raft2kube/linux/beneath/remove-tree.ts";
import { type FileLock, waitForLock } from "@raft2kube/linux/file/flock.ts";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { codeOf, errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { KeyedTurns } from "@raft2kube/std/turns.ts";
import { RuntimeError } from "../errors.ts";
import { LAYER_BLOBS_KNOWN, LAYER_UNPACKED_BYTES, STORE_LOCK_TIMEOUT_MS } from "../limits.ts";
import { readState, type StateKind, writeState } from "../state-file.ts";
import { Hashing } from "./blobs.ts";
import type { DiskReserve } from "./disk-reserve.ts";
import { unpackLayer } from "./unpack.ts";

const log = logger("runtime");
const LAYER_STATE: StateKind = { schema: "r2k-layer", version: 1 };
/**
 * Characters of the diff id's hash in a folder's name: overlayfs takes a page for all the folders'
 * names.
 */
const NAME_LENGTH = 24;

/** Runs the work with a layer in its owner's turn. */
export type InTurn = (work: () => Promise<void>) => Promise<void>;

interface LayerState {
  diffId: string;
  /** Digests of blobs that were found to hold this layer, the newest last. */
  blobs?: string[];
  size_bytes: number;
  entries: number;
  /** Directories that it uses without describing them. */
  implied?: number;
}

/** The chain ids of layers, each of one and all beneath it (OCI image spec, config.md). */
export function chainIdsOf(diffIds: readonly string[]): string[] {
  let chain = "";
  return diffIds.map((diffId, at) => {
    const hash = createHash("sha256").update(`${chain} ${diffId}`).digest("hex");
    return (chain = at === 0 ? diffId : `sha256:${hash}`);
  });
}

/**
 * Layers unpacked for overlayfs, one folder each, named by the hash of their tar (diff id). A layer
 * that uses directories without describing them has another folder for each chain of layers beneath
 * it, named by their hash (chain id): there the directories are as those layers have them.
 */
export class LayerStore {
  readonly #directory: string;
  readonly #reserve: DiskReserve;
  readonly #turns = new KeyedTurns();
  /** Names of folders that are out of use and not yet removed. */
  readonly #discarded = new Set<string>();

  constructor(directory: string, reserve: DiskReserve) {
    this.#directory = directory;
    this.#reserve = reserve;
  }

  /**
   * Creates the directory of all layers, which only root may enter: programs in it keep their
   * set-id bits, and no user of the machine is to run those (CVE-2021-41103).
   */
  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    setDirectoryMode(this.#directory, 0o700);
  }

  /** The folder of a layer, to be used as a lower directory. */
  folder(id: string): string {
    return path.join(this.#directory, nameOf(id));
  }

  /** The folders of an image's layers. */
  folders(diffIds: readonly string[]): string[] {
    return chainIdsOf(diffIds).map((chainId, at) => {
      const own = this.folder(chainId);
      return isDirectory(own) ? own : this.folder(diffIds[at]!);
    });
  }

  /** Returns a layer's size on disk; undefined when it is absent or incomplete. */
  async usage(diffId: string): Promise<LayerState | undefined> {
    const state = readState<LayerState>(this.#stateFile(nameOf(diffId)), LAYER_STATE);
    if (state?.diffId !== diffId) return undefined;
    return isDirectory(this.folder(diffId)) ? state : undefined;
  }

  /** The bytes of all that are here, unpacked, as they were recorded. */
  async bytes(): Promise<number> {
    const files = (await namesIn(this.#directory)).flatMap(
      (name) => /^(.*)\.json$/.exec(name)?.[1] ?? [],
    );
    const sizeOf = (name: string) => readState<LayerState>(this.#stateFile(name), LAYER_STATE);
    // A damaged state has no size, and is no reason not to collect.
    const isDamaged = (error: unknown) => codeOf(error) === "failed-precondition";
    const sizes = files.map((name) => tolerateSync(() => sizeOf(name), isDamaged)?.size_bytes);
    return sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0);
  }

  /**
   * Unpacks a layer unless it is here. `open` gives the tar that is in the blob `digest`; its hash
   * must be the diff id, also when the layer is here: an image's configuration may name the diff id
   * of another image's layer, to get what its own blobs do not hold.
   */
  async add(
    diffId: string,
    digest: string,
    open: () => AsyncIterable<Buffer>,
    inTurn: InTurn = (work) => work(),
  ): Promise<void> {
    // A blob that is the tar itself was checked when it came.
    const isHere = (state: LayerState | undefined) =>
      state && (digest === diffId || state.blobs?.includes(digest));
    if (isHere(await this.usage(diffId))) return;
    const work = async () => {
      const state = await this.usage(diffId);
      if (state === undefined) return this.#unpack({ id: diffId, diffId, digest }, open());
      if (isHere(state)) return;
      const hashing = hashingOf(diffId);
      for await (const _ of hashing.pass(open()));
      check(hashing, diffId);
      const known = [...(state.blobs ?? []), digest].slice(-LAYER_BLOBS_KNOWN);
      using _ = await this.#lock();
      await this.#save({ ...state, blobs: known });
    };
    // One that waits for its turn keeps no other from the layer.
    await inTurn(() => this.#turns.run(diffId, work));
  }

  /** Unpacks a layer that is here once more for the layers beneath it, if that may differ. */
  async addOver(
    chainId: string,
    { diffId, digest }: { diffId: string; digest: string },
    open: () => AsyncIterable<Buffer>,
    lower: readonly string[],
    inTurn: InTurn,
  ): Promise<void> {
    const isDue = async () =>
      (await this.usage(diffId))?.implied && (await this.usage(chainId)) === undefined;
    if (!(await isDue())) return;
    const work = async () => {
      if (await isDue()) await this.#unpack({ id: chainId, diffId, digest }, open(), lower);
    };
    await inTurn(() => this.#turns.run(chainId, work));
  }

  /**
   * Takes a folder that holds what the layer's tar unpacks to, as the layer, unless it is here. The
   * folder must be on the same file system; it is gone afterwards.
   */
  async adopt(diffId: string, folder: string, size: { bytes: number; entries: number }) {
    await this.#turns.run(diffId, async () => {
      const name = nameOf(diffId);
      await this.open();
      using _ = await this.#lock();
      if (await this.usage(diffId)) return;
      using layers = Directory.open(this.#directory);
      using from = Directory.open(path.dirname(folder));
      await removeTree(layers, name);
      from.rename(path.basename(folder), layers, name);
      const { bytes: size_bytes, entries } = size;
      await this.#save({ diffId, blobs: [diffId], size_bytes, entries });
    });
  }

  /**
   * Takes every layer out of use but those to keep, and the remains of interrupted work, for
   * `removeDiscarded`. `held` are the diff ids of work that goes on meanwhile.
   */
  async retain(
    diffIds: ReadonlySet<string>,
    held: () => Iterable<string> = () => [],
  ): Promise<void> {
    const kept = new Set([...diffIds].map(nameOf));
    for (const entry of await namesIn(this.#directory)) {
      const name = entry.replace(/\.json$/, "");
      if (kept.has(name) || this.#discarded.has(name)) continue;
      const [layer] = name.split(".");
      if ([...held()].some((diffId) => nameOf(diffId) === layer)) continue;
      this.#discard(name);
    }
  }

  /** Removes what `retain` took out of use: a layer of a million files takes minutes. */
  async removeDiscarded(): Promise<void> {
    await this.#turns.run("discarded", async () => {
      for (const name of this.#discarded) {
        // The next `retain` finds what could not be removed.
        await this.#remove(name).finally(() => this.#discarded.delete(name));
      }
    });
  }

  /** Takes a layer, or what interrupted work left, out of use in one turn. */
  #discard(name: string): void {
    const aside = `${name}.${randomBytes(4).toString("hex")}`;
    using layers = Directory.open(this.#directory);
    // The state first: a folder without it counts as absent.
    rmSync(this.#stateFile(name), { force: true });
    this.#discarded.add(aside);
    tolerateSync(() => layers.rename(name, layers, aside), errno("ENOENT"));
  }

  /**
   * Unpacks a layer beside its place, in a folder of mode 755, and gives it its name and then its
   * state once its tar's hash is found to be the diff id. A failure removes what was unpacked.
   * Where another process has brought the layer meanwhile, that one stays.
   */
  async #unpack(
    { id, diffId, digest }: { id: string; diffId: string; digest: string },
    source: AsyncIterable<Buffer>,
    lower: readonly string[] = [],
  ): Promise<void> {
    // lab:01b begin unpack
    const name = nameOf(id);
    const incoming = `${name}.${randomBytes(4).toString("hex")}`;
    await this.open();
    try {
      using layers = Directory.open(this.#directory);
      layers.makeDirectory(incoming, 0o755);
      using root = layers.directory(incoming);
      const hashing = hashingOf(diffId);
      const tar = hashing.pass(source);
      const unpacked = await unpackLayer(tar, root, this.#reserve, undefined, lower);
      check(hashing, diffId);
      if (unpacked.attributesLost > 0) {
        log.warn("extended attributes of a layer are not restored", {
          layer: diffId,
          entries: unpacked.attributesLost,
        });
      }
      if (unpacked.ownersLost > 0) {
        log.warn("owners of a layer are not mapped in this user namespace: root has their files", {
          layer: diffId,
          entries: unpacked.ownersLost,
        });
      }
      // Another process may have brought it meanwhile, and run containers on it.
      using _ = await this.#lock();
      if (await this.usage(id)) return await this.#remove(incoming);
      await removeTree(layers, name);
      layers.rename(incoming, layers, name);
      const { size_bytes, entries, implied } = unpacked;
      await this.#save({ diffId: id, blobs: [digest], size_bytes, entries, implied });
    } catch (error) {
      await this.#remove(incoming);
      throw error;
    }
    // lab:01b end
  }

  /** Excludes other processes, which may bring the same layer, from giving it its name. */
  #lock(): Promise<FileLock> {
    const file = `${this.#directory}.lock`;
    return waitForLock(file, { mode: "exclusive", timeout_ms: STORE_LOCK_TIMEOUT_MS });
  }

  async #save(state: LayerState): Promise<void> {
    await writeState(this.#stateFile(nameOf(state.diffId)), LAYER_STATE, state);
  }

  async #remove(name: string): Promise<void> {
    using layers = Directory.open(this.#directory);
    await removeTree(layers, name);
  }

  #stateFile(name: string): string {
    return path.join(this.#directory, `${name}.json`);
  }
}

function hashingOf(diffId: string): Hashing {
  return new Hashing(diffId.split(":")[0]!, LAYER_UNPACKED_BYTES);
}

function check(hashing: Hashing, diffId: string): void {
  const found = hashing.digest();
  if (found === diffId) return;
  throw new RuntimeError("failed-precondition", `layer is ${found}, expected ${diffId}`);
}

/** Whether a file is a directory; false for a link to one. */
function isDirectory(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function nameOf(diffId: string): string {
  return diffId.slice(diffId.indexOf(":") + 1).slice(0, NAME_LENGTH);
}
