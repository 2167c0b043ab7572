import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { type FileEvents, watchDirectory } from "@raft2kube/linux/file/file-events.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import { EXIT_CHECK_INTERVAL_MS, EXIT_POLL_INTERVAL_MS } from "../limits.ts";
import type { Base, Exits, Records } from "../ports.ts";
import { type ExitPorts, recordExit } from "./exit.ts";

/**
 * Detects ends of containers: conmon writes a file for each into one directory, which is watched.
 */
export class ExitWatcher implements Exits {
  #events: FileEvents | undefined;
  #polls: Runner | undefined;
  #runtime: ExitPorts | undefined;
  /** The functions that end waits for a container. Invariant: no container without a wait. */
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Starts to watch; containers that ended before are found by `reconcile`. */
  async open(runtime: ExitPorts): Promise<void> {
    this.#runtime = runtime;
    await mkdir(runtime.paths.exits, { recursive: true, mode: 0o700 });
    const changed = (id: string | null) => {
      if (id !== null && runtime.containers.find(id)) this.check(id);
    };
    this.#events = watchDirectory(runtime.paths.exits, changed, (err) => {
      runtime.log.error("containers' ends are no longer watched, only polled for", { err });
      this.#poll(runtime);
    });
  }

  /** Watches again if another program has deleted the directory: no event says so. */
  async reopen(runtime: ExitPorts): Promise<void> {
    if (existsSync(runtime.paths.exits)) return;
    this.#events?.close();
    await this.open(runtime);
  }

  close(): void {
    this.#events?.close();
    void this.#polls?.close();
    this.#runtime = undefined;
  }

  /**
   * Checks whether a container has ended, and records it. Does not wait for the calls under way.
   */
  check(id: string): void {
    const runtime = this.#runtime;
    if (!runtime) return;
    void recordExit(runtime, id)
      .then((ended) => ended && this.#wake(id))
      .catch((err: unknown) => {
        runtime.log.error("could not take note of a container's end", { container: id, err });
      });
  }

  /**
   * Resolves when the container no longer runs, after `timeout_ms`, or within
   * EXIT_CHECK_INTERVAL_MS of the signal's abort. Returns whether it ended.
   */
  async ended(id: string, timeout_ms: number, signal?: AbortSignal): Promise<boolean> {
    const runtime = this.#runtime;
    if (!runtime) return false;
    const running = () => runtime.containers.find(id)?.phase.state === "running";
    const deadline_ms = runtime.clock.monotonic() + timeout_ms;
    while (running()) {
      const left_ms = deadline_ms - runtime.clock.monotonic();
      if (left_ms <= 0 || signal?.aborted) return false;
      await this.#woken(runtime, id, Math.min(left_ms, EXIT_CHECK_INTERVAL_MS));
      // The watch reports ends that conmon saw; a killed conmon writes nothing.
      if (running()) this.check(id);
    }
    return true;
  }

  /** Checks all running containers periodically. */
  #poll({ clock, containers, log }: Base & Records): void {
    this.#polls ??= new Runner({
      clock,
      max_ms: EXIT_POLL_INTERVAL_MS,
      run: () => {
        const running = containers.values().filter(({ phase }) => phase.state === "running");
        for (const { id } of running) this.check(id);
      },
      report: failureLog(log, "containers' ends are not polled for"),
    });
    this.#polls.request();
  }

  #woken({ clock }: Base, id: string, timeout_ms: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const wakers = this.#waiting.get(id) ?? new Set();
      const wake = () => {
        timer.cancel();
        wakers.delete(wake);
        if (wakers.size === 0) this.#waiting.delete(id);
        resolve();
      };
      const timer = clock.after(timeout_ms, wake);
      wakers.add(wake);
      this.#waiting.set(id, wakers);
    });
  }

  #wake(id: string): void {
    for (const wake of this.#waiting.get(id) ?? []) wake();
  }
}
