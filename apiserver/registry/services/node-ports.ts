import { invalid as invalidField } from "@raft2kube/api/errors.ts";
import { decodeObject, isEnvelope, readEnvelope } from "@raft2kube/api/codec/envelope.ts";
import type { Core } from "../../core.ts";
import { conflict, internal, invalid, MODIFIED } from "../../errors/catalog.ts";
import { UPDATE_ATTEMPTS_MAX } from "../../limits.ts";
import { REGISTRY_ROOT } from "../../storage/keys.ts";
import { Rows } from "../../storage/rows.ts";
import { heldPorts, type Service } from "./service.ts";

export const NODE_PORTS = { from: 30_000, to: 32_767 };

const KEY = `${REGISTRY_ROOT}/ranges/servicenodeports`;

interface RangeAllocation {
  range: string;
  /** Base64 of a big-endian number whose bit i stands for the i-th port. */
  data: string;
}

/**
 * Node ports of Services: one bitmap in the store, under upstream's key and in its form, changed by
 * comparing and
 * swapping, so that several apiservers never give out one port twice.
 */
export class NodePorts {
  readonly #core: Core;
  readonly #rows: Rows;
  readonly #from: number;
  readonly #to: number;
  /** Settles when the change before has ended, however it did. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(core: Core) {
    this.#core = core;
    this.#rows = new Rows(core.etcd);
    const { from, to } = core.options.nodePortRange ?? NODE_PORTS;
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
      for (const port of wanted) {
        if (port < this.#from || port > this.#to) {
          throw refusal(
            service,
            port,
            `provided port is not in the valid range. ` +
              `The range of valid ports is ${this.#from}-${this.#to}`,
          );
        }
        if (used.has(port)) throw refusal(service, port, "provided port is already allocated");
        used.add(port);
      }
      return this.#pickFree(used, count);
    });
  }

  #pickFree(used: Set<number>, count: number): number[] {
    const length = this.#to - this.#from + 1;
    const taken: number[] = [];
    let at = Math.floor(this.#core.random.next() * length);
    for (let tried = 0; tried < length && taken.length < count; tried++, at++) {
      const port = this.#from + (at % length);
      if (used.has(port)) continue;
      used.add(port);
      taken.push(port);
    }
    if (taken.length < count) throw internal("failed to allocate a nodePort: range is full");
    return taken;
  }

  async release(ports: readonly number[]): Promise<void> {
    if (ports.length === 0) return;
    await this.#change((used) => {
      for (const port of ports) used.delete(port);
    });
  }

  /** Makes the bitmap say what the Services hold, after a crash between two writes. */
  async repair(services: readonly Service[]): Promise<void> {
    const held = new Set(services.flatMap((service) => [...heldPorts(service)]));
    await this.#change((used) => {
      for (const port of used) if (!held.has(port)) used.delete(port);
      for (const port of held) used.add(port);
    });
  }

  /** One change at a time here, so that only other servers can come in between. */
  async #change<T>(edit: (used: Set<number>) => T): Promise<T> {
    const changed = this.#last.then(() => this.#swap(edit));
    this.#last = changed.catch(() => undefined);
    return await changed;
  }

  async #swap<T>(edit: (used: Set<number>) => T): Promise<T> {
    let { row } = await this.#rows.get(KEY);
    for (let attempt = 0; attempt < UPDATE_ATTEMPTS_MAX; attempt++) {
      const used = this.#decode(row?.value);
      const result = edit(used);
      const value = this.#encode(used);
      if (row?.value.equals(value)) return result;
      const written = row
        ? await this.#rows.replace(KEY, row.revision, value)
        : await this.#rows.create(KEY, value);
      if (written.done) return result;
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
