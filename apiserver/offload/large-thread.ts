import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { errorOf, type Status } from "@raft2kube/apimachinery/errors/api-error.ts";
import { serviceUnavailable, timeout, tooMany } from "@raft2kube/apimachinery/errors/catalog.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { asBuffer } from "@raft2kube/std/bytes.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { asError, codeOf } from "@raft2kube/std/errors.ts";
import { Shares } from "@raft2kube/std/shares.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
import { ownerOf } from "../authn/owner.ts";
import * as limits from "../limits.ts";
import type { ApiserverOptions } from "../options.ts";
import type { Answer, BytesAnswer } from "../request/answer.ts";
import type { RequestContext } from "../request/context.ts";

const log = logger("apiserver");

type Functions<T> = Extract<T[keyof T], (...given: never[]) => unknown>;

/** Returns the data of which the thread makes its apiserver; its clock is the system's. */
export function threadInit({
  etcd,
  serves,
  encryption,
  authentication,
  authorization,
  trust,
  clock,
  random,
  audit,
  ...data
}: ApiserverOptions) {
  assert(etcd.connection, "the apiserver's store listens nowhere, so that no thread can reach it");
  // A function cannot be sent: with an option that is one, this does not compile.
  const options: [Functions<typeof data>] extends [never] ? typeof data : never = data;
  return {
    ...options,
    store: etcd.connection,
    encryption: encryption?.config,
    authorizers: authorization?.current,
  };
}

export type ThreadInit = ReturnType<typeof threadInit>;

/** An authorized request, whose port receives the answer. A message on it aborts the request. */
export interface LargeRequest {
  readonly port: MessagePort;
  readonly context: Pick<RequestContext, "id" | "info" | "user">;
  readonly request: Pick<RequestContext["request"], "method" | "url" | "headers">;
  readonly query: string;
  readonly body: Uint8Array;
}

/** A complete response or an error, and the texts of its warnings. */
export interface LargeAnswer {
  readonly answer: BytesAnswer | Status;
  readonly warnings: readonly string[];
}

const ended = () => serviceUnavailable("the thread of large requests ended");

/** A thread of large requests. It ends after LARGE_IDLE_MS without one. */
export class LargeThread {
  readonly #data: ThreadInit;
  readonly #clock: Clock;
  readonly #heap_mb: number;
  /** The present thread; undefined after one whose memory was full, until the next request. */
  #worker: Worker | undefined;
  readonly #requests = new Shares(limits.sharesOf(limits.LARGE_REQUESTS_MAX));
  readonly #bytes = new Shares(limits.sharesOf(limits.LARGE_REQUESTS_BYTES_MAX));
  readonly #turns = new FairTurns();
  #idle: Timer | undefined;
  #isRetired = false;
  #hasEnded = false;

  constructor(workerData: ThreadInit, clock: Clock, heap_mb = limits.LARGE_HEAP_MB_MAX) {
    this.#data = workerData;
    this.#clock = clock;
    this.#heap_mb = heap_mb;
    this.#worker = this.#started();
  }

  #started(): Worker {
    const worker = new Worker(new URL("./thread.ts", import.meta.url), {
      workerData: this.#data,
      resourceLimits: { maxOldGenerationSizeMb: this.#heap_mb },
    });
    worker.on("error", (thrown) => {
      log.error("the thread of large requests broke", { err: asError(thrown) });
      const isFull = codeOf(thrown) === "ERR_WORKER_OUT_OF_MEMORY";
      if (isFull && worker === this.#worker) this.#worker = undefined;
    });
    worker.on("exit", () => {
      if (worker === this.#worker) this.#isRetired = this.#hasEnded = true;
    });
    return worker;
  }

  /** Whether it serves requests, with this EncryptionConfiguration. */
  servesWith(encryption: string | undefined, authorizers?: ThreadInit["authorizers"]): boolean {
    const isSame = this.#data.encryption === encryption && this.#data.authorizers === authorizers;
    return !this.#isRetired && isSame;
  }

  /**
   * Serves a request in the thread, those of different users in rotation. Throws 429 immediately if
   * too many wait, or too many of its user; rejects with the thread's error, 503 if the thread
   * ends, 504 after LARGE_REQUEST_MS.
   */
  serve(context: RequestContext, body: Buffer): Promise<Answer> {
    const owner = ownerOf(context);
    const isFull = !this.#requests.fits(owner) || !this.#bytes.fits(owner, body.length);
    if (isFull) throw tooMany();
    this.#idle?.cancel();
    const gives = [this.#requests.take(owner), this.#bytes.take(owner, body.length)];
    return this.#turns
      .run(owner.name, () => this.#ask(context, body))
      .finally(() => {
        for (const give of gives) give();
        if (this.#requests.taken > 0) return;
        const idle_ms = this.#isRetired ? 0 : limits.LARGE_IDLE_MS;
        this.#idle = this.#clock.after(idle_ms, () => void this.close());
      });
  }

  /** Ends the thread once its requests are answered. */
  retire(): void {
    this.#isRetired = true;
    if (this.#requests.taken === 0) void this.close();
  }

  async close(): Promise<void> {
    this.#idle?.cancel();
    this.#isRetired = this.#hasEnded = true;
    await this.#worker?.terminate();
  }

  /** Ends the thread, whose work cannot be interrupted otherwise; those that wait have another. */
  #replace(): void {
    const stuck = this.#worker;
    this.#worker = this.#started();
    void stuck?.terminate();
  }

  /** Sends a request and waits for its answer: until then the thread holds also an aborted one. */
  async #ask(context: RequestContext, body: Buffer): Promise<Answer> {
    context.signal.throwIfAborted();
    if (this.#hasEnded) throw ended();
    const { id, info, user, query } = context;
    const { method, url, headers } = context.request;
    const { port1, port2: port } = new MessageChannel();
    const request = { method, url, headers: { ...headers } };
    const message = { port, context: { id, info, user }, request, query: query.toString(), body };
    const worker = (this.#worker ??= this.#started());
    worker.postMessage(message satisfies LargeRequest, [port]);
    context.signal.addEventListener("abort", () => port1.postMessage("abort"), { once: true });
    const { promise, resolve, reject } = Promise.withResolvers<LargeAnswer>();
    port1.once("message", resolve);
    const end = () => reject(ended());
    worker.once("exit", end);
    const limit = this.#clock.after(limits.LARGE_REQUEST_MS, () => {
      log.warn("a large request takes too long, its thread ends", { user: user.name, url });
      reject(timeout(`a large request takes longer than ${limits.LARGE_REQUEST_MS / 1_000} s`));
      this.#replace();
    });
    const { answer, warnings } = await promise.finally(() => {
      limit.cancel();
      worker.off("exit", end);
      port1.close();
    });
    for (const warning of warnings) context.warnings.push(warning);
    if ("status" in answer) throw errorOf(answer);
    return typeof answer.body === "string" ? answer : { ...answer, body: asBuffer(answer.body) };
  }
}
