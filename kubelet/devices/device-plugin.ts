import { logger } from "@raft2kube/observe/log.ts";
import {
  ContainerAllocateResponse,
  type Device,
  type DevicePluginMethods,
  type DevicePluginOptions,
  DevicePlugin as DevicePluginService,
} from "@raft2kube/proto/gen/deviceplugin.ts";
import {
  type CallOptions,
  type Channel,
  client,
  connectGrpc,
  type RpcClient,
} from "@raft2kube/rpc/client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import {
  ALLOCATE_TIMEOUT_MS,
  ALLOCATION_BYTES_MAX,
  DEVICE_ID_BYTES_MAX,
  DEVICES_MAX,
  LISTS_REST_MS,
  LISTS_TURN_MS,
  PLUGIN_MESSAGE_BYTES_MAX,
  PRE_START_TIMEOUT_MS,
  PREFERRED_TIMEOUT_MS,
} from "./limits.ts";

const log = logger("device-plugin");

export interface DevicePluginListener {
  /** Receives the plugin's full list of devices, at each change. */
  devices(devices: Device[]): void;
  /**
   * Called once when the stream of devices ends, not by `close`: the plugin has to register again.
   */
  stopped(): void;
}

/**
 * A connection to one device plugin (v1beta1): its devices as they change, and the calls about
 * them.
 */
export class DevicePlugin {
  readonly resource: string;
  readonly options: DevicePluginOptions;
  readonly #channel: Channel;
  readonly #plugin: RpcClient<DevicePluginMethods>;
  readonly #listener: DevicePluginListener;
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  readonly #watching: Promise<void>;

  constructor(
    what: { resource: string; socket: string; options: DevicePluginOptions; clock: Clock },
    listener: DevicePluginListener,
  ) {
    this.resource = what.resource;
    this.options = what.options;
    this.#clock = what.clock;
    this.#channel = connectPlugin(what.socket);
    this.#plugin = client(this.#channel, DevicePluginService);
    this.#listener = listener;
    this.#watching = this.#watch();
  }

  /** Ends the calls under way, as upstream. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#watching;
    this.#channel.close();
  }

  /** Returns what a container gets for these devices. Throws RpcError with the plugin's message. */
  async allocate(devicesIds: readonly string[]): Promise<ContainerAllocateResponse> {
    const { containerResponses } = await this.#plugin.allocate(
      { containerRequests: [{ devicesIds }] },
      this.#within(ALLOCATE_TIMEOUT_MS),
    );
    const [response] = containerResponses;
    const bytes = response ? ContainerAllocateResponse.encode(response).length : 0;
    const isRight = containerResponses.length === 1 && bytes <= ALLOCATION_BYTES_MAX;
    if (response && isRight) return response;
    const answers =
      containerResponses.length === 1
        ? `an answer of ${bytes} bytes, at most ${ALLOCATION_BYTES_MAX} are taken`
        : `${containerResponses.length} answers to one request`;
    throw new CodedError("BadDevicePlugin", `the plugin of ${this.resource} gave ${answers}`);
  }

  /** Returns the devices that the plugin prefers; empty when it has no preference. */
  async preferred(request: {
    available: readonly string[];
    must: readonly string[];
    count: number;
  }): Promise<string[]> {
    if (!this.options.getPreferredAllocationAvailable) return [];
    const { containerResponses } = await this.#plugin.getPreferredAllocation(
      {
        containerRequests: [
          {
            availableDeviceIDs: request.available,
            mustIncludeDeviceIDs: request.must,
            allocationSize: request.count,
          },
        ],
      },
      this.#within(PREFERRED_TIMEOUT_MS),
    );
    return containerResponses[0]?.deviceIDs ?? [];
  }

  /** Calls PreStartContainer if the plugin requires it. */
  async preStart(devicesIds: readonly string[]): Promise<void> {
    if (!this.options.preStartRequired) return;
    await this.#plugin.preStartContainer({ devicesIds }, this.#within(PRE_START_TIMEOUT_MS));
  }

  #within(timeout_ms: number): CallOptions {
    return { timeout_ms, signal: this.#closed.signal };
  }

  async #watch(): Promise<void> {
    const { resource } = this;
    const clock = this.#clock;
    const { signal } = this.#closed;
    try {
      let begun_ms = clock.monotonic();
      const lists = this.#plugin.listAndWatch({}, { signal });
      for await (const { devices } of lists) {
        if (devices.length > DEVICES_MAX) {
          throw new CodedError("TooManyDevices", `more than ${DEVICES_MAX} devices`);
        }
        if (devices.some(({ ID }) => Buffer.byteLength(ID) > DEVICE_ID_BYTES_MAX)) {
          throw new CodedError("LongDeviceId", `an id of more than ${DEVICE_ID_BYTES_MAX} bytes`);
        }
        this.#listener.devices(devices);
        if (clock.monotonic() - begun_ms < LISTS_TURN_MS) continue;
        await delay(clock, LISTS_REST_MS, signal);
        begun_ms = clock.monotonic();
      }
      log.warn("the plugin ended its list of devices", { resource });
    } catch (thrown) {
      if (signal.aborted) return;
      log.warn("the plugin is gone", { resource, error: messageOf(thrown) });
    }
    if (!signal.aborted) this.#listener.stopped();
  }
}

/** Reads the options of a plugin that registered without them. */
export async function optionsOf(socket: string): Promise<DevicePluginOptions> {
  const channel = connectPlugin(socket);
  try {
    const plugin = client(channel, DevicePluginService);
    return await plugin.getDevicePluginOptions({}, { timeout_ms: PREFERRED_TIMEOUT_MS });
  } finally {
    channel.close();
  }
}

function connectPlugin(socket: string): Channel {
  return connectGrpc(`unix://${socket}`, { messageBytes_max: PLUGIN_MESSAGE_BYTES_MAX });
}
