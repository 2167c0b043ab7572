import type { Init } from "@raft2kube/proto/codec.ts";
import type { Device } from "@raft2kube/proto/gen/deviceplugin.ts";

/** The current devices of a plugin, and the ListAndWatch calls that follow them. */
export class DeviceSet {
  #devices: readonly Init<Device>[];
  readonly #wake = new Set<() => void>();

  constructor(devices: readonly Init<Device>[]) {
    this.#devices = devices;
  }

  get current(): readonly Init<Device>[] {
    return this.#devices;
  }

  /** Replaces the list and sends it to every follower. */
  set(devices: readonly Init<Device>[]): void {
    this.#devices = devices;
    for (const wake of this.#wake) wake();
  }

  /**
   * Yields the current list and each new one until `signal` aborts. A slow reader receives only the
   * latest of several changes.
   */
  async *follow(signal: AbortSignal): AsyncGenerator<readonly Init<Device>[]> {
    // lab:18 begin follow
    let sent: readonly Init<Device>[] | undefined;
    while (!signal.aborted) {
      if (sent !== this.#devices) {
        sent = this.#devices;
        yield sent;
        continue;
      }
      await this.#changed(signal);
    }
    // lab:18 end
  }

  /** Resolves at the next `set`, or when `signal` aborts. */
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
