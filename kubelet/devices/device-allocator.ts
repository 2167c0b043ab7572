import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { KeyedTurns } from "@raft2kube/std/turns.ts";
import { uidOf } from "../pods/pod-identity.ts";
import { AdmissionError } from "../pods/reason-error.ts";
import { mergeResponses } from "./allocation-response.ts";
import { type DeviceEntry, writeCheckpoint } from "./checkpoint.ts";
import type {
  ActivePods,
  DeviceAllocation,
  DeviceCapacity,
  DeviceManager,
} from "./device-allocation.ts";
import type { DeviceHolders } from "./device-holders.ts";
import type { DeviceResources } from "./device-resources.ts";
import {
  acceptPreference,
  type DeviceRequest,
  deviceRequests,
  planDevices,
  requestsOf,
} from "./plan.ts";

const log = logger("device-allocator");

/**
 * Allocates devices to pods. Of the pods that ask for a resource one is admitted at a time, and an
 * allocation is on disk before the pod is admitted, so that no device is allocated twice, also
 * after a restart of the kubelet. A plugin that hangs delays the pods that ask for its devices.
 */
export class DeviceAllocator implements DeviceManager {
  readonly #resources: DeviceResources;
  readonly #holders: DeviceHolders;
  readonly #activePods: ActivePods;
  readonly #checkpointFile: string;
  readonly #listeners = new Set<() => void>();
  /** Admissions, by resource. */
  readonly #turns = new KeyedTurns();
  /** Writes of the checkpoint. */
  #tail: Promise<void> = Promise.resolve();
  /**
   * Whether all sources have reported their pods: until then, an unknown pod may still have
   * devices.
   */
  #allKnown = false;
  /** Resources in the checkpoint, or about to be. */
  #savedNames = "";

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

  async admit(pod: Pod): Promise<void> {
    if (this.#holders.ofPod(uidOf(pod)).length > 0) return;
    const requests = deviceRequests(pod, this.#resources.names());
    const resources = [...new Set(requests.map(({ resource }) => resource))].sort();
    if (resources.length > 0) await this.#inTurns(resources, () => this.#admit(pod, requests));
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
   * Notifies the listeners that the devices have changed, and saves the names of the resources. A
   * plugin may change its devices as often as it likes, so that these are not saved.
   */
  changed(): void {
    for (const listener of this.#listeners) listener();
    const names = this.#names().join(" ");
    if (names === this.#savedNames) return;
    this.#savedNames = names;
    this.#save().catch((thrown: unknown) => {
      this.#savedNames = "";
      // Allocations are saved at admission; this saves only which resources exist.
      log.error("the device checkpoint was not written", { error: messageOf(thrown) });
    });
  }

  /** Resolves when all admissions and writes have ended. */
  async close(): Promise<void> {
    this.#listeners.clear();
    await this.#turns.idle();
    await this.#tail;
  }

  /**
   * Frees the devices of pods that have ended: the API shows a pod's end, and the scheduler assigns
   * its resources to the next pod, before the pod is reclaimed. Its containers have stopped by
   * then.
   */
  #forgetEnded(): void {
    if (!this.#allKnown) return;
    const active = new Set(this.#activePods.list().map(uidOf));
    this.#holders.retain((uid) => active.has(uid));
  }

  async #admit(pod: Pod, requests: readonly DeviceRequest[]): Promise<void> {
    this.#forgetEnded();
    const entries = await this.#allocateAll(pod, requests);
    this.#holders.add(entries);
    try {
      await this.#save();
    } catch (thrown) {
      this.#holders.retain((uid) => uid !== uidOf(pod));
      throw thrown;
    }
  }

  /** Runs `operation` in the turns of all these resources, which are sorted: none is a deadlock. */
  #inTurns(resources: readonly string[], operation: () => Promise<void>): Promise<void> {
    const [first, ...rest] = resources;
    if (first === undefined) return operation();
    return this.#turns.run(first, () => this.#inTurns(rest, operation));
  }

  async #allocateAll(pod: Pod, requests: readonly DeviceRequest[]): Promise<DeviceEntry[]> {
    const podUid = uidOf(pod);
    const entries: DeviceEntry[] = [];
    const reusable = new Map<string, Set<string>>();
    for (const request of requests) {
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
    const healthy = new Set(this.#resources.healthy(resource).map(({ ID }) => ID));
    const allocated = this.#holders.allocated(resource);
    for (const entry of entries) {
      if (entry.resource === resource) for (const id of entry.deviceIds) allocated.add(id);
    }
    const free = [...healthy].filter((id) => !allocated.has(id));
    const reusable = [...passed].filter((id) => healthy.has(id));
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

  async #retainOnly(isKept: (podUid: string) => boolean): Promise<void> {
    if (this.#holders.retain(isKept)) await this.#save();
  }

  /** Writes the checkpoint as it is when the writes before have ended. */
  #save(): Promise<void> {
    const written = this.#tail.then(() =>
      writeCheckpoint(this.#checkpointFile, {
        entries: [...this.#holders.all()],
        resources: this.#names(),
      }),
    );
    this.#tail = written.catch(() => undefined); // its caller has the error
    return written;
  }

  #names(): string[] {
    return [...this.#resources.names()].sort();
  }
}

function refused(why: string): AdmissionError {
  const message = `Allocate failed due to ${why}, which is unexpected`;
  return new AdmissionError("UnexpectedAdmissionError", message);
}
