import { lstat, mkdir, readdir, rm } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import path from "node:path";
import { setDirectoryMode } from "@raft2kube/linux/beneath/directory-mode.ts";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { removeTree } from "@raft2kube/linux/beneath/remove-tree.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { RuntimeError } from "../errors.ts";
import { LAYER_UNPACKED_BYTES } from "../limits.ts";
import { Serial } from "../serial.ts";
import { readState, writeState, type StateKind } from "../state-file.ts";
import { Hashing } from "./blobs.ts";
import type { DiskReserve } from "./disk-reserve.ts";
import { unpackLayer } from "./unpack.ts";

const log = logger("runtime");
const LAYER_STATE: StateKind = { schema: "r2k-layer", version: 1 };
/** Of the diff id's hash in a folder's name: overlayfs takes a page for all the folders' names. */
const NAME_LENGTH = 24;

interface LayerState {
  diffId: string;
  size_bytes: number;
  entries: number;
}

/** Layers unpacked for overlayfs, one folder each, named by the hash of their tar (diff id). */
export class LayerStore {
  readonly #directory: string;
  readonly #reserve: DiskReserve;
  readonly #serial = new Serial();

  constructor(directory: string, reserve: DiskReserve) {
    this.#directory = directory;
    this.#reserve = reserve;
  }

  /**
   * Makes the folder of all layers, which root alone may enter: programs in it keep their set-id
   * bits, and no user of the machine is to run those (CVE-2021-41103).
   */
  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    setDirectoryMode(this.#directory, 0o700);
  }

  /** The folder of a layer, to be used as a lower directory. */
  folder(diffId: string): string {
    return path.join(this.#directory, nameOf(diffId));
  }

  /** What a layer takes on disk, or undefined when it is not here whole. */
  async usage(diffId: string): Promise<{ size_bytes: number; entries: number } | undefined> {
    const state = await readState<LayerState>(this.#stateFile(nameOf(diffId)), LAYER_STATE);
    if (state?.diffId !== diffId) return undefined;
    return (await isDirectory(this.folder(diffId))) ? state : undefined;
  }

  /** Unpacks a layer unless it is here. `open` gives its tar, whose hash must be the diff id. */
  async add(diffId: string, open: () => AsyncIterable<Buffer>): Promise<void> {
    await this.#serial.run(diffId, async () => {
      if ((await this.usage(diffId)) === undefined) await this.#unpack(diffId, open());
    });
  }

  /** Removes every layer but those to keep, and what interrupted work left behind. */
  async keepOnly(keep: ReadonlySet<string>): Promise<void> {
    const kept = new Set([...keep].map(nameOf));
    for (const entry of await this.#entries()) {
      const name = entry.replace(/\.json$/, "");
      if (kept.has(name)) continue;
      // The state first: a folder without it counts as absent.
      await rm(this.#stateFile(name), { force: true });
      await this.#remove(name);
    }
  }

  async #unpack(diffId: string, source: AsyncIterable<Buffer>): Promise<void> {
    const name = nameOf(diffId);
    const incoming = `${name}.${randomBytes(4).toString("hex")}`;
    await this.open();
    try {
      using layers = Directory.open(this.#directory);
      layers.makeDirectory(incoming, 0o755);
      using root = layers.directory(incoming);
      const hashing = new Hashing(diffId.split(":")[0]!, LAYER_UNPACKED_BYTES);
      const unpacked = await unpackLayer(hashing.pass(source), root, this.#reserve);
      const found = hashing.digest();
      if (found !== diffId) {
        throw new RuntimeError("failed-precondition", `layer is ${found}, expected ${diffId}`);
      }
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
      await removeTree(layers, name);
      layers.rename(incoming, layers, name);
      await writeState(this.#stateFile(name), LAYER_STATE, {
        diffId,
        size_bytes: unpacked.size_bytes,
        entries: unpacked.entries,
      } satisfies LayerState);
    } catch (error) {
      await this.#remove(incoming);
      throw error;
    }
  }

  async #remove(name: string): Promise<void> {
    using layers = Directory.open(this.#directory);
    await removeTree(layers, name);
  }

  async #entries(): Promise<string[]> {
    try {
      return await readdir(this.#directory);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return [];
      throw error;
    }
  }

  #stateFile(name: string): string {
    return path.join(this.#directory, `${name}.json`);
  }
}

/** False for a link, whatever it leads to. */
async function isDirectory(file: string): Promise<boolean> {
  try {
    return (await lstat(file)).isDirectory();
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

function nameOf(diffId: string): string {
  return diffId.slice(diffId.indexOf(":") + 1).slice(0, NAME_LENGTH);
}
