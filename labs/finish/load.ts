import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { Member } from "./members.ts";

const CLIENTS = 4;
const CALL_TIMEOUT_MS = 1_000;
/** Pause after a write that failed, while no member answers. */
const PAUSE_MS = 20;
const clock = systemClock();

/** Writes that were acknowledged, each to a key of its own: key to value. */
export type Acknowledged = ReadonlyMap<string, string>;

/** Clients that write one key after the other, to any member that answers, until `end`. */
export class Load {
  readonly acknowledged = new Map<string, string>();
  readonly #clients: Promise<void>[];
  #over = false;

  constructor(members: readonly Member[]) {
    this.#clients = Array.from({ length: CLIENTS }, (_, i) => this.#write(i, members));
  }

  async end(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#clients);
  }

  async #write(number: number, members: readonly Member[]): Promise<void> {
    const endpoints = members.map(({ endpoint }) => endpoint);
    const rotated = [...endpoints.slice(number % 3), ...endpoints.slice(0, number % 3)];
    const client = connectEtcd({ endpoints: rotated, timeout_ms: CALL_TIMEOUT_MS });
    for (let n = 0; !this.#over; n++) {
      const [key, value] = [`${number}/${n}`, `value ${n} of client ${number}`];
      const done = client.put({ key: Buffer.from(key), value: Buffer.from(value) });
      // The outcome of a write without an answer is unknown.
      const answered = await done.then(
        () => true,
        () => false,
      );
      if (answered) this.acknowledged.set(key, value);
      else await delay(clock, PAUSE_MS);
    }
    await client.close();
  }
}
