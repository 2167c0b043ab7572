import { mkdir, readdir, rename } from "node:fs/promises";
import path from "node:path";
import { copyTree } from "@raft2kube/linux/beneath/copy-tree.ts";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { newId } from "@raft2kube/runtime/record-table.ts";
import { readState, type StateKind, writeState } from "@raft2kube/runtime/state-file.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { requireName } from "./names.ts";

const VOLUME_STATE: StateKind = { schema: "r2k-volume", version: 1 };

/** A managed volume: a folder that outlives containers. */
export interface Volume {
  name: string;
  createdAt_ms: number;
  labels: Record<string, string>;
  isAnonymous: boolean;
}

/** The managed volumes, each a folder with a record and the data. */
export class Volumes {
  readonly #directory: string;
  readonly #clock: Clock;

  constructor(directory: string, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
  }

  /** The folder that containers get. */
  dataOf(name: string): string {
    return path.join(this.#directory, requireName("volume", name), "_data");
  }

  async find(name: string): Promise<Volume | undefined> {
    return readState<Volume>(this.#fileOf(requireName("volume", name)), VOLUME_STATE);
  }

  async get(name: string): Promise<Volume> {
    const found = await this.find(name);
    if (found) return found;
    throw new RuntimeError("not-found", `no such volume: ${name}`);
  }

  /** All of them. A folder without a record is a creation cut short: removed. */
  async list(): Promise<Volume[]> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const volumes: Volume[] = [];
    for (const name of (await readdir(this.#directory)).sort()) {
      const found = await this.find(name);
      if (found) volumes.push(found);
      else await this.remove(name);
    }
    return volumes;
  }

  /** The volume of a name, made if there is none; without a name a new anonymous one. */
  async ensure(
    name: string = newId(),
    { labels = {}, isAnonymous = false }: Partial<Pick<Volume, "labels" | "isAnonymous">> = {},
  ): Promise<Volume> {
    const found = await this.find(name);
    if (found) return found;
    const volume = { name, createdAt_ms: this.#clock.now(), labels, isAnonymous };
    await mkdir(this.dataOf(name), { recursive: true, mode: 0o755 });
    await writeState(this.#fileOf(name), VOLUME_STATE, volume);
    return volume;
  }

  async remove(name: string): Promise<void> {
    await removePath(path.join(this.#directory, requireName("volume", name)));
  }

  /**
   * Gives an empty volume what the image has at its place: `rootfs` is the container's, in which
   * links do not lead out. A copy that was cut short is not taken for a whole one.
   */
  async fill(name: string, rootfs: string, place: string): Promise<void> {
    // lab:01b begin fill
    const data = this.dataOf(name);
    if ((await readdir(data)).length > 0) return;
    using root = Directory.open(rootfs);
    using found = root.find(place.replace(/^\/+/, "") || ".", { links: "inside" });
    if (!found?.stats().isDirectory()) return;
    using from = root.directory(place.replace(/^\/+/, "") || ".", { links: "inside" });
    const fresh = `${data}.new`;
    await removePath(fresh);
    await mkdir(fresh, { mode: 0o755 });
    {
      using to = Directory.open(fresh);
      await copyTree(from, to, new AbortController().signal);
    }
    await rename(fresh, data);
    // lab:01b end
  }

  #fileOf(name: string): string {
    return path.join(this.#directory, name, "volume.json");
  }
}
