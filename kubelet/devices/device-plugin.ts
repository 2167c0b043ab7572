import { logger } from "@raft2kube/observe/log.ts";
import { MessageType } from "@raft2kube/proto/codec.ts";
import {
  ContainerAllocateResponse,
  type Device,
  type DevicePluginMethods,
  type DevicePluginOptions,
  DevicePlugin as DevicePluginService,
  type Empty,
  ListAndWatchResponse,
} from "@raft2kube/proto/gen/deviceplugin.ts";
import type { ServerStream, ServiceTable } from "@raft2kube/proto/service.ts";
import { type CallOptions, type Channel, client, type RpcClient } from "@raft2kube/rpc/client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { connectPlugin } from "../plugins/connect-plugin.ts";
import {
  ALLOCATE_TIMEOUT_MS,
  ALLOCATION_BYTES_MAX,
  DEVICE_ID_BYTES_MAX,
  DEVICES_MAX,
  LIST_MESSAGES_MAX,
  LISTS_REST_MS,
  LISTS_REST_TIMES,
  LISTS_TURN_MS,
  PLUGIN_MESSAGE_BYTES_MAX,
  PRE_START_TIMEOUT_MS,
  PREFERRED_TIMEOUT_MS,
} from "./limits.ts";

const log = logger("device-plugin");

const BOUND = { messageBytes_max: PLUGIN_MESSAGE_BYTES_MAX };

/** A list as its bytes, which are decoded in its turn. */
class EncodedList extends MessageType<Uint8Array> {
  override decode(bytes: Uint8Array): Uint8Array {
    return bytes;
  }
}

type Methods = Omit<DevicePluginMethods, "listAndWatch"> & {
  listAndWatch: ServerStream<Empty, Uint8Array>;
};
const { listAndWatch } = DevicePluginService.methods;
const response = new EncodedList("v1beta1.ListAndWatchResponse", () => []);
const SERVICE: ServiceTable<Methods> = {
  ...DevicePluginService,
  methods: { ...DevicePluginService.methods, listAndWatch: { ...listAndWatch, response } },
};

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
  readonly #plugin: RpcClient<Methods>;
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
    this.#channel = connectPlugin(what.socket, BOUND);
    this.#plugin = client(this.#channel, SERVICE);
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
      let taken_ms = 0;
      const lists = this.#plugin.listAndWatch({}, { signal });
      for await (const bytes of lists) {
        const begun_ms = clock.monotonic();
        this.#listener.devices(devicesOf(bytes));
        taken_ms += clock.monotonic() - begun_ms;
        if (taken_ms < LISTS_TURN_MS) continue;
        await delay(clock, Math.max(LISTS_REST_MS, LISTS_REST_TIMES * taken_ms), signal);
        taken_ms = 0;
      }
      log.warn("the plugin ended its list of devices", { resource });
    } catch (thrown) {
      if (signal.aborted) return;
      log.warn("the plugin is gone", { resource, error: messageOf(thrown) });
    }
    if (!signal.aborted) this.#listener.stopped();
  }
}

/** Returns the devices of a list. Throws CodedError and DecodeError for more than is taken. */
function devicesOf(bytes: Uint8Array): Device[] {
  const { devices } = ListAndWatchResponse.decode(bytes, LIST_MESSAGES_MAX);
  if (devices.length > DEVICES_MAX) {
    throw new CodedError("TooManyDevices", `more than ${DEVICES_MAX} devices`);
  }
  if (devices.some(({ ID }) => Buffer.byteLength(ID) > DEVICE_ID_BYTES_MAX)) {
    throw new CodedError("LongDeviceId", `an id of more than ${DEVICE_ID_BYTES_MAX} bytes`);
  }
  return devices;
}

/** Reads the options of a plugin that registered without them. */
export async function optionsOf(socket: string): Promise<DevicePluginOptions> {
  const channel = connectPlugin(socket, BOUND);
  try {
    const plugin = client(channel, DevicePluginService);
    return await plugin.getDevicePluginOptions({}, { timeout_ms: PREFERRED_TIMEOUT_MS });
  } finally {
    channel.close();
  }
}
