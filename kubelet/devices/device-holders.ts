import type { DeviceEntry } from "./checkpoint.ts";

/** Which containers hold which devices: the memory behind the checkpoint. */
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

  /** Every device of the resource that someone holds. */
  allocated(resource: string): Set<string> {
    const entries = this.#entries.filter((entry) => entry.resource === resource);
    return new Set(entries.flatMap((entry) => entry.deviceIds));
  }

  add(entries: readonly DeviceEntry[]): void {
    this.#entries = [...this.#entries, ...entries];
  }

  /** Forgets what pods hold that are not to be kept; says whether there was anything. */
  retain(isKept: (podUid: string) => boolean): boolean {
    const before = this.#entries.length;
    this.#entries = this.#entries.filter((entry) => isKept(entry.podUid));
    return this.#entries.length < before;
  }
}
