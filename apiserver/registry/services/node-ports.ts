import { decodeObject, isEnvelope, readEnvelope } from "@raft2kube/api/codec/envelope.ts";
import { invalid as invalidField } from "@raft2kube/api/errors.ts";
import { conflict, internal, invalid, MODIFIED } from "@raft2kube/apimachinery/errors/catalog.ts";
import { PLAIN } from "@raft2kube/encryption/value-encryption.ts";
import { UPDATE_ATTEMPTS_MAX } from "../../limits.ts";
import { REGISTRY_ROOT } from "../../storage/keys.ts";
import { Rows } from "../../storage/rows.ts";
import type { Service } from "./service.ts";
import type { ServiceWriter } from "./service-writer.ts";

export const NODE_PORTS = { from: 30_000, to: 32_767 };

const KEY = `${REGISTRY_ROOT}/ranges/servicenodeports`;

/** Ports at the start of the range that are for Services which ask for one (KEP-3668). */
function staticBand(ports: number): number {
  return ports <= BAND_MIN ? 0 : Math.min(Math.max(BAND_MIN, Math.floor(ports / 32)), BAND_MAX);
}

const BAND_MIN = 16;
const BAND_MAX = 128;

interface RangeAllocation {
  range: string;
  /** Base64 of a big-endian number whose bit i stands for the i-th port. */
  data: string;
}

/** A change of the bitmap, computed from its current state. */
interface Edit<T> {
  readonly result: T;
  readonly add: readonly number[];
  readonly remove: readonly number[];
}

type Plan<T> = (used: ReadonlySet<number>) => Edit<T>;

interface Waiting {
  /** Puts the change into `used`, or keeps the reason why it cannot be. */
  apply(used: Set<number>): void;
  /** Passes the result of the last `apply` to the caller. */
  settle(): void;
  fail(reason: unknown): void;
}

/**
 * Node ports of Services: one bitmap in the store, under upstream's key and in its form, changed by
 * comparing and swapping, so that several apiservers never give out one port twice. Changes that
 * come while one is under way go together in the next.
 */
export class NodePorts {
  readonly #writer: ServiceWriter;
  readonly #rows: Rows;
  readonly #from: number;
  readonly #to: number;
  #waiting: Waiting[] = [];
  #swapping = false;

  constructor(writer: ServiceWriter) {
    this.#writer = writer;
    this.#rows = new Rows(writer.etcd, PLAIN, writer.metrics.stored("servicenodeportallocations"));
    const { from, to } = writer.options.nodePortRange ?? NODE_PORTS;
    this.#from = from;
    this.#to = to;
  }

  /**
   * Takes `wanted`, and `count` more that are free. Throws 422 when one is taken or outside the
   * range.
   */
  async take(service: Service, wanted: readonly number[], count: number): Promise<number[]> {
    if (wanted.length === 0 && count === 0) return [];
    return await this.#change((used) => {
      const free = this.#choose(service, wanted, count, used);
      return { result: free, add: [...wanted, ...free], remove: [] };
    });
  }

  /**
   * The ports that `take` would choose now; none is taken. Throws as it does, but bears what is
   * outside the range, as upstream's dry run.
   */
  async free(service: Service, wanted: readonly number[], count: number): Promise<number[]> {
    if (wanted.length === 0 && count === 0) return [];
    const within = wanted.filter((port) => port >= this.#from && port <= this.#to);
    return this.#choose(service, within, count, await this.taken());
  }

  #choose(
    service: Service,
    wanted: readonly number[],
    count: number,
    used: ReadonlySet<number>,
  ): number[] {
    for (const port of wanted) {
      if (port < this.#from || port > this.#to) {
        const why =
          `provided port is not in the valid range. ` +
          `The range of valid ports is ${this.#from}-${this.#to}`;
        throw refusal(service, port, why);
      }
      if (used.has(port)) throw refusal(service, port, "provided port is already allocated");
    }
    return this.#pickFree(new Set(wanted), used, count);
  }

  /** Free ports from a random place on: above the static band first, then inside it. */
  #pickFree(wanted: ReadonlySet<number>, used: ReadonlySet<number>, count: number): number[] {
    const size = this.#to - this.#from + 1;
    const band = staticBand(size);
    const taken: number[] = [];
    for (const [from, length] of [
      [this.#from + band, size - band],
      [this.#from, band],
    ] as const) {
      let at = Math.floor(this.#writer.random.next() * length);
      for (let tried = 0; tried < length && taken.length < count; tried++, at++) {
        const port = from + (at % length);
        if (!used.has(port) && !wanted.has(port)) taken.push(port);
      }
    }
    if (taken.length < count) throw internal("failed to allocate a nodePort: range is full");
    return taken;
  }

  async release(ports: readonly number[]): Promise<void> {
    if (ports.length === 0) return;
    await this.#change(() => ({ result: undefined, add: [], remove: ports }));
  }

  /** The ports that the bitmap says are taken. */
  async taken(): Promise<Set<number>> {
    return this.#decode((await this.#rows.get(KEY)).row?.value);
  }

  /** Takes ports that Services hold without saying so. */
  async mark(ports: readonly number[]): Promise<void> {
    if (ports.length === 0) return;
    await this.#change(() => ({ result: undefined, add: ports, remove: [] }));
  }

  #change<T>(plan: Plan<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      let settle = () => {};
      this.#waiting.push({
        apply: (used) => {
          try {
            const { result, add, remove } = plan(used);
            for (const port of remove) used.delete(port);
            for (const port of add) used.add(port);
            settle = () => resolve(result);
          } catch (thrown) {
            settle = () => reject(thrown);
          }
        },
        settle: () => settle(),
        fail: reject,
      });
      if (!this.#swapping) void this.#swapAll();
    });
  }

  async #swapAll(): Promise<void> {
    this.#swapping = true;
    while (this.#waiting.length > 0) {
      const changes = this.#waiting;
      this.#waiting = [];
      try {
        await this.#swap(changes);
        for (const change of changes) change.settle();
      } catch (thrown) {
        for (const change of changes) change.fail(thrown);
      }
    }
    this.#swapping = false;
  }

  async #swap(changes: readonly Waiting[]): Promise<void> {
    let { row } = await this.#rows.get(KEY);
    for (let attempt = 0; attempt < UPDATE_ATTEMPTS_MAX; attempt++) {
      const used = this.#decode(row?.value);
      for (const change of changes) change.apply(used);
      const value = this.#encode(used);
      if (row?.value.equals(value)) return;
      const written = row
        ? await this.#rows.replace(KEY, row.revision, value)
        : await this.#rows.create(KEY, value);
      if (written.done) return;
      row = written.current;
    }
    throw conflict({ group: "", name: "rangeallocations" }, "servicenodeports", MODIFIED);
  }

  #decode(value: Buffer | undefined): Set<number> {
    if (value === undefined) return new Set();
    const { range, data } = isEnvelope(value)
      ? decodeObject<RangeAllocation>("core/v1.RangeAllocation", readEnvelope(value))
      : (JSON.parse(value.toString("utf8")) as RangeAllocation);
    const from = Number(range.split("-")[0]);
    const bytes = Buffer.from(data, "base64");
    const used = new Set<number>();
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const byte = bytes[bytes.length - 1 - (bit >> 3)]!;
      if (byte & (1 << (bit & 7))) used.add(from + bit);
    }
    return used;
  }

  #encode(used: ReadonlySet<number>): Buffer {
    const top = Math.max(-1, ...used) - this.#from;
    const bytes = Buffer.alloc(top < 0 ? 0 : (top >> 3) + 1);
    for (const port of used) {
      const bit = port - this.#from;
      // A range moved by its option leaves ports outside: they are no longer kept track of.
      if (bit < 0 || bit > this.#to - this.#from) continue;
      bytes[bytes.length - 1 - (bit >> 3)]! |= 1 << (bit & 7);
    }
    return Buffer.from(
      JSON.stringify({
        kind: "RangeAllocation",
        apiVersion: "v1",
        metadata: {},
        range: `${this.#from}-${this.#to}`,
        data: bytes.toString("base64"),
      }),
    );
  }
}

function refusal(service: Service, port: number, detail: string) {
  const index = (service.spec.ports ?? []).findIndex((each) => each.nodePort === port);
  const field = index < 0 ? "spec.healthCheckNodePort" : `spec.ports[${index}].nodePort`;
  return invalid({ group: "", name: "Service" }, service.metadata.name ?? "", [
    invalidField(field, port, detail),
  ]);
}
