import type { Pod, ResourceRequirements } from "@raft2kube/api/gen/core/v1.ts";
import { own } from "@raft2kube/std/own.ts";
import { readCheckpointFile, writeCheckpointFile } from "../pods/checkpoint-file.ts";
import { uidOf } from "../pods/pod-identity.ts";
import {
  changedResources,
  effectiveResourcesOf,
  type ResourcesByName,
  resizedNames,
  resourcesOf,
  withResources,
} from "./resources.ts";

/** Resources of one pod and its containers. */
interface PodAllocation {
  /** Resources that the node has granted. */
  allocated: ResourcesByName;
  /** Resources that a running container, or the pod, still has instead of those allocated. */
  actuated: ResourcesByName;
}

type Stored = Record<string, PodAllocation>;

/**
 * Resources that the node has granted to its pods. A resize changes the spec (desired); the node
 * grants it (allocated) when it fits, and then changes the containers (actuated). Changes are in
 * memory immediately; `saved` resolves when they are on disk, from where a restarted kubelet reads
 * them.
 */
export class Allocations {
  readonly #file: string;
  readonly #pods: Map<string, PodAllocation>;
  /** Pods as `allocated` returned them: admissions and evictions ask for those of all pods. */
  readonly #made = new WeakMap<Pod, { by: ResourcesByName; pod: Pod }>();
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
    const by = this.#pods.get(uidOf(pod))?.allocated;
    if (!by) return pod;
    const kept = this.#made.get(pod);
    if (kept?.by === by) return kept.pod;
    const made = { by, pod: withResources(pod, by) };
    this.#made.set(pod, made);
    return made.pod;
  }

  /**
   * Returns the resources, limits of its pod included, that a container had before a resize, or the
   * pod itself by `POD`; undefined when it has those allocated.
   */
  before(podUid: string, name: string): ResourceRequirements | undefined {
    return own(this.#pods.get(podUid)?.actuated ?? {}, name);
  }

  /** Whether resources were allocated to a pod, by an earlier process too. */
  has(podUid: string): boolean {
    return this.#pods.has(podUid);
  }

  /** Allocates the spec's resources to a newly admitted pod; keeps an earlier allocation. */
  admit(pod: Pod): Promise<void> {
    const uid = uidOf(pod);
    if (this.has(uid)) return Promise.resolve();
    this.#pods.set(uid, { allocated: resourcesOf(pod), actuated: {} });
    return this.#save();
  }

  /** Allocates the spec's resources to a pod whose resize fits. */
  resize(desired: Pod): Promise<void> {
    const uid = uidOf(desired);
    const { allocated, actuated } = this.#pods.get(uid) ?? { allocated: {}, actuated: {} };
    const old = this.allocated(desired);
    const [had, wanted] = [effectiveResourcesOf(old), effectiveResourcesOf(desired)];
    const before = { ...actuated };
    for (const name of resizedNames(old, desired)) {
      const first = own(before, name) ?? had[name]!;
      if (changedResources(first, wanted[name]).length === 0) delete before[name];
      else before[name] = first;
    }
    const now = { ...allocated, ...resourcesOf(desired) };
    this.#pods.set(uid, { allocated: now, actuated: before });
    return this.#save();
  }

  /** Records that these containers, or the pod, have what is allocated or start with it. */
  actuate(podUid: string, names: readonly string[]): Promise<void> {
    const found = this.#pods.get(podUid);
    if (!found || !names.some((name) => Object.hasOwn(found.actuated, name))) {
      return Promise.resolve();
    }
    const actuated = Object.fromEntries(
      Object.entries(found.actuated).filter(([name]) => !names.includes(name)),
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
