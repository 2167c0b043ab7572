import type { Device, DevicePluginOptions } from "@raft2kube/proto/gen/deviceplugin.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import type { DeviceCapacity } from "./device-allocation.ts";
import { DevicePlugin } from "./device-plugin.ts";
import { PLUGIN_GONE_GRACE_MS, RESOURCES_MAX } from "./limits.ts";

/** The health of a Device of deviceplugin v1beta1 that may be allocated. */
const HEALTHY = "Healthy";

interface Resource {
  plugin: DevicePlugin | undefined;
  devices: Map<string, Device>;
  /** Timer that removes the resource, while there is no plugin. */
  gone: Timer | undefined;
}

/**
 * The node's extended resources and their devices. When a plugin stops, its resource has no healthy
 * devices from then on, and none at all after a grace period.
 */
export class DeviceResources {
  readonly #clock: Clock;
  readonly #changed: () => void;
  readonly #resources = new Map<string, Resource>();
  readonly #removed = new Set<string>();

  /** `known` are the resources that an earlier kubelet had; they wait for their plugins. */
  constructor(options: { clock: Clock; known: readonly string[]; changed: () => void }) {
    this.#clock = options.clock;
    this.#changed = options.changed;
    for (const name of options.known) {
      const resource = { plugin: undefined, devices: new Map(), gone: this.#awaitPlugin(name) };
      this.#resources.set(name, resource);
    }
  }

  /** Starts to use a plugin; it replaces an earlier one of the same resource. */
  async add(name: string, socket: string, options: DevicePluginOptions): Promise<void> {
    const existing = this.#resources.get(name);
    if (!existing && this.#resources.size >= RESOURCES_MAX) {
      throw new CodedError("TooManyResources", `${RESOURCES_MAX} resources are registered already`);
    }
    existing?.gone?.cancel();
    const resource: Resource = {
      plugin: undefined,
      devices: existing?.devices ?? new Map(),
      gone: undefined,
    };
    this.#resources.set(name, resource);
    this.#removed.delete(name);
    await existing?.plugin?.close();
    // A plugin that registered meanwhile, or the end, comes first.
    if (this.#resources.get(name) !== resource) return;
    resource.plugin = new DevicePlugin(
      {
        ...{ resource: name, socket, options, clock: this.#clock },
        resources: () => this.#resources.size,
      },
      {
        devices: (devices) => {
          resource.devices = new Map(devices.map((device) => [device.ID, device]));
          this.#changed();
        },
        stopped: () => this.#stopped(name, resource),
      },
    );
  }

  /** Removes a plugin that has deregistered, unless another one has registered since. */
  async remove(name: string, socket: string): Promise<void> {
    const resource = this.#resources.get(name);
    if (resource?.plugin?.socket !== socket) return;
    await resource.plugin.close();
    this.#stopped(name, resource);
  }

  /** Returns the resources of device plugins, also of those that are not connected. */
  names(): Set<string> {
    return new Set(this.#resources.keys());
  }

  /** Throws when the resource has no plugin now. */
  require(name: string): DevicePlugin {
    const plugin = this.#resources.get(name)?.plugin;
    if (plugin) return plugin;
    throw new CodedError("NoDevicePlugin", `no device plugin is registered for ${name}`);
  }

  /** The healthy devices of a resource that can be allocated now. */
  healthy(name: string): Device[] {
    const resource = this.#resources.get(name);
    if (!resource?.plugin) return [];
    return [...resource.devices.values()].filter(({ health }) => health === HEALTHY);
  }

  /** All devices of a resource. */
  devices(name: string): ReadonlyMap<string, Device> {
    return this.#resources.get(name)?.devices ?? new Map();
  }

  /**
   * Unhealthy devices count for capacity and not for allocatable, and a resource that is gone has
   * none, as upstream has it.
   */
  capacity(): DeviceCapacity {
    const none = [...this.#removed].map((name) => [name, "0"]);
    const capacity: Record<string, string> = Object.fromEntries(none);
    const allocatable = { ...capacity };
    for (const [name, { devices }] of this.#resources) {
      capacity[name] = String(devices.size);
      allocatable[name] = String(this.healthy(name).length);
    }
    return { capacity, allocatable };
  }

  async close(): Promise<void> {
    const all = [...this.#resources.values()];
    this.#resources.clear();
    for (const { gone } of all) gone?.cancel();
    await Promise.all(all.map(({ plugin }) => plugin?.close()));
  }

  #stopped(name: string, resource: Resource): void {
    void resource.plugin?.close();
    resource.plugin = undefined;
    if (this.#resources.get(name) !== resource) return;
    resource.gone = this.#awaitPlugin(name);
    this.#changed();
  }

  #awaitPlugin(name: string): Timer {
    return this.#clock.after(PLUGIN_GONE_GRACE_MS, () => {
      this.#resources.delete(name);
      this.#removed.add(name);
      const [oldest] = this.#removed;
      if (this.#removed.size > RESOURCES_MAX) this.#removed.delete(oldest!);
      this.#changed();
    });
  }
}
