import { FILES_OF_POD_BYTES_MAX, FILES_OF_POD_MAX } from "../limits.ts";
import type { ProjectedFile } from "./atomic-writer.ts";
import { VolumeError } from "./volume-error.ts";

/** Size of a page, which tmpfs takes for the smallest file and for a directory. */
const PAGE_BYTES = 4_096;

/**
 * Budget for the files in one pod's volumes, with their directories and sources. It is taken before
 * a file is decoded: sources may name one large object as often as the pod's size allows.
 */
export class FilesBudget {
  #left = FILES_OF_POD_MAX;
  #left_bytes = FILES_OF_POD_BYTES_MAX;

  /** Takes a file or directory with its bytes, or a source with none. Throws VolumeError TooLarge. */
  take(bytes: number): void {
    this.#left--;
    this.#left_bytes -= Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
    this.requireLeft();
  }

  /** Throws VolumeError TooLarge if more was taken than there was. */
  requireLeft(): void {
    if (this.#left >= 0 && this.#left_bytes >= 0) return;
    const bound =
      this.#left < 0
        ? `are more than ${FILES_OF_POD_MAX}, with their directories and sources`
        : `take more than ${FILES_OF_POD_BYTES_MAX} bytes`;
    const what = "the files of the pod's configMap, secret, downwardAPI and projected volumes";
    throw new VolumeError("TooLarge", `${what} ${bound}`, {
      remedy: "name fewer keys and sources, or put the data in a volume of another kind",
    });
  }
}

/** Files of one volume by relative path, with the text of their objects, not yet decoded. */
export class Files {
  readonly payload = new Map<string, ProjectedFile>();
  readonly #directories = new Set<string>();
  readonly #budget: FilesBudget;

  constructor(budget: FilesBudget) {
    this.#budget = budget;
  }

  /** Counts an object that files come from, before it is read. Throws VolumeError TooLarge. */
  addSource(): void {
    this.#budget.take(0);
  }

  requireLeft(): void {
    this.#budget.requireLeft();
  }

  /** Adds a file, in place of one added before. Throws VolumeError TooLarge. */
  add(path: string, file: ProjectedFile): void {
    for (let at = path.indexOf("/"); at !== -1; at = path.indexOf("/", at + 1)) {
      const directory = path.slice(0, at);
      if (this.#directories.has(directory)) continue;
      this.#directories.add(directory);
      this.#budget.take(PAGE_BYTES);
    }
    this.#budget.take(Math.max(1, Buffer.byteLength(file.text, file.encoding)));
    this.payload.set(path, file);
  }
}
