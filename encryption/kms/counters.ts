import { exponentialBounds, Histogram } from "@raft2kube/observe/families.ts";
import { goCodeName, RpcError } from "@raft2kube/rpc/error.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { KMS_COUNTED_KEYS_MAX } from "../limits.ts";

type Method = "Status" | "Encrypt" | "Decrypt";
type Direction = "to_storage" | "from_storage";

/** Calls of one method with one result. */
interface Calls {
  readonly method_name: string;
  readonly grpc_status_code: string;
  readonly seconds: Histogram;
}

/** Values that one key id encrypted or decrypted. */
export interface Uses {
  readonly keyId: string;
  readonly transformation_type: Direction;
  count: number;
  last_ms: number;
}

const CALL_BOUNDS_S = exponentialBounds(0.0001, 2, 20);

/** Counts calls of one plugin and uses of its keys (upstream: envelope/metrics). */
export class KmsCounters {
  readonly calls: Map<string, Calls> = new Map();
  /** The key used least recently is the first. */
  readonly uses: Map<string, Uses> = new Map();
  /** Statuses with key ids that are none, by their error: `empty`, `too_long`. */
  readonly invalidKeyIds: Map<string, number> = new Map();
  /** Values whose seed was not known when they were read. */
  misses = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Times a call of the plugin. */
  async timed<T>(method: Method, call: Promise<T>): Promise<T> {
    const from_ms = this.#clock.monotonic();
    let code = "OK";
    try {
      return await call;
    } catch (thrown) {
      code = thrown instanceof RpcError ? goCodeName(thrown) : "unknown-non-grpc";
      throw thrown;
    } finally {
      const calls = this.calls.get(`${method} ${code}`) ?? {
        method_name: `/v2.KeyManagementService/${method}`,
        grpc_status_code: code,
        seconds: new Histogram(CALL_BOUNDS_S),
      };
      this.calls.set(`${method} ${code}`, calls);
      calls.seconds.observe((this.#clock.monotonic() - from_ms) / 1_000);
    }
  }

  used(keyId: string, transformation_type: Direction): void {
    const key = `${transformation_type} ${keyId}`;
    const uses = this.uses.get(key) ?? { keyId, transformation_type, count: 0, last_ms: 0 };
    this.uses.delete(key);
    if (this.uses.size >= KMS_COUNTED_KEYS_MAX) this.uses.delete(this.uses.keys().next().value!);
    this.uses.set(key, uses);
    uses.count++;
    uses.last_ms = this.#clock.now();
  }

  invalidKeyId(keyId: string): void {
    const error = keyId === "" ? "empty" : "too_long";
    this.invalidKeyIds.set(error, (this.invalidKeyIds.get(error) ?? 0) + 1);
  }
}
