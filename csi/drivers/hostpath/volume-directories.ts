import { execFile } from "node:child_process";
import { mkdir, readdir, stat } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { copyTree } from "@raft2kube/linux/beneath/copy-tree.ts";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { setDirectoryMode } from "@raft2kube/linux/beneath/directory-mode.ts";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { syncDirectory } from "@raft2kube/linux/durable-file.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { internal, resourceExhausted } from "../../lib/errors.ts";
import { COPY_TIMEOUT_MS } from "./limits.ts";

const run = promisify(execFile);

export type ContentKind = "volumes" | "snapshots";

/**
 * The contents on disk: `<dataDir>/volumes/<id>` and `<dataDir>/snapshots/<id>`. Ids are the
 * driver's own, so no path is ever made from what a caller sent. A directory counts only while the
 * state names its id: it is made before, and removed after, the state is changed.
 */
export class VolumeDirectories {
  readonly #dataDir: string;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
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
   * Makes the content of `id`, empty or a copy of `source`, anew. A volume is writable by every
   * user, as the process in the pod may be anyone. A failed copy leaves nothing.
   */
  async create(kind: ContentKind, id: string, source: string | undefined): Promise<void> {
    const directory = this.pathOf(kind, id);
    await removePath(directory);
    await mkdir(directory);
    try {
      if (source === undefined) setDirectoryMode(directory, 0o777);
      else await copyContent(source, directory);
    } catch (thrown) {
      await removePath(directory);
      if (isErrno(thrown, "ENOSPC", "EDQUOT")) throw resourceExhausted(messageOf(thrown));
      throw thrown;
    }
    await syncDirectory(path.dirname(directory));
  }

  /** Removes the content of `id`; the caller made sure that nothing is mounted in it. */
  async remove(kind: ContentKind, id: string): Promise<void> {
    await removePath(this.pathOf(kind, id));
  }

  /** Whether the content of `id` is there, as a directory. */
  async exists(kind: ContentKind, id: string): Promise<boolean> {
    try {
      return (await stat(this.pathOf(kind, id))).isDirectory();
    } catch (thrown) {
      if (isErrno(thrown, "ENOENT")) return false;
      throw thrown;
    }
  }

  /** The ids on disk that `known` does not have: left by a crash between disk and state. */
  async leftovers(kind: ContentKind, known: ReadonlySet<string>): Promise<string[]> {
    const ids = await readdir(path.join(this.#dataDir, kind));
    return ids.filter((id) => !known.has(id));
  }
}

/**
 * Copies a volume that its pods may be changing; what they put in the place of a file meanwhile
 * leads nowhere else.
 */
async function copyContent(source: string, target: string): Promise<void> {
  try {
    using from = Directory.open(source);
    using to = Directory.open(target);
    await copyTree(from, to, AbortSignal.timeout(COPY_TIMEOUT_MS));
    await run("sync", ["-f", target], { timeout: COPY_TIMEOUT_MS, killSignal: "SIGKILL" });
  } catch (thrown) {
    if (isErrno(thrown, "ENOSPC", "EDQUOT")) throw thrown;
    throw internal(`copying the content of the source failed: ${messageOf(thrown)}`);
  }
}
