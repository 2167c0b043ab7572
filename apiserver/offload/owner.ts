import { Worker } from "node:worker_threads";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { asBuffer } from "@raft2kube/std/bytes.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { asError } from "@raft2kube/std/errors.ts";
import { errorOf } from "@raft2kube/apimachinery/errors/api-error.ts";
import { serviceUnavailable } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { Answer } from "../request/answer.ts";
import type { RequestContext } from "../request/context.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { ApiserverOptions } from "../options.ts";
import type { Resources } from "../resource/resources.ts";
import { LARGE_HEAP_MB_MAX, LARGE_IDLE_MS } from "../limits.ts";
import { callThread } from "./call.ts";
import { type FromThread, type LargeAnswer, type LargeRequest, threadInit } from "./messages.ts";
import { serveStore } from "./serve-store.ts";

const log = logger("apiserver");

/** The owner's parts that the thread uses. */
export interface OffloadServer {
  readonly options: ApiserverOptions;
  readonly etcd: EtcdClient;
  readonly clock: Clock;
  readonly resources: Resources;
  readonly metrics: Pick<Metrics, "registry">;
}

/** A thread of large requests. It ends after LARGE_IDLE_MS without one. */
export class LargeThread {
  /** The EncryptionConfiguration that it was started with. */
  readonly encryption: string | undefined;
  readonly #server: OffloadServer;
  readonly #worker: Worker;
  #requests = 0;
  #idle: Timer | undefined;
  #isRetired = false;
  #hasEnded = false;

  constructor(server: OffloadServer) {
    this.#server = server;
    const workerData = threadInit(server.options);
    this.encryption = workerData.encryption;
    this.#worker = new Worker(new URL("./thread.ts", import.meta.url), {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: LARGE_HEAP_MB_MAX },
    });
    this.#worker.on("message", (message: FromThread) => {
      if ("port" in message) return serveStore(server.etcd, message);
      // The cache need not parse a write that is known before the store's watch delivers it.
      const { apiVersion, plural, key, value, selected } = message;
      server.resources.of(apiVersion, plural).store.recent.take(key, asBuffer(value), selected);
    });
    this.#worker.on("error", (thrown) => {
      log.error("the thread of large requests broke", { err: asError(thrown) });
    });
    this.#worker.on("exit", () => (this.#hasEnded = true));
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Serves a request in the thread. Throws the thread's error, 503 if the thread ends. */
  async ask(context: RequestContext, query: URLSearchParams, body: Buffer): Promise<Answer> {
    const { id, request, info, user, signal } = context;
    const { method = "GET", url = "/" } = request;
    const headers = { ...request.headers };
    const message: Omit<LargeRequest, "port"> = {
      context: { id, info, user }, method, url, headers, query: query.toString(), body,
    };
    const ended = serviceUnavailable("the thread of large requests ended");
    this.#idle?.cancel();
    this.#requests++;
    try {
      const answer = await callThread<LargeAnswer>(this.#worker, message, ended, signal);
      return answerOf(context, answer);
    } finally {
      if (--this.#requests === 0) this.#rest();
    }
  }

  /** Ends the thread once its requests are answered. */
  retire(): void {
    this.#isRetired = true;
    if (this.#requests === 0) void this.close();
  }

  async close(): Promise<void> {
    this.#idle?.cancel();
    this.#hasEnded = true;
    await this.#worker.terminate();
  }

  #rest(): void {
    const idle_ms = this.#isRetired ? 0 : LARGE_IDLE_MS;
    this.#idle = this.#server.clock.after(idle_ms, () => void this.close());
  }
}

function answerOf(context: RequestContext, answer: LargeAnswer): Answer {
  for (const warning of answer.warnings) context.warnings.push(warning);
  if ("status" in answer) throw errorOf(answer.status);
  const { body } = answer.answer;
  return { ...answer.answer, body: typeof body === "string" ? body : asBuffer(body) };
}
