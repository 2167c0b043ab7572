import { watch, type FSWatcher } from "node:fs";
import { lstat } from "node:fs/promises";
import path from "node:path";
import { logger } from "@raft2kube/observe/log.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  DevicePlugin,
  Registration,
  type ContainerAllocateResponse,
  type ContainerPreferredAllocationRequest,
} from "@raft2kube/proto/gen/deviceplugin.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { serve, serveGrpc, type RpcServer, type ServedService } from "@raft2kube/rpc/server.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import type { DeviceSet } from "./device-set.ts";
import {
  RECHECK_MS,
  REGISTER_BACK_OFF_MS_MAX,
  REGISTER_BACK_OFF_MS,
  REGISTER_TIMEOUT_MS,
} from "./limits.ts";

const log = logger("device-plugin");

/** The behaviour of one device plugin. */
export interface DevicePluginBehaviour {
  /** `domain/name`, as in the pods' limits. */
  resourceName: string;
  devices: DeviceSet;
  /** Returns what the container receives for these devices. Throws RpcError to reject. */
  allocate(deviceIds: readonly string[]): Init<ContainerAllocateResponse>;
  /** Returns the preferred ones of the available devices; optional. */
  prefer?(request: ContainerPreferredAllocationRequest): string[];
  /** Prepares the devices before their container starts; optional. */
  preStart?(deviceIds: readonly string[]): Promise<void>;
}

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
  #checking: Promise<void> | undefined;
  #checkAgain = false;
  #timer: Timer | undefined;
  #pause_ms = REGISTER_BACK_OFF_MS;

  constructor(options: DevicePluginOptions) {
    this.#options = options;
    this.#directory = path.join(options.kubeletDir, "device-plugins");
    this.#check();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#files?.close();
    this.#timer?.cancel();
    await this.#checking;
    await this.#server?.close();
  }

  /** Serves and registers if necessary; one check runs at a time. */
  #check(): void {
    if (this.#closed.signal.aborted) return;
    if (this.#checking) {
      this.#checkAgain = true;
      return;
    }
    this.#timer?.cancel();
    this.#checking = this.#restore().then((next_ms) => {
      this.#checking = undefined;
      if (this.#closed.signal.aborted) return;
      this.#timer = this.#options.clock.after(next_ms, () => this.#check());
      if (this.#checkAgain) {
        this.#checkAgain = false;
        this.#check();
      }
    });
  }

  /** Serves and registers if necessary; resolves with the delay before the next check. */
  async #restore(): Promise<number> {
    try {
      this.#watchDirectory();
      const kubelet = await identityOf(path.join(this.#directory, "kubelet.sock"));
      if (kubelet === undefined) this.#registeredWith = undefined;
      else if (kubelet !== this.#registeredWith) {
        await this.#serveAgain();
        await this.#register();
        this.#registeredWith = kubelet;
      }
      this.#pause_ms = REGISTER_BACK_OFF_MS;
      return RECHECK_MS;
    } catch (thrown) {
      const resource = this.#options.behaviour.resourceName;
      log.warn("registration failed, retrying", { resource, error: messageOf(thrown) });
      const pause_ms = this.#pause_ms;
      this.#pause_ms = Math.min(pause_ms * 2, REGISTER_BACK_OFF_MS_MAX);
      return pause_ms;
    }
  }

  #watchDirectory(): void {
    if (this.#files) return;
    try {
      this.#files = watch(this.#directory, (_event, name) => {
        if (name === null || name === "kubelet.sock") this.#check();
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

  async #register(): Promise<void> {
    const { behaviour, socketName } = this.#options;
    const channel = connectGrpc(`unix://${path.join(this.#directory, "kubelet.sock")}`);
    try {
      await client(channel, Registration).register(
        {
          version: "v1beta1",
          endpoint: socketName,
          resourceName: behaviour.resourceName,
          options: pluginOptions(behaviour),
        },
        { timeout_ms: REGISTER_TIMEOUT_MS, signal: this.#closed.signal },
      );
      log.info("registered with the kubelet", { resource: behaviour.resourceName });
    } finally {
      channel.close();
    }
  }
}

function pluginOptions(behaviour: DevicePluginBehaviour) {
  return {
    preStartRequired: behaviour.preStart !== undefined,
    getPreferredAllocationAvailable: behaviour.prefer !== undefined,
  };
}

function serviceOf(behaviour: DevicePluginBehaviour, closed: AbortSignal): ServedService {
  return serve(DevicePlugin, {
    getDevicePluginOptions: () => pluginOptions(behaviour),
    async *listAndWatch(_request, call) {
      const signal = AbortSignal.any([call.signal, closed]);
      for await (const devices of behaviour.devices.follow(signal)) yield { devices };
    },
    allocate: ({ containerRequests }) => ({
      containerResponses: containerRequests.map(({ devicesIds }) => behaviour.allocate(devicesIds)),
    }),
    getPreferredAllocation: ({ containerRequests }) => ({
      containerResponses: containerRequests.map((request) => ({
        deviceIDs: behaviour.prefer?.(request) ?? [],
      })),
    }),
    preStartContainer: async ({ devicesIds }) => {
      await behaviour.preStart?.(devicesIds);
      return {};
    },
  });
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
