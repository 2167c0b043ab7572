import { readdir } from "node:fs/promises";
import { extname, join } from "node:path";
import { defaultPod } from "@raft2kube/api/core/v1/pod/defaults.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { type FileEvents, watchDirectory } from "@raft2kube/linux/file/file-events.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { STATIC_POD_PERIOD_MS, STATIC_POD_SETTLE_MS } from "../limits.ts";
import { CONFIG_HASH, uidOf } from "./pod-identity.ts";
import { SettledFiles } from "./settled-files.ts";
import { staticPod } from "./static-pod.ts";

export interface PodSourceSink {
  put(pod: Pod): void;
  remove(podUid: string): void;
}

export interface StaticSourceOptions {
  dir: string;
  nodeName: string;
  clock: Clock;
  sink: PodSourceSink;
  /** A file cannot be used, for this reason; called each time that it is read. */
  unusable?: (file: string, reason: string) => void;
}

const log = logger("kubelet-static-pods");
const EXTENSIONS = [".yaml", ".yml", ".json", ".manifest"];

/** The pod of a changed file has another, also where the file names the UID. */
const hashOf = ({ metadata }: Pod): string | undefined => metadata.annotations?.[CONFIG_HASH];

/** Source of static pods: watches the files of a directory. */
export class StaticSource {
  readonly synced: Promise<void>;
  readonly #options: StaticSourceOptions;
  /** Pod of each file. A file that does not parse keeps its last pod running. */
  #pods = new Map<string, Pod>();
  readonly #files: SettledFiles;
  /** A file is being written: it is read again after STATIC_POD_SETTLE_MS. */
  #unsettled = false;
  #watcher: FileEvents | undefined;
  readonly #reading: Runner;
  #markSynced: () => void = () => {};
  #changed: () => void = () => {};

  constructor(options: StaticSourceOptions) {
    this.#options = options;
    this.#files = new SettledFiles(options.clock);
    this.synced = new Promise((resolve) => {
      this.#markSynced = resolve;
    });
    this.#reading = new Runner({
      clock: options.clock,
      max_ms: STATIC_POD_PERIOD_MS,
      run: () => this.#readAll(),
      report: failureLog(log, "the static pod directory cannot be read"),
    });
  }

  /** Starts to read the files. `changed` is called after each time that all were read. */
  start(changed: () => void): void {
    this.#changed = changed;
    this.#reading.request();
  }

  /** Returns the pods as last read. */
  list(): Pod[] {
    return [...this.#pods.values()];
  }

  async close(): Promise<void> {
    this.#watcher?.close();
    await this.#reading.close();
  }

  /** Reads all files; resolves with the pause until the next time where it is not the period. */
  async #readAll(): Promise<void | number> {
    const { dir, sink } = this.#options;
    try {
      // Watch before reading: changes during the read trigger another one.
      this.#watcher ??= this.#watch(dir);
      const found = new Map<string, Pod>();
      this.#unsettled = false;
      for (const name of (await readdir(dir)).sort()) {
        const file = join(dir, name);
        if (name.startsWith(".") || !EXTENSIONS.includes(extname(name))) continue;
        const pod = (await this.#podIn(file)) ?? this.#pods.get(file);
        if (pod) found.set(file, pod);
      }
      const before = this.#pods;
      this.#pods = found;
      const wanted = new Set([...found.values()].map(hashOf));
      const known = new Set([...before.values()].map(hashOf));
      for (const pod of before.values()) if (!wanted.has(hashOf(pod))) sink.remove(uidOf(pod));
      for (const pod of found.values()) if (!known.has(hashOf(pod))) sink.put(pod);
      this.#changed();
      // Not synced while a file is being written: its pod is not removed.
      if (this.#unsettled) return STATIC_POD_SETTLE_MS;
      this.#markSynced();
    } catch (thrown) {
      if (!isErrno(thrown, "ENOENT")) throw thrown;
      log.debug("the static pod directory is not there", { dir });
      this.#markSynced();
    }
  }

  async #podIn(file: string): Promise<Pod | undefined> {
    const { nodeName, clock } = this.#options;
    try {
      const text = await this.#files.read(file);
      if (text === undefined) {
        this.#unsettled = true;
        return undefined;
      }
      // The parser is loaded with the first file: most kubelets have none.
      const { parsePodFile } = await import("./static-pod-file.ts");
      const parsed = parsePodFile(text, file);
      const pod = staticPod(parsed, { file, nodeName, now_ms: clock.now() });
      // The API server would have set the defaults.
      defaultPod(pod);
      return pod;
    } catch (thrown) {
      const error = messageOf(thrown);
      log.error("a static pod file cannot be used", { file, error });
      this.#options.unusable?.(file, error);
      return undefined;
    }
  }

  /**
   * Returns undefined when the directory cannot be watched; it is still read every
   * STATIC_POD_PERIOD_MS.
   */
  #watch(dir: string): FileEvents | undefined {
    let lost = false;
    const events = watchDirectory(
      dir,
      () => this.#reading.request(),
      (error) => {
        log.warn("the static pod directory is not watched", { dir, error: messageOf(error) });
        lost = true;
        this.#watcher = undefined;
      },
    );
    return lost ? undefined : events;
  }
}
