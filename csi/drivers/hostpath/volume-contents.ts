import { execFile } from "node:child_process";
import { lstat, mkdir, readdir, rename } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { copyTree } from "@raft2kube/linux/beneath/copy-tree.ts";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { setDirectoryMode } from "@raft2kube/linux/beneath/directory-mode.ts";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { syncDirectory } from "@raft2kube/linux/file/durable-file.ts";
import { loopDevicesOf, updateLoopDeviceSize } from "@raft2kube/linux/mount/loop-device.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { Copies } from "../../lib/copies.ts";
import { failedPrecondition, internal, resourceExhausted } from "../../lib/errors.ts";
import { copyFileSparsely, growFile } from "./block-content.ts";
import { syncDevices } from "./block-device.ts";
import { COPY_TIMEOUT_MS } from "./limits.ts";
import {
  growImage,
  imagesMissing,
  isAttached,
  makeImage,
  openImage,
  syncFile,
} from "./volume-image.ts";

const log = logger("csi-hostpath");
const run = promisify(execFile);

/** The namespace that expansions which copy count with: it is no name that one can have. */
const EXPANSIONS = "(expansions)";

export type ContentKind = "volumes" | "snapshots";

/**
 * How a volume is kept to its capacity: the kernel does it by a file system of that size in a file
 * (`image`), or the content of a directory is measured (`directory`).
 */
export type ContentForm = "image" | "directory";

/** The format of new content. */
export interface NewContent {
  capacity_bytes: number;
  /** Whether it is a block device: a file without a file system in it. */
  block: boolean;
  /** The content of which it is a copy; empty without one. */
  source?: { kind: ContentKind; id: string } | undefined;
}

/**
 * The contents on disk: `<dataDir>/volumes/<id>` and `<dataDir>/snapshots/<id>`, each an image, or
 * a directory where images cannot be made, and in data of versions that had none. Ids are the
 * driver's own, so no path is ever made from a caller's data. A content counts only while the state
 * names its id: it is made before, and removed after, the state is changed.
 */
export class VolumeContents {
  /** The copies under way: callers of `create` with a source enter. */
  readonly copies: Copies = new Copies();
  readonly #dataDir: string;
  #form: Promise<ContentForm> | undefined;

  /** `form` is found out at the first volume where it is left out. */
  constructor(dataDir: string, form?: ContentForm) {
    this.#dataDir = dataDir;
    if (form !== undefined) this.#form = Promise.resolve(form);
  }

  pathOf(kind: ContentKind, id: string): string {
    return path.join(this.#dataDir, kind, id);
  }

  /** Makes the two parents. Only root may pass through them: a pod reaches its volume by mount. */
  async prepare(): Promise<void> {
    for (const kind of ["volumes", "snapshots"] as const) {
      await mkdir(path.join(this.#dataDir, kind), { recursive: true, mode: 0o700 });
    }
  }

  /**
   * Makes the content of `id`, empty or a copy. A volume is writable by every user, as the process
   * in the pod may be anyone. A failed copy leaves nothing. Throws RESOURCE_EXHAUSTED when the disk
   * is full, or the copy is larger than the capacity.
   */
  async create(kind: ContentKind, id: string, content: NewContent): Promise<void> {
    const file = this.pathOf(kind, id);
    if (content.block) await this.#makeBlock(file, content);
    else await this.#make(file, await this.#formOf(), content);
  }

  /**
   * Gives the volume room for `capacity_bytes`, while it is mounted too. Where the kernel lets this
   * process grow no mounted file system, the content moves to a larger one, which takes the time of
   * a copy; throws FAILED_PRECONDITION then while the volume is in use.
   */
  async grow(id: string, capacity_bytes: number): Promise<void> {
    const file = this.pathOf("volumes", id);
    if ((await this.formOf("volumes", id)) !== "image") return;
    const inUse = isAttached(file);
    try {
      await growImage(file, capacity_bytes);
      return;
    } catch (thrown) {
      if (!isErrno(thrown, "EPERM")) throw thrown;
    }
    if (inUse) {
      throw failedPrecondition(
        `volume ${id} is in use, and to grow it then needs CAP_SYS_RESOURCE: end its pods first`,
      );
    }
    using _ = this.copies.enter(EXPANSIONS);
    const fresh = path.join(path.dirname(file), `.${id}.new`);
    await this.#make(fresh, "image", {
      capacity_bytes,
      block: false,
      source: { kind: "volumes", id },
    });
    await rename(fresh, file);
    await syncDirectory(path.dirname(file));
  }

  /** Gives a block device room for `capacity_bytes`, while it is in use too. */
  async growBlock(id: string, capacity_bytes: number): Promise<void> {
    const file = this.pathOf("volumes", id);
    await growFile(file, capacity_bytes);
    for (const name of loopDevicesOf(file)) updateLoopDeviceSize(name);
  }

  /** Removes the content of `id`; the caller made sure that nothing is mounted in it. */
  async remove(kind: ContentKind, id: string): Promise<void> {
    await removePath(this.pathOf(kind, id));
  }

  /** The form that the content of `id` has, undefined when it is missing. */
  async formOf(kind: ContentKind, id: string): Promise<ContentForm | undefined> {
    try {
      const stats = await lstat(this.pathOf(kind, id));
      if (stats.isFile()) return "image";
      return stats.isDirectory() ? "directory" : undefined;
    } catch (thrown) {
      if (isErrno(thrown, "ENOENT")) return undefined;
      throw thrown;
    }
  }

  /** The ids on disk that `known` does not have: left by a crash between disk and state. */
  async leftovers(kind: ContentKind, known: ReadonlySet<string>): Promise<string[]> {
    const ids = await readdir(path.join(this.#dataDir, kind));
    return ids.filter((id) => !known.has(id));
  }

  #formOf(): Promise<ContentForm> {
    this.#form ??= this.#findForm();
    return this.#form;
  }

  async #findForm(): Promise<ContentForm> {
    try {
      const missing = await imagesMissing(path.join(this.#dataDir, "volumes"));
      if (missing === undefined) return "image";
      const form = "volumes are directories, whose size is measured: images cannot be made";
      log.warn(form, { error: missing });
      return "directory";
    } catch (thrown) {
      this.#form = undefined;
      throw thrown;
    }
  }

  async #makeBlock(file: string, { capacity_bytes, source }: NewContent): Promise<void> {
    await removePath(file);
    try {
      if (source) {
        const origin = this.pathOf(source.kind, source.id);
        await syncDevices(origin);
        await copyFileSparsely(origin, file);
      }
      await growFile(file, capacity_bytes);
    } catch (thrown) {
      await removePath(file);
      if (isErrno(thrown, "ENOSPC", "EDQUOT")) throw resourceExhausted(messageOf(thrown));
      throw thrown;
    }
    await syncDirectory(path.dirname(file));
  }

  async #make(file: string, form: ContentForm, content: NewContent): Promise<void> {
    const { capacity_bytes, source } = content;
    await removePath(file);
    try {
      if (form === "image") await makeImage(file, capacity_bytes);
      else await mkdir(file);
      if (form === "directory" && !source) setDirectoryMode(file, 0o777);
      if (source) await this.#copy(source, file, form);
    } catch (thrown) {
      await removePath(file);
      if (isErrno(thrown, "ENOSPC", "EDQUOT")) throw resourceExhausted(messageOf(thrown));
      throw thrown;
    }
    await syncDirectory(path.dirname(file));
  }

  /**
   * Copies a volume that its pods may be changing; what they put in the place of a file meanwhile
   * leads nowhere else.
   */
  async #copy(
    source: { kind: ContentKind; id: string },
    file: string,
    form: ContentForm,
  ): Promise<void> {
    const origin = this.pathOf(source.kind, source.id);
    const ofImage = (await this.formOf(source.kind, source.id)) === "image";
    try {
      await using fromMount = ofImage ? await openImage(origin) : undefined;
      await using toMount = form === "image" ? await openImage(file) : undefined;
      using from = Directory.open(fromMount?.path ?? origin);
      using to = Directory.open(toMount?.path ?? file);
      await copyTree(from, to, AbortSignal.timeout(COPY_TIMEOUT_MS));
      const options = { timeout: COPY_TIMEOUT_MS, killSignal: "SIGKILL" } as const;
      await run("sync", ["-f", toMount?.path ?? file], options);
    } catch (thrown) {
      if (isErrno(thrown, "ENOSPC", "EDQUOT")) throw thrown;
      throw internal(`copying the content of the source failed: ${messageOf(thrown)}`);
    }
    if (form === "image") await syncFile(file);
  }
}
