import { join } from "node:path";
import { uniqueVolumeName } from "@raft2kube/client-kube/object/attachments.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { readVolumeData, volumeDirs } from "./csi-volume-data.ts";
import { VolumeError } from "./volume-error.ts";

const log = logger("kubelet-volumes");

/**
 * Attached volumes that this node has mounted or is about to mount: `volumesInUse` of its status.
 * The attach-detach controller detaches none of them. A volume is mounted only after a report that
 * contains it was written.
 */
export class VolumesInUse {
  readonly #used: Set<string>;
  #shown: ReadonlySet<string> = new Set();
  #changed: () => void = () => {};
  #attached: ReadonlySet<string> = new Set();
  /** Signals of volumes in use that are waited for. */
  readonly #news = new Map<string, AbortController>();

  constructor(used: Iterable<string> = []) {
    this.#used = new Set(used);
  }

  /** Finds the volumes that an earlier kubelet has mounted. */
  static async find(rootDir: string): Promise<VolumesInUse> {
    const used: string[] = [];
    for await (const dir of volumeDirs(join(rootDir, "pods"))) {
      try {
        const data = await readVolumeData(dir);
        if (data?.attachmentID === undefined) continue;
        used.push(uniqueVolumeName(data.driverName, data.volumeHandle));
      } catch (thrown) {
        if (!(thrown instanceof VolumeError)) throw thrown;
        log.warn("a volume is not reported as in use", { dir, error: messageOf(thrown) });
      }
    }
    return new VolumesInUse(used);
  }

  /** Sets what is called when the list was changed. */
  onChange(changed: () => void): void {
    this.#changed = changed;
  }

  /** The list to report, sorted. */
  list(): string[] {
    return [...this.#used].sort();
  }

  /**
   * A report with this list was written. Volumes that were released meanwhile do not count: the
   * next report may be under way without them.
   */
  shown(list: readonly string[]): void {
    const before = this.#shown;
    this.#shown = new Set(list.filter((each) => this.#used.has(each)));
    this.#wake([...this.#shown].filter((each) => !before.has(each)));
  }

  /** The node's status was seen with this list of attached volumes. */
  sawAttached(volumes: readonly { name: string }[] = []): void {
    const before = this.#attached;
    this.#attached = new Set(volumes.map(({ name }) => name));
    this.#wake([...this.#attached].filter((each) => !before.has(each)));
  }

  /** Aborts when the volume is reported, attached or released after this call. */
  news(volume: string): AbortSignal {
    const awaited = this.#news.get(volume) ?? new AbortController();
    if (this.#used.has(volume)) this.#news.set(volume, awaited);
    return awaited.signal;
  }

  #wake(volumes: Iterable<string>): void {
    for (const volume of volumes) {
      const awaited = this.#news.get(volume);
      this.#news.delete(volume);
      awaited?.abort();
    }
  }

  /** Whether a volume is in the last report, and every later one will have it. */
  isShown(volume: string): boolean {
    return this.#used.has(volume) && this.#shown.has(volume);
  }

  /** Whether a volume waits for a report. */
  hasUnshown(): boolean {
    return [...this.#used].some((each) => !this.#shown.has(each));
  }

  use(volume: string): void {
    if (this.#used.has(volume)) return;
    this.#used.add(volume);
    this.#changed();
  }

  release(volume: string): void {
    if (!this.#used.delete(volume)) return;
    // A report from before this must not count for a later use.
    this.#shown = new Set([...this.#shown].filter((each) => each !== volume));
    this.#wake([volume]);
    this.#changed();
  }
}
