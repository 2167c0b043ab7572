import type { Readable } from "node:stream";
import { TRACEPARENT, traceparentOf } from "@raft2kube/observe/trace/traceparent.ts";
import { activeSpan } from "@raft2kube/observe/trace/tracer.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import {
  answeredError,
  KubeError,
  REFUSED_STREAM,
  STALE_CONNECTION,
  TransportError,
} from "../errors.ts";
import {
  ATTEMPTS_MAX,
  BURST_DEFAULT,
  QPS_DEFAULT,
  REFUSED_RETRY_MS,
  REQUEST_TIMEOUT_MS,
  RETRY_AFTER_MS_MAX,
} from "../limits.ts";
import type { KubeObject } from "../object/object.ts";
import { type KubeConnection, type TokenReader, tokenReader } from "../transport/credentials.ts";
import { httpTransport } from "../transport/http.ts";
import {
  type HttpRequest,
  type HttpResponse,
  readBody,
  type Transport,
} from "../transport/transport.ts";
import { RateLimit } from "./rate-limit.ts";
import type { KubeRequest, KubeRequester } from "./request.ts";
import type { ResourceType } from "./resource.ts";
import { ResourceClient } from "./resource-client.ts";

/**
 * Receives each attempt of a request: its method, the status of the answer (0 without one), and the
 * seconds until it came, or its head if its body is read later.
 */
export type RequestObserver = (method: string, status: number, took_s: number) => void;

export interface KubeClientOptions extends KubeConnection {
  clock?: Clock;
  /** Requests per second in the long run; a watch counts once. */
  qps?: number;
  burst?: number;
  userAgent?: string;
  observer?: RequestObserver | undefined;
  /** Another way to carry requests (or a shared one), not closed with the client. */
  transport?: Transport;
}

/**
 * A client of one apiserver under one identity. Everything that can be asked of a resource is on
 * the handle that `resource` returns; `request` and `open` serve what is no resource (discovery,
 * health). Failures: KubeError when the API answered, TransportError when it did not.
 */
export class KubeClient implements KubeRequester {
  readonly clock: Clock;
  readonly server: string;
  readonly #transport: Transport;
  readonly #ownsTransport: boolean;
  readonly #rate: RateLimit;
  readonly #token: TokenReader | undefined;
  readonly #userAgent: string;
  readonly #observer: RequestObserver | undefined;
  #closed = false;

  constructor(options: KubeClientOptions) {
    this.clock = options.clock ?? systemClock();
    this.server = options.server;
    this.#ownsTransport = options.transport === undefined;
    this.#transport = options.transport ?? httpTransport(options, this.clock);
    const { qps = QPS_DEFAULT, burst = BURST_DEFAULT } = options;
    this.#rate = new RateLimit({ clock: this.clock, qps, burst });
    this.#token = options.token === undefined ? undefined : tokenReader(options.token, this.clock);
    this.#userAgent = options.userAgent ?? "r2k";
    this.#observer = options.observer;
  }

  /** The typed client of one resource: `client.resource(PODS)`. */
  resource<T extends KubeObject>(type: ResourceType<T>): ResourceClient<T> {
    return new ResourceClient<T>(this, type);
  }

  /** Sends a request and gives its answer, parsed as JSON. */
  async request<T>(request: KubeRequest): Promise<T> {
    const text = await this.requestText(request);
    try {
      return JSON.parse(text) as T;
    } catch (thrown) {
      const what = `${request.method} ${request.path}: the answer is not JSON`;
      throw new TransportError("EBADANSWER", what, { cause: thrown });
    }
  }

  /** Sends a request and gives its answer as text. */
  async requestText(request: KubeRequest): Promise<string> {
    const { body } = await this.#fetch(request);
    return body.toString("utf8");
  }

  /** Sends a request whose answer does not matter unless it is an error. */
  async send(request: KubeRequest): Promise<void> {
    await this.#fetch(request);
  }

  /** Sends a request and gives the answer's head with its body unread (watches, logs). */
  open(request: KubeRequest): Promise<HttpResponse> {
    const { timeout_ms = REQUEST_TIMEOUT_MS } = request;
    return this.#attempt(
      request,
      (sent) => this.#transport.send({ ...sent, timeout_ms }),
      () => Infinity,
    );
  }

  /** The whole answer; its time covers waiting, all attempts and the body. */
  #fetch(request: KubeRequest): Promise<HttpResponse<Buffer>> {
    const { timeout_ms = REQUEST_TIMEOUT_MS } = request;
    const end_ms = this.clock.monotonic() + timeout_ms;
    const left_ms = () => Math.ceil(end_ms - this.clock.monotonic());
    return this.#attempt(
      request,
      (sent) => this.#transport.fetch({ ...sent, timeout_ms: Math.max(1, left_ms()) }),
      left_ms,
    );
  }

  /**
   * Sends a request, and again on 429 and 5xx with Retry-After (writes too, as client-go), on
   * refused connections (nothing was sent) and streams (nothing was done), and for GET on a stale
   * one.
   */
  async #attempt<Body extends Readable | Buffer>(
    request: KubeRequest,
    act: (sent: Omit<HttpRequest, "timeout_ms">) => Promise<HttpResponse<Body>>,
    left_ms: () => number,
  ): Promise<HttpResponse<Body>> {
    let failure: unknown;
    for (let attempt = 1; ; attempt++) {
      await this.#rate.take(namespaceIn(request.path));
      if (left_ms() <= 0) throw timedOut(request, failure);
      let pause_ms: number | undefined;
      try {
        const response = await this.#send(request, act);
        if (response.status < 400) return response;
        if (response.status === 401) this.#token?.rejected();
        failure = await errorOf(response, `${request.method} ${request.path}`);
        pause_ms = retryAfter(response);
      } catch (thrown) {
        failure = thrown;
        pause_ms = retryAfterFailure(thrown, request.method);
      }
      if (pause_ms === undefined || attempt >= ATTEMPTS_MAX) throw failure;
      const most_ms = Math.max(0, left_ms());
      await delay(this.clock, Math.min(pause_ms, most_ms), request.signal);
      if (request.signal?.aborted) throw failure;
      if (pause_ms >= most_ms) throw timedOut(request, failure);
    }
  }

  /** Ends its own connections; requests under way and later ones fail (`ECANCELED` or a reset). */
  close(): void {
    this.#closed = true;
    this.#rate.close();
    if (this.#ownsTransport) this.#transport.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #send<Body extends Readable | Buffer>(
    request: KubeRequest,
    act: (sent: Omit<HttpRequest, "timeout_ms">) => Promise<HttpResponse<Body>>,
  ): Promise<HttpResponse<Body>> {
    const { method, path, body, signal, bytes_max } = request;
    const headers: Record<string, string> = {
      accept: request.accept ?? "application/json",
      "user-agent": this.#userAgent,
    };
    if (this.#token) headers["authorization"] = `Bearer ${await this.#token.read()}`;
    if (this.#closed) throw new TransportError("ECANCELED", "the client is closed");
    let bytes: Buffer | undefined;
    if (body !== undefined) {
      bytes = encode(body);
      headers["content-type"] = request.contentType ?? "application/json";
      headers["content-length"] = String(bytes.length);
    }
    const caller = activeSpan();
    const attributes = { "http.request.method": method, "url.full": this.server + path };
    const span = caller?.child(`HTTP ${method}`, { kind: "client", attributes });
    if (caller) headers[TRACEPARENT] = traceparentOf(span ?? caller);
    const begun_ms = this.clock.monotonic();
    let status = 0;
    try {
      const response = await act({ method, path, headers, body: bytes, signal, bytes_max });
      ({ status } = response);
      return response;
    } finally {
      this.#observer?.(method, status, (this.clock.monotonic() - begun_ms) / 1_000);
      span?.set({ "http.response.status_code": status });
      if (status === 0 || status >= 400) span?.fail(`status ${status}`);
      span?.end();
    }
  }
}

const namespaceIn = (path: string): string => /\/namespaces\/([^/?]+)/.exec(path)?.[1] ?? "";

/** The error of a request whose time ended before an attempt succeeded. */
function timedOut({ method, path }: KubeRequest, cause: unknown): TransportError {
  return new TransportError("ETIMEDOUT", `${method} ${path}: no answer in its time`, { cause });
}

function encode(body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
}

async function errorOf(
  { body, ...response }: HttpResponse<Readable | Buffer>,
  what: string,
): Promise<KubeError> {
  const whole = Buffer.isBuffer(body) ? body : await readBody({ ...response, body }, what);
  return answeredError(response.status, whole.toString("utf8"), what);
}

function retryAfter(response: Pick<HttpResponse, "status" | "headers">): number | undefined {
  const seconds = Number(response.headers["retry-after"]);
  if (response.status !== 429 && response.status < 500) return undefined;
  if (!(seconds >= 0)) return undefined;
  const pause_ms = seconds * 1000;
  return pause_ms <= RETRY_AFTER_MS_MAX ? pause_ms : undefined;
}

function retryAfterFailure(thrown: unknown, method: string): number | undefined {
  if (!(thrown instanceof TransportError)) return undefined;
  if (thrown.code === "ECONNREFUSED") return REFUSED_RETRY_MS;
  if (thrown.code === REFUSED_STREAM) return REFUSED_RETRY_MS;
  return thrown.code === STALE_CONNECTION && method === "GET" ? 0 : undefined;
}
