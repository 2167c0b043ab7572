import { HealthCheckResponse_ServingStatus as Status } from "@raft2kube/proto/gen/health.ts";

/**
 * This member's status under grpc.health.v1. As in etcd, a member that answers is SERVING, with or
 * without a leader; while it defragments it may be NOT_SERVING.
 */
export class Serving {
  readonly #stopsOnDefragment: boolean;
  readonly #listeners = new Set<() => void>();
  #defragmenting = 0;
  #ended = false;

  /** `stopsOnDefragment` is etcd's feature gate StopGRPCServiceOnDefrag. */
  constructor(stopsOnDefragment: boolean) {
    this.#stopsOnDefragment = stopsOnDefragment;
  }

  get stopsOnDefragment(): boolean {
    return this.#stopsOnDefragment;
  }

  /** The member stops: those that follow the status are to end. */
  get ended(): boolean {
    return this.#ended;
  }

  get status(): Status {
    const stopped = this.#stopsOnDefragment && this.#defragmenting > 0;
    return stopped ? Status.NOT_SERVING : Status.SERVING;
  }

  /** Calls `changed` whenever the status may be another, until the returned function is called. */
  listen(changed: () => void): () => void {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  }

  end(): void {
    this.#ended = true;
    this.#changed();
  }

  async defragmenting<R>(work: () => Promise<R>): Promise<R> {
    this.#count(1);
    try {
      return await work();
    } finally {
      this.#count(-1);
    }
  }

  #count(change: number): void {
    this.#defragmenting += change;
    this.#changed();
  }

  #changed(): void {
    for (const changed of [...this.#listeners]) changed();
  }
}
