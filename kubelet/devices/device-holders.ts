import type { DeviceEntry } from "./checkpoint.ts";

/** Devices allocated to containers, as in the checkpoint. */
export class DeviceHolders {
  #entries: DeviceEntry[];

  constructor(entries: readonly DeviceEntry[]) {
    this.#entries = [...entries];
  }

  all(): readonly DeviceEntry[] {
    return this.#entries;
  }

  ofPod(podUid: string): DeviceEntry[] {
    return this.#entries.filter((entry) => entry.podUid === podUid);
  }

  ofContainer(podUid: string, container: string): DeviceEntry[] {
    return this.ofPod(podUid).filter((entry) => entry.container === container);
  }

  /** Returns the allocated devices of a resource. */
  allocated(resource: string): Set<string> {
    const entries = this.#entries.filter((entry) => entry.resource === resource);
    return new Set(entries.flatMap((entry) => entry.deviceIds));
  }

  add(entries: readonly DeviceEntry[]): void {
    this.#entries = [...this.#entries, ...entries];
  }

  /** Frees the devices of pods for which `isKept` is false. Returns whether there were any. */
  retain(isKept: (podUid: string) => boolean): boolean {
    const before = this.#entries.length;
    this.#entries = this.#entries.filter((entry) => isKept(entry.podUid));
    return this.#entries.length < before;
  }
}
