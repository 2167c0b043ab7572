import { type FSWatcher, watch } from "node:fs";
import { lstat } from "node:fs/promises";
import path from "node:path";
import { logger } from "@raft2kube/observe/log.ts";
import { Registration } from "@raft2kube/proto/gen/deviceplugin.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { type RpcServer, serveGrpc } from "@raft2kube/rpc/server.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { codeOf, isErrno } from "@raft2kube/std/errors.ts";
import {
  RECHECK_MS,
  REGISTER_BACK_OFF_MS,
  REGISTER_BACK_OFF_MS_MAX,
  REGISTER_TIMEOUT_MS,
} from "./limits.ts";
import { type DevicePluginBehaviour, optionsOf, serviceOf } from "./service.ts";

const log = logger("device-plugin");

export interface DevicePluginOptions {
  /** The kubelet's root directory; its sockets are in `device-plugins/` below it. */
  kubeletDir: string;
  /** The plugin's own socket, a file name in that directory. */
  socketName: string;
  behaviour: DevicePluginBehaviour;
  clock: Clock;
}

/**
 * Serves a device plugin (v1beta1) and registers it with the kubelet, and again after each start of
 * the kubelet, which removes all sockets and has no registrations.
 */
export function startDevicePlugin(options: DevicePluginOptions): { close(): Promise<void> } {
  const plugin = new ServedDevicePlugin(options);
  return { close: () => plugin.close() };
}

class ServedDevicePlugin {
  readonly #options: DevicePluginOptions;
  readonly #directory: string;
  readonly #closed = new AbortController();
  #files: FSWatcher | undefined;
  #server: RpcServer | undefined;
  /** Identity of the `kubelet.sock` of the last registration; each kubelet creates a new file. */
  #registeredWith: string | undefined;
  readonly #checking: Runner;

  constructor(options: DevicePluginOptions) {
    this.#options = options;
    this.#directory = path.join(options.kubeletDir, "device-plugins");
    const logFailure = failureLog(log, `registration of ${options.behaviour.resourceName} failed`);
    this.#checking = new Runner({
      clock: options.clock,
      max_ms: RECHECK_MS,
      run: () => this.#check(),
      retry: { first_ms: REGISTER_BACK_OFF_MS, most_ms: REGISTER_BACK_OFF_MS_MAX },
      report(thrown) {
        // A kubelet that refuses, or is gone, may accept later; another error is a mistake here.
        if (thrown !== undefined && codeOf(thrown) === undefined) throw thrown;
        logFailure(thrown);
      },
    });
    this.#checking.request();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#files?.close();
    await this.#checking.close();
    await this.#server?.close();
  }

  async #check(): Promise<void> {
    this.#watchDirectory();
    await this.#restore();
  }

  /**
   * Serves and registers with a kubelet that has no registration of this plugin: at the start, and
   * whenever `kubelet.sock` is another file than at the last registration. Serves first: the
   * kubelet connects to the plugin's socket before it answers Register.
   */
  async #restore(): Promise<void> {
    // lab:18 begin restore
    const kubelet = await identityOf(path.join(this.#directory, "kubelet.sock"));
    if (kubelet === undefined || kubelet === this.#registeredWith) return;
    await this.#serveAgain();
    await this.#register();
    this.#registeredWith = kubelet;
    // lab:18 end
  }

  #watchDirectory(): void {
    if (this.#files) return;
    try {
      this.#files = watch(this.#directory, (_event, name) => {
        if (name === null || name === "kubelet.sock") this.#checking.request();
      });
    } catch (thrown) {
      // No kubelet has created the directory.
      if (isErrno(thrown, "ENOENT")) return;
      throw thrown;
    }
    this.#files.on("error", () => {
      this.#files?.close();
      this.#files = undefined;
    });
  }

  async #serveAgain(): Promise<void> {
    // Closing removes the socket's path, so the old server is closed before the new one binds.
    await this.#server?.close();
    this.#server = undefined;
    const { behaviour, socketName } = this.#options;
    this.#server = await serveGrpc({
      listen: { path: path.join(this.#directory, socketName) },
      services: [serviceOf(behaviour, this.#closed.signal)],
    });
  }

  /**
   * Calls Register at `kubelet.sock`: version v1beta1, the name of the plugin's socket in the same
   * directory, the resource, and the behaviour's `optionsOf`. The call ends as `limits` says: the
   * kubelet may hang.
   */
  async #register(): Promise<void> {
    const { behaviour, socketName } = this.#options;
    const channel = connectGrpc(`unix://${path.join(this.#directory, "kubelet.sock")}`);
    try {
      const limits = { timeout_ms: REGISTER_TIMEOUT_MS, signal: this.#closed.signal };
      // lab:18 begin register
      const { resourceName } = behaviour;
      const options = optionsOf(behaviour);
      const request = { version: "v1beta1", endpoint: socketName, resourceName, options };
      await client(channel, Registration).register(request, limits);
      // lab:18 end
      log.info("registered with the kubelet", { resource: behaviour.resourceName });
    } finally {
      channel.close();
    }
  }
}

/** Returns a socket file's identity, which a new file does not share; undefined if absent. */
async function identityOf(file: string): Promise<string | undefined> {
  try {
    const { ino, ctimeMs } = await lstat(file);
    return `${ino}:${ctimeMs}`;
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return undefined;
    throw thrown;
  }
}
