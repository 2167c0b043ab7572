import { MessageChannel, Worker } from "node:worker_threads";
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
import type {
  FromThread,
  LargeAnswer,
  LargeWrite,
  ThreadInit,
  ThreadOptions,
  ToThread,
} from "./messages.ts";
import { Pending } from "./pending.ts";
import { bufferOf } from "./store-calls.ts";
import { StorePort } from "./store-port.ts";

const log = logger("apiserver");

/** What the thread's owner shares with it, or does for it. */
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

/** For whoever asks a thread that is being ended: nobody should. */
const REPLACED = serviceUnavailable("the thread of large requests was replaced");

interface Running {
  readonly worker: Worker;
  readonly store: StorePort;
  /** What the thread was told of encryption. */
  readonly encryption: string | undefined;
  readonly waiting: Pending<LargeAnswer>;
}

/** Starts the thread of large requests when one comes, and ends it when none does. */
export class LargeThread {
  readonly #server: OffloadServer;
  #running: Running | undefined;
  #idle: Timer | undefined;

  constructor(server: OffloadServer) {
    this.#server = server;
  }

  /** Has the thread answer a request. Throws what it throws, 503 when the thread breaks. */
  async ask(context: RequestContext, query: URLSearchParams, body: Buffer): Promise<Answer> {
    const running = this.#started();
    const { id: requestId, request, info, user, signal } = context;
    const { method = "GET", url = "/" } = request;
    const headers = { ...request.headers };
    const asked = { requestId, method, url, headers, info, user, query: query.toString(), body };
    this.#idle?.cancel();
    try {
      return answerOf(context, await running.waiting.ask((id) => {
        signal.addEventListener("abort", () => tell(running, { do: "abort", id }), { once: true });
        tell(running, { do: "serve", request: { id, ...asked } });
      }));
    } finally {
      if (running.waiting.size === 0) this.#rest(running);
    }
  }

  async close(): Promise<void> {
    this.#idle?.cancel();
    const running = this.#running;
    if (running) await this.#end(running, serviceUnavailable("the apiserver is shutting down"));
  }

  /** The thread; a new one when there is none, or encryption is configured anew. */
  #started(): Running {
    const running = this.#running;
    const encryption = this.#server.options.encryption?.config;
    if (running && running.encryption === encryption) return running;
    // What the old one has under way it may finish.
    if (running?.waiting.size === 0) void this.#end(running, REPLACED);
    this.#running = this.#start(encryption);
    return this.#running;
  }

  #start(encryption: string | undefined): Running {
    const { port1, port2 } = new MessageChannel();
    const workerData: ThreadInit = { options: this.#options(), encryption, store: port2 };
    const worker = new Worker(new URL("./thread.ts", import.meta.url), {
      workerData,
      transferList: [port2],
      resourceLimits: { maxOldGenerationSizeMb: LARGE_HEAP_MB_MAX },
    });
    const store = new StorePort(this.#server.etcd, port1);
    const running: Running = { worker, store, encryption, waiting: new Pending() };
    worker.on("message", (message: FromThread) => {
      if ("write" in message) this.#note(message.write);
      else running.waiting.answer(message.answer);
    });
    worker.on("error", (thrown) => {
      log.error("the thread of large requests broke", { err: asError(thrown) });
    });
    worker.on("exit", () => {
      void this.#end(running, serviceUnavailable("the thread of large requests ended"));
    });
    return running;
  }

  #note({ apiVersion, plural, key, value, selected }: LargeWrite): void {
    const { recent } = this.#server.resources.of(apiVersion, plural).store;
    recent.take(key, bufferOf(value), selected);
  }

  #options(): ThreadOptions {
    const { etcd, serves, encryption, encryptionReloads, onIdle, clock, random, ...options } =
      this.#server.options;
    // No function can be handed to a thread: an option that is one does not compile here.
    return options satisfies { [Name in FunctionsIn<typeof options>]: never };
  }

  #rest(running: Running): void {
    if (this.#running !== running) return void this.#end(running, REPLACED);
    this.#idle?.cancel();
    this.#idle = this.#server.clock.after(LARGE_IDLE_MS, () => void this.#end(running, REPLACED));
  }

  async #end(running: Running, reason: Error): Promise<void> {
    if (this.#running === running) this.#running = undefined;
    running.waiting.end(reason);
    running.store.close();
    await running.worker.terminate();
  }
}

function tell({ worker }: Running, message: ToThread): void {
  worker.postMessage(message);
}

function answerOf(context: RequestContext, answer: LargeAnswer): Answer {
  for (const warning of answer.warnings) context.warnings.push(warning);
  if ("status" in answer) throw errorOf(answer.status);
  const { code, contentType, body, headers } = answer;
  const bytes = typeof body === "string" ? body : bufferOf(body);
  return { type: "bytes", code, contentType, body: bytes, ...(headers ? { headers } : {}) };
}
