import { logger } from "@raft2kube/observe/log.ts";
import { MessageType } from "@raft2kube/proto/codec.ts";
import {
  type AllocateRequest,
  AllocateResponse,
  type ContainerAllocateResponse,
  type Device,
  type DevicePluginMethods,
  type DevicePluginOptions,
  DevicePlugin as DevicePluginService,
  type Empty,
  ListAndWatchResponse,
  type PreferredAllocationRequest,
  PreferredAllocationResponse,
} from "@raft2kube/proto/gen/deviceplugin.ts";
import type { ServerStream, ServiceTable, Unary } from "@raft2kube/proto/service.ts";
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

/** An answer as its bytes: a list is decoded in its turn, others once their length is known. */
class EncodedAnswer extends MessageType<Uint8Array> {
  override decode(bytes: Uint8Array): Uint8Array {
    return bytes;
  }
}

type Bounded = "listAndWatch" | "allocate" | "getPreferredAllocation";
type Methods = Omit<DevicePluginMethods, Bounded> & {
  listAndWatch: ServerStream<Empty, Uint8Array>;
  allocate: Unary<AllocateRequest, Uint8Array>;
  getPreferredAllocation: Unary<PreferredAllocationRequest, Uint8Array>;
};
const { methods } = DevicePluginService;
const response = new EncodedAnswer("v1beta1.EncodedAnswer", () => []);
const SERVICE: ServiceTable<Methods> = {
  ...DevicePluginService,
  methods: {
    ...methods,
    listAndWatch: { ...methods.listAndWatch, response },
    allocate: { ...methods.allocate, response },
    getPreferredAllocation: { ...methods.getPreferredAllocation, response },
  },
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
  readonly socket: string;
  readonly options: DevicePluginOptions;
  readonly #channel: Channel;
  readonly #plugin: RpcClient<Methods>;
  readonly #listener: DevicePluginListener;
  readonly #clock: Clock;
  readonly #resources: () => number;
  readonly #closed = new AbortController();
  readonly #watching: Promise<void>;

  constructor(
    what: {
      resource: string;
      socket: string;
      options: DevicePluginOptions;
      clock: Clock;
      /** The number of resources, which share the time for lists. */
      resources: () => number;
    },
    listener: DevicePluginListener,
  ) {
    this.resource = what.resource;
    this.socket = what.socket;
    this.options = what.options;
    this.#clock = what.clock;
    this.#resources = what.resources;
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
    const bytes = await this.#plugin.allocate(
      { containerRequests: [{ devicesIds }] },
      this.#within(ALLOCATE_TIMEOUT_MS),
    );
    const { containerResponses } = this.#decoded(AllocateResponse, bytes, ALLOCATION_BYTES_MAX);
    const [response] = containerResponses;
    if (response && containerResponses.length === 1) return response;
    throw this.#wrong(`${containerResponses.length} answers to one request`);
  }

  #decoded<T>(type: MessageType<T>, bytes: Uint8Array, bytes_max: number): T {
    if (bytes.length <= bytes_max) return type.decode(bytes);
    throw this.#wrong(`an answer of ${bytes.length} bytes, at most ${bytes_max} are taken`);
  }

  #wrong(answers: string): CodedError {
    return new CodedError("BadDevicePlugin", `the plugin of ${this.resource} gave ${answers}`);
  }

  /** Returns the devices that the plugin prefers; empty when it has no preference. */
  async preferred(request: {
    available: readonly string[];
    must: readonly string[];
    count: number;
  }): Promise<string[]> {
    if (!this.options.getPreferredAllocationAvailable) return [];
    const bytes = await this.#plugin.getPreferredAllocation(
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
    // Each is an available one, with its tag and length, in one message of two levels.
    const offered = request.available.reduce((sum, id) => sum + Buffer.byteLength(id) + 4, 16);
    const answer = this.#decoded(PreferredAllocationResponse, bytes, offered);
    return answer.containerResponses[0]?.deviceIDs ?? [];
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
        const rest_ms = Math.max(LISTS_REST_MS, LISTS_REST_TIMES * taken_ms);
        await delay(clock, this.#resources() * rest_ms, signal);
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
  const channel = connectPlugin(socket);
  try {
    const plugin = client(channel, DevicePluginService);
    return await plugin.getDevicePluginOptions({}, { timeout_ms: PREFERRED_TIMEOUT_MS });
  } finally {
    channel.close();
  }
}
