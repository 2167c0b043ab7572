import type { Pod, ResourceRequirements } from "@raft2kube/api/gen/core/v1.ts";
import { readCheckpointFile, writeCheckpointFile } from "../pods/checkpoint-file.ts";
import { uidOf } from "../pods/pod-identity.ts";
import {
  type ContainerResources,
  changedResources,
  resizableContainers,
  resizedContainers,
  withResources,
} from "./resources.ts";

/** Resources of one pod's containers. */
interface PodAllocation {
  /** Resources that the node has granted. */
  allocated: ContainerResources;
  /** Resources that a running container still has, where they are not those allocated. */
  actuated: ContainerResources;
}

type Stored = Record<string, PodAllocation>;

/**
 * Resources that the node has granted to its pods. A resize changes the spec (desired); the node
 * grants it (allocated) when it fits, and then changes the containers (actuated). Changes are in
 * memory at once; `saved` resolves when they are on disk, from where a restarted kubelet reads
 * them.
 */
export class Allocations {
  readonly #file: string;
  readonly #pods: Map<string, PodAllocation>;
  #version = 0;
  #savedVersion = 0;
  #writing: Promise<void> | undefined;

  private constructor(file: string, pods: Map<string, PodAllocation>) {
    this.#file = file;
    this.#pods = pods;
  }

  /** Reads the checkpoint; a missing file has no pods. Throws CheckpointError. */
  static async open(file: string): Promise<Allocations> {
    const remedy = "drain the node, then remove the file: pods get the resources of their specs";
    const stored = (await readCheckpointFile<Stored>(file, remedy)) ?? {};
    return new Allocations(file, new Map(Object.entries(stored)));
  }

  /** Returns the pod with its allocated resources; unchanged if nothing was allocated. */
  allocated(pod: Pod): Pod {
    const found = this.#pods.get(uidOf(pod));
    return found ? withResources(pod, found.allocated) : pod;
  }

  /** Returns the resources that a container had before a resize; undefined when it has its own. */
  before(podUid: string, container: string): ResourceRequirements | undefined {
    return this.#pods.get(podUid)?.actuated[container];
  }

  /** Allocates the spec's resources to a newly admitted pod; keeps an earlier allocation. */
  admit(pod: Pod): Promise<void> {
    const uid = uidOf(pod);
    if (this.#pods.has(uid)) return Promise.resolve();
    const allocated = Object.fromEntries(
      resizableContainers(pod).map(({ name, resources = {} }) => [name, resources]),
    );
    this.#pods.set(uid, { allocated, actuated: {} });
    return this.#save();
  }

  /** Allocates the spec's resources to a pod whose resize fits. */
  resize(desired: Pod): Promise<void> {
    const uid = uidOf(desired);
    const { allocated, actuated } = this.#pods.get(uid) ?? { allocated: {}, actuated: {} };
    const now = { ...allocated };
    const before = { ...actuated };
    for (const name of resizedContainers(this.allocated(desired), desired)) {
      const { resources = {} } = resizableContainers(desired).find((one) => one.name === name)!;
      before[name] ??= allocated[name] ?? {};
      now[name] = resources;
      if (changedResources(before[name], resources).length === 0) delete before[name];
    }
    this.#pods.set(uid, { allocated: now, actuated: before });
    return this.#save();
  }

  /** Records that these containers have their allocated resources, or start with them. */
  actuate(podUid: string, containers: readonly string[]): Promise<void> {
    const found = this.#pods.get(podUid);
    if (!found || !containers.some((name) => name in found.actuated)) return Promise.resolve();
    const actuated = Object.fromEntries(
      Object.entries(found.actuated).filter(([name]) => !containers.includes(name)),
    );
    this.#pods.set(podUid, { ...found, actuated });
    return this.#save();
  }

  forget(podUid: string): Promise<void> {
    return this.#pods.delete(podUid) ? this.#save() : Promise.resolve();
  }

  /** Writes at least the current state. Changes made during a write share the next one. */
  async #save(): Promise<void> {
    const version = ++this.#version;
    while (this.#savedVersion < version) {
      this.#writing ??= this.#write();
      await this.#writing;
    }
  }

  async #write(): Promise<void> {
    const version = this.#version;
    try {
      await writeCheckpointFile(this.#file, Object.fromEntries(this.#pods));
      this.#savedVersion = version;
    } finally {
      this.#writing = undefined;
    }
  }
}
