import type { Init } from "@raft2kube/proto/codec.ts";
import type { Device } from "@raft2kube/proto/gen/deviceplugin.ts";

/** The devices of a plugin as they are now, and everyone who follows them. */
export class DeviceSet {
  #devices: readonly Init<Device>[];
  readonly #wake = new Set<() => void>();

  constructor(devices: readonly Init<Device>[]) {
    this.#devices = devices;
  }

  get current(): readonly Init<Device>[] {
    return this.#devices;
  }

  /** Replaces the list; every follower gets the new one. */
  set(devices: readonly Init<Device>[]): void {
    this.#devices = devices;
    for (const wake of this.#wake) wake();
  }

  /**
   * The list now and after each change, until one of the signals aborts. Of changes faster than
   * their reader only the last is given.
   */
  async *follow(signal: AbortSignal): AsyncGenerator<readonly Init<Device>[]> {
    let told: readonly Init<Device>[] | undefined;
    while (!signal.aborted) {
      if (told !== this.#devices) {
        told = this.#devices;
        yield told;
        continue;
      }
      await this.#changed(signal);
    }
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#wake.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#wake.add(wake);
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}
