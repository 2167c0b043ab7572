import { isDeepStrictEqual } from "node:util";
import { isExtendedResource } from "@raft2kube/api/core/v1/pod/validate-resources.ts";
import type { ContainerImage, NodeStatus } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { ConnectedRuntime } from "../cri/runtime.ts";
import type { DeviceManager } from "../devices/device-allocation.ts";
import { PODS_MAX } from "../limits.ts";
import { EVICTION_HARD, type KubeletOptions } from "../options.ts";
import type { NodeAllocatable } from "../pods/downward.ts";
import { allocatableNumbers, type NodeResources, nodeResources } from "./capacity.ts";
import { machineIdentity } from "./machine.ts";
import { KUBELET_VERSION, nodeAddresses, nodeImages, RuntimeHealth } from "./node-facts.ts";
import { nodeStatus } from "./node-status.ts";
import type { PressureConditions } from "./pressure.ts";
import type { NodeDescription } from "./registration.ts";

const log = logger("kubelet-node");

export interface LocalNodeOptions extends ConnectedRuntime {
  options: KubeletOptions;
  pressure: PressureConditions;
  devices: DeviceManager;
}

/** The node that the kubelet runs on: its description, resources and status. */
export class LocalNode {
  readonly #options: LocalNodeOptions;
  readonly #health: RuntimeHealth;
  #images: ContainerImage[] = [];
  #resources: NodeResources = { capacity: {}, allocatable: {} };
  #advertised: Record<string, string> = {};

  private constructor(options: LocalNodeOptions) {
    this.#options = options;
    this.#health = new RuntimeHealth(options.runtime, options.clock);
  }

  /** Measures the node's resources and returns it. */
  static async open(options: LocalNodeOptions): Promise<LocalNode> {
    const node = new LocalNode(options);
    await node.#measure();
    return node;
  }

  get resources(): NodeResources {
    return this.#resources;
  }

  allocatable(): NodeAllocatable {
    return allocatableNumbers(this.#resources);
  }

  /**
   * Takes the extended resources that people advertise on the Node: all of them are allocatable.
   * Returns whether they have changed.
   */
  advertise(capacity: Record<string, string> = {}): boolean {
    const before = this.#advertised;
    const extended = Object.entries(capacity).filter(([name]) => isExtendedResource(name));
    this.#advertised = Object.fromEntries(extended);
    return !isDeepStrictEqual(before, this.#advertised);
  }

  get description(): NodeDescription {
    const { nodeName, hostname = nodeName, ...options } = this.#options.options;
    const { nodeLabels: labels = {}, registerWithTaints: taints = [] } = options;
    return { nodeName, hostname, labels, taints };
  }

  /** Measures the node again and returns its status. `port` is that of the kubelet's API. */
  async status(previous: NodeStatus | undefined, port: number | undefined): Promise<NodeStatus> {
    const { version, clock, pressure, options } = this.#options;
    await this.#measure();
    const notReady = await this.#health.problem();
    return nodeStatus({
      addresses: nodeAddresses(options.nodeAddresses, this.description.hostname),
      port,
      resources: this.#resources,
      identity: await machineIdentity(),
      runtimeVersion: `${version.runtimeName}://${version.runtimeVersion}`,
      kubeletVersion: KUBELET_VERSION,
      runtimeFeatures: this.#health.features,
      notReady,
      pressure: pressure.current,
      images: await this.#listImages(),
      previous: previous?.conditions ?? [],
      now_ms: clock.now(),
    });
  }

  /** The images as last listed: a runtime that does not answer has not lost them. */
  async #listImages(): Promise<ContainerImage[]> {
    try {
      this.#images = await nodeImages(this.#options.runtime);
    } catch (thrown) {
      log.debug("no list of images", { error: messageOf(thrown) });
    }
    return this.#images;
  }

  async #measure(): Promise<void> {
    const { options, devices } = this.#options;
    const { rootDir, maxPods = PODS_MAX, reserved = {}, evictionHard } = options;
    const { memoryAvailable_bytes, nodefsAvailable } = { ...EVICTION_HARD, ...evictionHard };
    const { capacity, allocatable } = await nodeResources({
      rootDir,
      maxPods,
      reserved,
      evictionMemory_bytes: memoryAvailable_bytes,
      evictionDisk: nodefsAvailable,
      devices,
    });
    this.#resources = { capacity, allocatable: { ...this.#advertised, ...allocatable } };
  }
}
