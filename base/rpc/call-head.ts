import type { HeaderField } from "@raft2kube/h2/hpack/static-table.ts";
import { TRACEPARENT } from "@raft2kube/observe/trace/traceparent.ts";
import { KNOWN_HEADS_MAX } from "./limits.ts";

/** The head of a request, as it is sent. */
export interface CallHead {
  readonly fields: readonly HeaderField[];
  /** The same list is sent again and again: the connection's table keeps it. */
  readonly constant: boolean;
}

/** The trace that a call is a part of. */
export interface CallTrace {
  readonly traceparent: string;
  /** Whether other calls have the same: it is that of what is not sampled. */
  readonly isShared: boolean;
}

/** The heads of one method's requests (grpc/doc/PROTOCOL-HTTP2.md). */
export class CallHeads {
  /** `package.Service/Method`. */
  readonly name: string;
  readonly #begin: readonly HeaderField[];
  readonly #known = new Map<string, CallHead>();

  constructor(scheme: string, authority: string, name: string) {
    this.name = name;
    this.#begin = [
      [":method", "POST"],
      [":scheme", scheme],
      [":path", `/${name}`],
      [":authority", authority],
      ["te", "trailers"],
      ["content-type", "application/grpc"],
      ["user-agent", "grpc-node-r2k/1"],
    ];
  }

  /** A head of a trace that is the same for many calls can be kept, as one without a trace. */
  head(
    timeout_ms: number | undefined,
    metadata: Readonly<Record<string, string>> | undefined,
    trace?: CallTrace,
  ): CallHead {
    const timeout = timeout_ms === undefined ? "" : timeoutText(timeout_ms);
    const key = trace ? `${timeout} ${trace.traceparent}` : timeout;
    const isOwn = metadata !== undefined || trace?.isShared === false;
    const known = isOwn ? undefined : this.#known.get(key);
    if (known) return known;
    const fields = this.#fields(timeout, metadata ?? {}, trace);
    if (isOwn || this.#known.size >= KNOWN_HEADS_MAX) return { fields, constant: false };
    const head = { fields, constant: true };
    this.#known.set(key, head);
    return head;
  }

  #fields(
    timeout: string,
    metadata: Readonly<Record<string, string>>,
    trace: CallTrace | undefined,
  ): HeaderField[] {
    const own = Object.entries(metadata).map(([name, value]): HeaderField => {
      return [name.toLowerCase(), value];
    });
    const limit: HeaderField[] = timeout === "" ? [] : [["grpc-timeout", timeout]];
    const traced: HeaderField[] = trace ? [[TRACEPARENT, trace.traceparent]] : [];
    return [...this.#begin, ...limit, ...own, ...traced];
  }
}

/** Two digits are enough: the timeout is rounded up for the server. */
const DIGITS = 2;
/** A timeout has eight digits at most. */
const MILLISECONDS_MAX = 99_999_999;

function timeoutText(timeout_ms: number): string {
  const left_ms = Math.max(1, Math.ceil(timeout_ms));
  const grain = 10 ** Math.max(0, String(left_ms).length - DIGITS);
  const rounded_ms = Math.ceil(left_ms / grain) * grain;
  return rounded_ms <= MILLISECONDS_MAX ? `${rounded_ms}m` : `${Math.ceil(rounded_ms / 1_000)}S`;
}
