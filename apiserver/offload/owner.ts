import { Worker } from "node:worker_threads";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { logger } from "@raft2kube/observe/log.ts";
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
import {
  bufferOf,
  type FromThread,
  type LargeAnswer,
  type LargeRequest,
  type LargeWrite,
  type ThreadInit,
  type ThreadOptions,
} from "./messages.ts";
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

type FunctionsIn<T> = {
  [Name in keyof T]-?: NonNullable<T[Name]> extends (...given: never[]) => unknown ? Name : never;
}[keyof T];

interface Running {
  readonly worker: Worker;
  /** The EncryptionConfiguration that the thread was started with. */
  readonly encryption: string | undefined;
  requests: number;
}

/** Starts the thread at the first large request, and ends it after LARGE_IDLE_MS without one. */
export class LargeThread {
  readonly #server: OffloadServer;
  #running: Running | undefined;
  #idle: Timer | undefined;

  constructor(server: OffloadServer) {
    this.#server = server;
  }

  /** Serves a request in the thread. Throws the thread's error, 503 if the thread ends. */
  async ask(context: RequestContext, query: URLSearchParams, body: Buffer): Promise<Answer> {
    const running = this.#started();
    const { id, request, info, user, signal } = context;
    const { method = "GET", url = "/" } = request;
    const headers = { ...request.headers };
    const message: Omit<LargeRequest, "port"> = {
      id, method, url, headers, info, user, query: query.toString(), body,
    };
    const ended = serviceUnavailable("the thread of large requests ended");
    this.#idle?.cancel();
    running.requests++;
    try {
      const { worker } = running;
      return answerOf(context, await callThread<LargeAnswer>(worker, message, ended, { signal }));
    } finally {
      if (--running.requests === 0) this.#rest(running);
    }
  }

  async close(): Promise<void> {
    this.#idle?.cancel();
    if (this.#running) await this.#end(this.#running);
  }

  /** Returns the thread; a new one if there is none, or the encryption has changed. */
  #started(): Running {
    const running = this.#running;
    const encryption = this.#server.options.encryption?.config;
    if (running && running.encryption === encryption) return running;
    // The old thread finishes its requests.
    if (running?.requests === 0) void this.#end(running);
    this.#running = this.#start(encryption);
    return this.#running;
  }

  #start(encryption: string | undefined): Running {
    const workerData: ThreadInit = { options: this.#options(), encryption };
    const worker = new Worker(new URL("./thread.ts", import.meta.url), {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: LARGE_HEAP_MB_MAX },
    });
    const running: Running = { worker, encryption, requests: 0 };
    worker.on("message", (message: FromThread) => {
      if ("write" in message) this.#take(message.write);
      else serveStore(this.#server.etcd, message);
    });
    worker.on("error", (thrown) => {
      log.error("the thread of large requests broke", { err: asError(thrown) });
    });
    worker.on("exit", () => void this.#end(running));
    return running;
  }

  /** The cache need not parse a write that is known before the store's watch delivers it. */
  #take({ apiVersion, plural, key, value, selected }: LargeWrite): void {
    const { recent } = this.#server.resources.of(apiVersion, plural).store;
    recent.take(key, bufferOf(value), selected);
  }

  #options(): ThreadOptions {
    const { etcd, serves, encryption, encryptionReloads, onIdle, clock, random, ...options } =
      this.#server.options;
    // Functions cannot be sent to a thread: an option that is one does not compile here.
    return options satisfies { [Name in FunctionsIn<typeof options>]: never };
  }

  #rest(running: Running): void {
    if (this.#running !== running) return void this.#end(running);
    this.#idle?.cancel();
    this.#idle = this.#server.clock.after(LARGE_IDLE_MS, () => void this.#end(running));
  }

  async #end(running: Running): Promise<void> {
    if (this.#running === running) this.#running = undefined;
    await running.worker.terminate();
  }
}

function answerOf(context: RequestContext, answer: LargeAnswer): Answer {
  for (const warning of answer.warnings) context.warnings.push(warning);
  if ("status" in answer) throw errorOf(answer.status);
  const { code, contentType, body, headers } = answer;
  const bytes = typeof body === "string" ? body : bufferOf(body);
  return { type: "bytes", code, contentType, body: bytes, ...(headers ? { headers } : {}) };
}
