import { FILES_OF_POD_BYTES_MAX } from "../limits.ts";
import type { ProjectedFile } from "./atomic-writer.ts";
import { VolumeError } from "./volume-error.ts";

/** Size of a page, which tmpfs takes for the smallest file and for a directory. */
const PAGE_BYTES = 4_096;

/**
 * Budget of bytes for the files in one pod's volumes. It is taken before a file is decoded: sources
 * may name one large object as often as the pod's size allows.
 */
export class FilesBudget {
  #left_bytes = FILES_OF_POD_BYTES_MAX;

  /** Takes bytes from the budget. Throws VolumeError TooLarge when it is exceeded. */
  take(bytes: number): void {
    this.#left_bytes -= Math.max(1, Math.ceil(bytes / PAGE_BYTES)) * PAGE_BYTES;
    if (this.#left_bytes >= 0) return;
    const text =
      "the files of the pod's configMap, secret, downwardAPI and projected volumes " +
      `take more than ${FILES_OF_POD_BYTES_MAX} bytes`;
    throw new VolumeError("TooLarge", text, {
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

  /** Adds a file, in place of one added before. Throws VolumeError TooLarge. */
  add(path: string, file: ProjectedFile): void {
    for (let at = path.indexOf("/"); at !== -1; at = path.indexOf("/", at + 1)) {
      const directory = path.slice(0, at);
      if (this.#directories.has(directory)) continue;
      this.#directories.add(directory);
      this.#budget.take(PAGE_BYTES);
    }
    this.#budget.take(Buffer.byteLength(file.text, file.encoding));
    this.payload.set(path, file);
  }
}
