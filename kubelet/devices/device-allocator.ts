import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import type {
  ActivePods,
  DeviceAllocation,
  DeviceCapacity,
  DeviceManager,
} from "./device-allocation.ts";
import { AdmissionError } from "../pods/reason-error.ts";
import { uidOf } from "../pods/pod-identity.ts";
import { mergeResponses } from "./allocation-response.ts";
import { writeCheckpoint, type DeviceEntry } from "./checkpoint.ts";
import type { DeviceHolders } from "./device-holders.ts";
import type { DeviceResources } from "./device-resources.ts";
import {
  acceptPreference,
  deviceRequests,
  planDevices,
  requestsOf,
  type DeviceRequest,
} from "./plan.ts";

const log = logger("device-allocator");

/**
 * Gives pods their devices. Pods are admitted one after the other, and what they hold is on disk
 * before they are told, so that no device is ever given twice, a kubelet's restart included.
 */
export class DeviceAllocator implements DeviceManager {
  readonly #resources: DeviceResources;
  readonly #holders: DeviceHolders;
  readonly #activePods: ActivePods;
  readonly #checkpointFile: string;
  readonly #listeners = new Set<() => void>();
  #tail: Promise<void> = Promise.resolve();
  /** Until then a pod that is not active may be one that its source has yet to name. */
  #allKnown = false;

  constructor(options: {
    resources: DeviceResources;
    holders: DeviceHolders;
    activePods: ActivePods;
    checkpointFile: string;
  }) {
    this.#resources = options.resources;
    this.#holders = options.holders;
    this.#activePods = options.activePods;
    this.#checkpointFile = options.checkpointFile;
  }

  admit(pod: Pod): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#holders.ofPod(uidOf(pod)).length > 0) return;
      this.#forgetEnded();
      const entries = await this.#allocateAll(pod);
      if (entries.length === 0) return;
      this.#holders.add(entries);
      await this.#save();
    });
  }

  async allocate(pod: Pod, container: Container): Promise<DeviceAllocation> {
    return mergeResponses(this.#entriesOf(pod, container).map(({ response }) => response));
  }

  async preStart(pod: Pod, container: Container): Promise<void> {
    for (const { resource, deviceIds } of this.#entriesOf(pod, container)) {
      await this.#resources.require(resource).preStart(deviceIds);
    }
  }

  release(podUid: string): Promise<void> {
    return this.#retainOnly((uid) => uid !== podUid);
  }

  async retain(podUids: ReadonlySet<string>): Promise<void> {
    await this.#retainOnly((uid) => podUids.has(uid));
    this.#allKnown = true;
  }

  capacity(): DeviceCapacity {
    return this.#resources.capacity();
  }

  onChange(listener: () => void): { close(): void } {
    this.#listeners.add(listener);
    return { close: () => void this.#listeners.delete(listener) };
  }

  /**
   * The devices have changed: the listeners hear of it, the checkpoint keeps the resources' names.
   */
  changed(): void {
    for (const listener of this.#listeners) listener();
    this.#inTurn(() => this.#save()).catch((thrown: unknown) => {
      // What pods hold is saved when they are admitted; this only remembers which resources exist.
      log.error("the device checkpoint was not written", { error: messageOf(thrown) });
    });
  }

  /** Resolves when nothing is being written any more. */
  close(): Promise<void> {
    this.#listeners.clear();
    return this.#tail;
  }

  /**
   * A pod's end shows in the API, and the scheduler gives its place to the next, before all that it
   * held is given back. Its containers are gone by then, so its devices are free.
   */
  #forgetEnded(): void {
    if (!this.#allKnown) return;
    const active = new Set(this.#activePods.list().map(uidOf));
    this.#holders.retain((uid) => active.has(uid));
  }

  async #allocateAll(pod: Pod): Promise<DeviceEntry[]> {
    const podUid = uidOf(pod);
    const entries: DeviceEntry[] = [];
    const reusable = new Map<string, Set<string>>();
    for (const request of deviceRequests(pod, this.#resources.names())) {
      const { container, resource } = request;
      const passed = reusable.get(resource) ?? new Set<string>();
      const deviceIds = await this.#choose(request, passed, entries);
      const response = await this.#respond(resource, deviceIds);
      entries.push({ podUid, container, resource, deviceIds, response });
      for (const id of deviceIds) {
        if (request.passesOn) passed.add(id);
        else passed.delete(id);
      }
      reusable.set(resource, passed);
    }
    return entries;
  }

  async #choose(
    { resource, count }: DeviceRequest,
    passed: ReadonlySet<string>,
    entries: readonly DeviceEntry[],
  ): Promise<string[]> {
    const healthy = this.#resources.healthy(resource).map(({ ID }) => ID);
    const allocated = this.#holders.allocated(resource);
    for (const entry of entries) {
      if (entry.resource === resource) for (const id of entry.deviceIds) allocated.add(id);
    }
    const free = healthy.filter((id) => !allocated.has(id));
    const reusable = [...passed].filter((id) => healthy.includes(id));
    const plan = planDevices(count, { reusable, free });
    if (plan.kind === "short") {
      throw refused(
        `requested number of devices unavailable for ${resource}. ` +
          `Requested: ${count}, Available: ${plan.available}`,
      );
    }
    try {
      const plugin = this.#resources.require(resource);
      const { candidates: available, must } = plan;
      return acceptPreference(await plugin.preferred({ available, must, count }), plan);
    } catch (thrown) {
      throw refused(`asking the plugin of ${resource} failed: ${messageOf(thrown)}`);
    }
  }

  async #respond(resource: string, deviceIds: string[]): Promise<DeviceEntry["response"]> {
    try {
      return await this.#resources.require(resource).allocate(deviceIds);
    } catch (thrown) {
      throw refused(`${resource}: ${messageOf(thrown)}`);
    }
  }

  #entriesOf(pod: Pod, container: Container): DeviceEntry[] {
    const entries = this.#holders.ofContainer(uidOf(pod), container.name);
    for (const [resource] of requestsOf(container, this.#resources.names())) {
      if (entries.some((entry) => entry.resource === resource)) continue;
      const message = `container ${container.name} was admitted without its ${resource}`;
      throw new CodedError("NoDevices", message, {
        remedy: "delete the pod: it was admitted before the resource had a device plugin",
      });
    }
    return entries;
  }

  #retainOnly(isKept: (podUid: string) => boolean): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#holders.retain(isKept)) await this.#save();
    });
  }

  #save(): Promise<void> {
    const names = [...this.#resources.names()].sort();
    const resources = Object.fromEntries(
      names.map((name) => [name, [...this.#resources.devices(name).keys()].sort()]),
    );
    return writeCheckpoint(this.#checkpointFile, {
      entries: [...this.#holders.all()],
      resources,
    });
  }

  #inTurn<R>(operation: () => Promise<R>): Promise<R> {
    const result = this.#tail.then(operation);
    this.#tail = result.then(
      () => undefined,
      () => undefined, // the caller has the error; the next operation does not depend on it
    );
    return result;
  }
}

function refused(why: string): AdmissionError {
  return new AdmissionError(
    "UnexpectedAdmissionError",
    `Allocate failed due to ${why}, which is unexpected`,
  );
}
