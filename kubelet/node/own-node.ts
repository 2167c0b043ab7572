import type { ContainerImage, NodeStatus } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { NodeAllocatable } from "../pods/downward.ts";
import type { DeviceManager } from "../devices/device-allocation.ts";
import type { Foundation } from "../assembly/kubelet.ts";
import { PODS_MAX } from "../limits.ts";
import { EVICTION_HARD, type KubeletOptions } from "../options.ts";
import { allocatableNumbers, nodeResources, type NodeResources } from "./capacity.ts";
import { machineIdentity } from "./machine.ts";
import { KUBELET_VERSION, nodeAddresses, nodeImages, RuntimeHealth } from "./node-facts.ts";
import { type NodePressure, nodeStatus } from "./node-status.ts";
import type { NodeDescription } from "./registration.ts";

const log = logger("kubelet-node");
const NO_PRESSURE: NodePressure = { memory: false, disk: false, pid: false };

/** What the kubelet knows of the node it is on, measured anew for each status. */
export class OwnNode {
  readonly #options: KubeletOptions;
  readonly #base: Foundation;
  readonly #pressure: () => NodePressure | undefined;
  readonly #health: RuntimeHealth;
  #images: ContainerImage[] = [];
  #devices: DeviceManager | undefined;
  #resources: NodeResources = { capacity: {}, allocatable: {} };
  /** Where the kubelet's API listens, once it does. */
  serverPort: number | undefined;

  constructor(
    options: KubeletOptions,
    base: Foundation,
    pressure: () => NodePressure | undefined,
  ) {
    this.#options = options;
    this.#base = base;
    this.#pressure = pressure;
    this.#health = new RuntimeHealth(base.runtime, base.clock);
  }

  /** Measures for the first time; devices count from then on. */
  async open(devices: DeviceManager): Promise<void> {
    this.#devices = devices;
    await this.#measure();
  }

  get resources(): NodeResources {
    return this.#resources;
  }

  allocatable(): NodeAllocatable {
    return allocatableNumbers(this.#resources);
  }

  get description(): NodeDescription {
    const { nodeName, hostname = nodeName, nodeLabels, registerWithTaints } = this.#options;
    return { nodeName, hostname, labels: nodeLabels ?? {}, taints: registerWithTaints ?? [] };
  }

  async status(previous: NodeStatus | undefined): Promise<NodeStatus> {
    const { version, clock } = this.#base;
    await this.#measure();
    return nodeStatus({
      addresses: nodeAddresses(this.#options.nodeAddresses, this.description.hostname),
      port: this.serverPort,
      resources: this.#resources,
      identity: await machineIdentity(),
      runtimeVersion: `${version.runtimeName}://${version.runtimeVersion}`,
      kubeletVersion: KUBELET_VERSION,
      notReady: await this.#health.problem(),
      pressure: this.#pressure() ?? NO_PRESSURE,
      images: await this.#imagesNow(),
      previous: previous?.conditions ?? [],
      now_ms: clock.now(),
    });
  }

  /** The images as last told: a runtime that does not answer has not lost them. */
  async #imagesNow(): Promise<ContainerImage[]> {
    try {
      this.#images = await nodeImages(this.#base.runtime);
    } catch (thrown) {
      log.debug("no list of images", { error: messageOf(thrown) });
    }
    return this.#images;
  }

  async #measure(): Promise<void> {
    const { rootDir, maxPods = PODS_MAX, reserved = {}, evictionHard } = this.#options;
    const { memoryAvailable_bytes, nodefsAvailable } = { ...EVICTION_HARD, ...evictionHard };
    this.#resources = await nodeResources({
      rootDir,
      maxPods,
      reserved,
      evictionMemory_bytes: memoryAvailable_bytes,
      evictionDisk: nodefsAvailable,
      devices: this.#devices,
    });
  }
}
