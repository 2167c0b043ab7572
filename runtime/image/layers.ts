import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import path from "node:path";
import type { Readable } from "node:stream";
import { logger } from "@raft2kube/observe/log.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { RuntimeError } from "../errors.ts";
import { LAYER_UNPACKED_BYTES } from "../limits.ts";
import { Serial } from "../serial.ts";
import { readState, writeState, type StateKind } from "../state-file.ts";
import { HashingStream } from "./blobs.ts";
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
  readonly #serial = new Serial();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The folder of a layer, to be used as a lower directory. */
  folder(diffId: string): string {
    return path.join(this.#directory, nameOf(diffId));
  }

  /** What a layer takes on disk, or undefined when it is not here whole. */
  async usage(diffId: string): Promise<{ size_bytes: number; entries: number } | undefined> {
    const state = await readState<LayerState>(this.#stateFile(nameOf(diffId)), LAYER_STATE);
    return state?.diffId === diffId ? state : undefined;
  }

  /** Unpacks a layer unless it is here. `open` gives its tar, whose hash must be the diff id. */
  async add(diffId: string, open: () => Readable): Promise<void> {
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
      await rm(path.join(this.#directory, name), { recursive: true, force: true });
    }
  }

  async #unpack(diffId: string, source: Readable): Promise<void> {
    const folder = this.folder(diffId);
    const incoming = `${folder}.${randomBytes(4).toString("hex")}`;
    await mkdir(incoming, { recursive: true, mode: 0o755 });
    try {
      const hashing = new HashingStream(diffId.split(":")[0]!, LAYER_UNPACKED_BYTES);
      source.on("error", (error) => hashing.destroy(error));
      const unpacked = await unpackLayer(source.pipe(hashing), incoming);
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
      await rm(folder, { recursive: true, force: true });
      await rename(incoming, folder);
      await writeState(this.#stateFile(nameOf(diffId)), LAYER_STATE, {
        diffId,
        size_bytes: unpacked.size_bytes,
        entries: unpacked.entries,
      } satisfies LayerState);
    } catch (error) {
      await rm(incoming, { recursive: true, force: true });
      throw error;
    }
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

function nameOf(diffId: string): string {
  return diffId.slice(diffId.indexOf(":") + 1).slice(0, NAME_LENGTH);
}
