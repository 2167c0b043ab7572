import type { SnapshotMark } from "../core/types.ts";

export interface SnapshotInstallsOptions {
  /** Puts a received snapshot, whose record is in the log, in the place of the state. */
  install: (mark: SnapshotMark) => Promise<void>;
  /** Removes a received snapshot that will not be installed. */
  drop: (mark: SnapshotMark) => void;
  /** Called after a snapshot replaced the state. */
  onInstalled: () => void;
  onFailed: (reason: unknown) => void;
}

/**
 * Installs received snapshots, one at a time and only the newest that waits: a member whose disk is
 * slower than its leader sends would otherwise fall further behind with each.
 */
export class SnapshotInstalls {
  readonly #options: SnapshotInstallsOptions;
  /** Indexes of pending snapshots. */
  readonly #pending = new Set<number>();
  #waiting: SnapshotMark | undefined;
  #running: Promise<void> | undefined;

  constructor(options: SnapshotInstallsOptions) {
    this.#options = options;
  }

  /** Snapshots that the core has taken and that are neither installed nor superseded. */
  get pending(): number {
    return this.#pending.size;
  }

  /** The core has taken a snapshot; its record is on its way to the log. */
  taken({ index }: SnapshotMark): void {
    this.#pending.add(index);
  }

  /** The core has not taken a snapshot: it is of no use, unless it is a pending one once more. */
  refused(mark: SnapshotMark): void {
    if (!this.#pending.has(mark.index)) this.#options.drop(mark);
  }

  /**
   * The record of a snapshot is durable. A crash now leads to this snapshot, so an earlier one that
   * waits is dropped; one that is being installed is completed.
   */
  recorded(mark: SnapshotMark): void {
    const superseded = this.#waiting;
    this.#waiting = mark;
    if (superseded) {
      this.#pending.delete(superseded.index);
      this.#options.drop(superseded);
    }
    this.#running ??= this.#run();
  }

  /** Starts no other installation. */
  stop(): void {
    this.#waiting = undefined;
  }

  /** Resolves once no snapshot is being installed. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    const { install, onInstalled, onFailed } = this.#options;
    try {
      while (this.#waiting) {
        const mark = this.#waiting;
        this.#waiting = undefined;
        await install(mark);
        this.#pending.delete(mark.index);
        onInstalled();
      }
    } catch (thrown) {
      onFailed(thrown);
    } finally {
      this.#running = undefined;
    }
  }
}
