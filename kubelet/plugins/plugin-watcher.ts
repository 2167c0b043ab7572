import { mkdir } from "node:fs/promises";
import { type FileEvents, watchDirectory } from "@raft2kube/linux/file/file-events.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { RESCAN_MS } from "./limits.ts";
import { planRegistry } from "./plan.ts";
import { type PluginHandlers, PluginRegistration } from "./registration.ts";
import { scanRegistry } from "./registry-scan.ts";

const log = logger("plugin-watcher");

export interface PluginWatcherOptions {
  /** `<rootDir>/plugins_registry`: plugins put their registration sockets here. */
  registryDir: string;
  /** Handlers by plugin type. */
  handlers: PluginHandlers;
  clock: Clock;
}

/**
 * Watches a registry directory and keeps each plugin registered while its socket exists
 * (pluginregistration v1). `close` leaves plugins registered: they outlive a restart of the
 * kubelet.
 */
export async function startPluginWatcher(
  options: PluginWatcherOptions,
): Promise<{ close(): Promise<void> }> {
  await mkdir(options.registryDir, { recursive: true, mode: 0o750 });
  const watcher = new PluginWatcher(options);
  return { close: () => watcher.close() };
}

class PluginWatcher {
  readonly #options: PluginWatcherOptions;
  readonly #files: FileEvents;
  #followed: PluginRegistration[] = [];
  readonly #leaving = new Set<Promise<void>>();
  readonly #scanning: Runner;

  constructor(options: PluginWatcherOptions) {
    this.#options = options;
    const { registryDir, clock } = options;
    this.#scanning = new Runner({
      clock,
      max_ms: RESCAN_MS, // without events too
      run: () => this.#follow(),
      report: failureLog(log, `the plugin registry ${registryDir} could not be read`),
    });
    this.#files = watchDirectory(
      registryDir,
      () => this.#scanning.request(),
      (error) => {
        log.warn("no file events of the registry", { registryDir, error: messageOf(error) });
      },
    );
    this.#scanning.request();
  }

  async close(): Promise<void> {
    this.#files.close();
    await this.#scanning.close();
    await Promise.all(this.#followed.map((one) => one.leave({ deregister: false })));
    await Promise.all(this.#leaving);
  }

  /** Deregisters a plugin without blocking the others: it may hang. */
  #leave(one: PluginRegistration): Promise<void> {
    const left = one.leave({ deregister: true }).catch((thrown: unknown) => {
      const fields = { socket: one.socket.path, error: messageOf(thrown) };
      log.warn("a plugin could not be deregistered", fields);
    });
    this.#leaving.add(left);
    void left.then(() => this.#leaving.delete(left));
    return left;
  }

  async #follow(): Promise<void> {
    const { registryDir, handlers, clock } = this.#options;
    const seen = await scanRegistry(registryDir);
    const plan = planRegistry(
      seen,
      this.#followed.map((one) => one.socket),
    );
    const leaving = this.#followed.filter((one) => plan.leave.includes(one.socket));
    this.#followed = this.#followed.filter((one) => !leaving.includes(one));
    const left = new Map(leaving.map((one) => [one.socket.path, this.#leave(one)]));
    for (const socket of plan.follow) {
      const predecessor = left.get(socket.path);
      this.#followed.push(new PluginRegistration(socket, handlers, clock, predecessor));
    }
  }
}
