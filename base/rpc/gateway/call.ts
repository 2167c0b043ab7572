import type { IncomingMessage } from "node:http";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { CallMetadata } from "../call-metadata.ts";
import { RpcError, Status } from "../error.ts";
import { timeoutOf } from "../grpc-request.ts";
import type { Call } from "../server.ts";

/** Header fields that become metadata under the rest of their name. */
const METADATA_PREFIX = "grpc-metadata-";

/**
 * A call that came as an HTTP request. Its token is the `Authorization` header. It has no common
 * name: as with etcd, a client certificate does not identify a user through the gateway.
 */
export class GatewayCall implements Call {
  readonly metadata: CallMetadata;
  readonly peer: string;
  readonly commonName = undefined;
  /** Why the call was ended, other than by its client. */
  failure: unknown;
  readonly #abort = new AbortController();
  #timer: Timer | undefined;

  /** Throws RpcError for a malformed `Grpc-Timeout`. */
  constructor({ headers, socket }: IncomingMessage, clock: Clock) {
    this.peer = socket.remoteAddress ?? "";
    const fields = Object.entries(headers).flatMap(([name, value]): [string, string][] => {
      const kept = name.startsWith(METADATA_PREFIX) ? name.slice(METADATA_PREFIX.length) : name;
      if (kept === name && name !== "authorization") return [];
      return [value ?? []].flat().map((each) => [kept, each]);
    });
    this.metadata = new CallMetadata(fields);
    const timeout = String(headers["grpc-timeout"] ?? "");
    if (timeout === "") return;
    const timeout_ms = gatewayTimeout(timeout);
    // None, as for grpc-gateway.
    if (timeout_ms === 0) return;
    const late = new RpcError(Status.DEADLINE_EXCEEDED, "context deadline exceeded");
    // Over before the body could be read.
    if (timeout_ms < 1) throw late;
    this.#timer = clock.after(Math.min(timeout_ms, TIMER_MS_MAX), () => this.fail(late));
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Ends the call, which its handler learns from the signal. */
  fail(error: unknown): void {
    if (!this.signal.aborted) this.failure = error;
    this.close();
  }

  /** The call is answered, or its client gone. */
  close(): void {
    this.#timer?.cancel();
    this.#abort.abort();
  }
}

/** Reads a timeout as grpc-gateway: with a sign, and of any length. Throws RpcError. */
function gatewayTimeout(text: string): number {
  const [, sign, digits = "", unit = ""] = /^([+-]?)([0-9]{1,18})(.)$/.exec(text) ?? [];
  const timeout_ms = timeoutOf(`1${unit}`) * Number(digits);
  if (Number.isNaN(timeout_ms)) {
    throw new RpcError(Status.INVALID_ARGUMENT, `invalid grpc-timeout: ${text}`);
  }
  return sign === "-" ? -timeout_ms : Math.min(timeout_ms, DATE_MS_MAX);
}

/** Some 270 years: later than any deadline, and still a date. */
const DATE_MS_MAX = 2 ** 43;

/** The longest that a timer of Node takes. */
const TIMER_MS_MAX = 2 ** 31 - 1;
