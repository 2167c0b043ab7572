import { FILES_OF_POD_BYTES_MAX } from "../limits.ts";
import type { ProjectedFile } from "./atomic-writer.ts";
import { VolumeError } from "./volume-error.ts";

/** What tmpfs takes for the smallest file; a directory is counted as one too. */
const PAGE_BYTES = 4_096;

/**
 * Room for the files that one pod's volumes are made of, all of them together. It is taken before a
 * file is decoded: sources may name one large object as often as the pod's own size allows.
 */
export class FilesBudget {
  #left_bytes = FILES_OF_POD_BYTES_MAX;

  /** Throws VolumeError TooLarge when there is no more room. */
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

/** The files of one volume by relative path, with the text of their objects, not yet decoded. */
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
