import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import {
  type Counter,
  DEFAULT_BOUNDS_S,
  familiesOf,
  type Histogram,
} from "@raft2kube/observe/families.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { MethodTable } from "@raft2kube/proto/service.ts";
import { Batch } from "@raft2kube/rpc/batch.ts";
import { asRpcError, goCodeName } from "@raft2kube/rpc/error.ts";
import type { ServedService } from "@raft2kube/rpc/routes.ts";
import type { Call } from "@raft2kube/rpc/server.ts";
import { ownText } from "@raft2kube/std/bytes.ts";
import { CLIENT_VERSION_CHARS_MAX, CLIENT_VERSIONS_MAX } from "../limits.ts";
import type { MemberMetrics } from "./member.ts";

/** The client version that etcd's clients send with each request. */
const CLIENT_VERSION = "client-api-version";

type Handler = (input: unknown, call: Call) => unknown;

const log = logger("store");

/** The gRPC metrics of etcd: calls started, handled by code, and their duration. */
function rpcFamilies({ registry, clock }: MemberMetrics) {
  const { counter, histogram } = familiesOf(registry);
  return {
    clock,
    started: counter("grpc_server_started_total", "RPCs started."),
    handled: counter("grpc_server_handled_total", "RPCs ended."),
    handling: histogram("grpc_server_handling_seconds", "How long RPCs took.", DEFAULT_BOUNDS_S),
    messagesIn: counter("grpc_server_msg_received_total", "Messages received."),
    messagesOut: counter("grpc_server_msg_sent_total", "Messages sent."),
    requests: counter("etcd_server_client_requests_total", "Requests by client's version."),
    streamFailures: counter("etcd_network_server_stream_failures_total", "Streams that failed."),
  };
}

/** The metrics of one method. */
class RpcMetrics {
  readonly path: string;
  readonly #families: ReturnType<typeof rpcFamilies>;
  readonly #labels: Record<string, string>;
  readonly messagesIn: Counter;
  readonly messagesOut: Counter;
  readonly #started: Counter;
  readonly #handling: Histogram;
  readonly #byCode = new Map<string, Counter>();
  /** One for each kind of client, which its first field of metadata is the same object for. */
  readonly #byClient = new Map<string, Counter>();

  constructor(families: ReturnType<typeof rpcFamilies>, service: string, method: MethodTable) {
    const { clientStream, serverStream } = method;
    const oneWay = clientStream ? "client_stream" : serverStream ? "server_stream" : "unary";
    const type = clientStream && serverStream ? "bidi_stream" : oneWay;
    this.path = `/${service}/${method.name}`;
    this.#families = families;
    this.#labels = { grpc_method: method.name, grpc_service: service, grpc_type: type };
    this.#started = families.started.of(this.#labels);
    this.#handling = families.handling.of(this.#labels);
    this.messagesIn = families.messagesIn.of(this.#labels);
    this.messagesOut = families.messagesOut.of(this.#labels);
  }

  begin(call: Call): number {
    this.#started.add();
    this.#ofClient(call).add();
    return this.#families.clock.monotonic();
  }

  #ofClient({ metadata }: Call): Counter {
    const [said = "unknown"] = metadata.get(CLIENT_VERSION);
    const version = String(said).slice(0, CLIENT_VERSION_CHARS_MAX);
    const known = this.#byClient.get(version);
    if (known) return known;
    // Made-up versions must not fill the memory.
    const counted = this.#byClient.size < CLIENT_VERSIONS_MAX ? ownText(version) : "other";
    const type = this.#labels["grpc_type"] === "unary" ? "unary" : "stream";
    const count = this.#families.requests.of({ type, client_api_version: counted });
    if (counted === version) this.#byClient.set(counted, count);
    return count;
  }

  /** A stream ended with an error that is not its client's leaving. */
  streamFailed(way: "receive" | "send"): void {
    const API = this.#labels["grpc_method"] === "Watch" ? "watch" : "lease-keepalive";
    if (this.#labels["grpc_type"] === "bidi_stream") {
      this.#families.streamFailures.of({ Type: way, API }).add();
    }
  }

  /** Returns how long it took, in ms. */
  end(from_ms: number, code: string): number {
    let count = this.#byCode.get(code);
    if (!count) {
      // In the order of etcd's page, which scripts search for.
      count = this.#families.handled.of({ grpc_code: code, ...this.#labels });
      this.#byCode.set(code, count);
    }
    count.add();
    const took_ms = this.#families.clock.monotonic() - from_ms;
    this.#handling.observe(took_ms / 1000);
    return took_ms;
  }
}

/** The same services, every call of which is counted and timed. */
export function measured(services: ServedService[], metrics: MemberMetrics): ServedService[] {
  const families = rpcFamilies(metrics);
  return services.map(({ service, handlers }) => {
    const entries = Object.entries(service.methods) as [string, MethodTable][];
    const wrapped = entries.flatMap(([key, method]): [string, Handler][] => {
      const handler = handlers[key] as Handler | undefined;
      if (!handler) return [];
      const rpc = new RpcMetrics(families, service.fullName, method);
      const wrap = method.serverStream ? measuredStream : measuredCall;
      return [[key, wrap(handler, rpc, metrics)]];
    });
    return { service, handlers: Object.fromEntries(wrapped) };
  });
}

function measuredCall(handler: Handler, rpc: RpcMetrics, metrics: MemberMetrics): Handler {
  return async (input, call) => {
    const from_ms = rpc.begin(call);
    rpc.messagesIn.add();
    try {
      const answer = await handler(input, call);
      rpc.messagesOut.add();
      warnIfSlow(rpc.path, rpc.end(from_ms, "OK"), metrics);
      return answer;
    } catch (thrown) {
      warnIfSlow(rpc.path, rpc.end(from_ms, codeOf(thrown)), metrics);
      throw thrown;
    }
  };
}

function warnIfSlow(method: string, took_ms: number, { unary_ms }: MemberMetrics): void {
  if (took_ms < unary_ms) return;
  const fields = { method, took_ms: Math.round(took_ms), expected_ms: unary_ms };
  log.warn("request stats: slow unary request", fields);
}

function measuredStream(handler: Handler, rpc: RpcMetrics): Handler {
  return async function* (input, call) {
    const from_ms = rpc.begin(call);
    const { messagesIn } = rpc;
    const incoming = isStream(input) ? counted(input, messagesIn) : input;
    if (incoming === input) messagesIn.add();
    // A stream that its reader left early was cancelled.
    let code = "Canceled";
    try {
      for await (const answer of handler(incoming, call) as AsyncIterable<unknown>) {
        rpc.messagesOut.add(answer instanceof Batch ? answer.responses.length : 1);
        yield answer;
      }
      if (!call.signal.aborted) code = "OK";
    } catch (thrown) {
      code = codeOf(thrown);
      if (!call.signal.aborted) rpc.streamFailed("send");
      throw thrown;
    } finally {
      rpc.end(from_ms, code);
    }
  };
}

const isStream = (input: unknown): input is AsyncIterable<unknown> =>
  typeof input === "object" && input !== null && Symbol.asyncIterator in input;

async function* counted(input: AsyncIterable<unknown>, count: Counter): AsyncGenerator<unknown> {
  for await (const message of input) {
    count.add();
    yield message;
  }
}

function codeOf(thrown: unknown): string {
  return goCodeName(thrown instanceof EtcdError ? thrown : asRpcError(thrown));
}
