import { type ChildProcess, spawn } from "node:child_process";
import { logger } from "@raft2kube/observe/log.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { internal } from "../../lib/errors.ts";
import type {
  FromProcess,
  OperationName,
  RequestOf,
  ResultOf,
  ToProcess,
} from "./in-share/operations.ts";
import {
  PROCESS_IDLE_MS,
  PROCESS_START_TIMEOUT_MS,
  PROCESSES_IDLE_MAX,
  PROCESSES_PER_NAMESPACE_MAX,
  PROCESSES_PER_SERVER_MAX,
} from "./limits.ts";

const log = logger("csi-nfs");

/** The program of such a process. */
export const SHARE_PROCESS = new URL("./share-process.ts", import.meta.url);

interface ShareProcess {
  child: ChildProcess;
  /** The server of the operation under way; undefined while it waits for one. */
  server: string | undefined;
  /** The namespace that the operation is for, if it is known. */
  namespace: string | undefined;
  settle: ((reply: FromProcess | Error) => void) | undefined;
  idle: Timer | undefined;
}

/**
 * Processes for calls that may block in the kernel: a server that is away stops the process that
 * waits for it, never the driver. An operation that takes too long is ended by SIGKILL, and with
 * the process go its mounts. Each process does one operation at a time; some wait for the next.
 */
export class ShareProcesses {
  readonly #program: URL;
  readonly #clock: Clock;
  /** Every process that has not ended, those that the kernel does not let end included. */
  readonly #all = new Set<ShareProcess>();
  #closed = false;

  constructor(options: { program: URL; clock: Clock }) {
    this.#program = options.program;
    this.#clock = options.clock;
  }

  /**
   * Carries out one operation; `server` is the key of those that it counts with: the server that
   * it waits for, or one kind of call on it (`copiesOf`, `unmountsOf`, `Removals`). Throws its
   * RpcError, UNAVAILABLE while too many wait for that server, or too many of `namespace`, where
   * that is given, or DEADLINE_EXCEEDED after `timeout_ms`.
   */
  async run<N extends OperationName>(
    name: N,
    request: RequestOf<N>,
    { server, namespace, timeout_ms }: { server: string; namespace?: string; timeout_ms: number },
  ): Promise<ResultOf<N>> {
    const busy = [...this.#all].filter((worker) => worker.server === server);
    const own = busy.filter((worker) => worker.namespace === namespace).length;
    const isOver = namespace !== undefined && own >= PROCESSES_PER_NAMESPACE_MAX;
    if (busy.length >= PROCESSES_PER_SERVER_MAX || isOver) {
      const count = isOver ? `${own} calls of namespace ${namespace}` : `${busy.length} calls`;
      throw new RpcError(Status.UNAVAILABLE, `${count} are waiting for server ${server}`);
    }
    const worker = await this.#take(server, namespace);
    const what = `${name} on server ${server}`;
    const reply = this.#reply(worker, timeout_ms, what);
    worker.child.send({ name, request } satisfies ToProcess, (thrown) => {
      if (thrown) worker.settle?.(internal(`${what}: ${thrown.message}`));
    });
    const message = await reply;
    this.#release(worker);
    if (message.kind === "failed") throw new RpcError(message.status, message.message);
    return (message as { result: unknown }).result as ResultOf<N>;
  }

  /** Ends all processes; operations under way fail. */
  close(): void {
    this.#closed = true;
    for (const worker of this.#all) end(worker);
  }

  /** A process for an operation on this server: one that waits, or a new one. */
  async #take(server: string, namespace: string | undefined): Promise<ShareProcess> {
    const waiting = [...this.#all].find((worker) => worker.idle !== undefined);
    if (waiting) {
      waiting.idle?.cancel();
      waiting.idle = undefined;
      waiting.server = server;
      waiting.namespace = namespace;
      return waiting;
    }
    const worker = this.#start(server, namespace);
    await this.#reply(worker, PROCESS_START_TIMEOUT_MS, "the start of a process");
    return worker;
  }

  #start(server: string, namespace: string | undefined): ShareProcess {
    const child = spawn(process.execPath, [...process.execArgv, this.#program.pathname], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      // A group of its own, so that programs that it runs end with it.
      detached: true,
    });
    const worker: ShareProcess = { child, server, namespace, settle: undefined, idle: undefined };
    const over = (why: string) => {
      this.#all.delete(worker);
      worker.idle?.cancel();
      worker.settle?.(internal(`the process that serves the call ended: ${why}`));
    };
    child.on("error", (thrown) => over(thrown.message));
    child.on("exit", (status, signal) => over(signal ?? `status ${status}`));
    child.on("message", (message: FromProcess) => worker.settle?.(message));
    this.#all.add(worker);
    return worker;
  }

  /** The next message of a worker. Throws, and ends it, when none comes in time. */
  #reply(worker: ShareProcess, timeout_ms: number, what: string): Promise<FromProcess> {
    return new Promise((resolve, reject) => {
      const settle = (reply: FromProcess | Error) => {
        worker.settle = undefined;
        timer.cancel();
        if (!(reply instanceof Error)) return resolve(reply);
        end(worker);
        reject(reply);
      };
      const timer = this.#clock.after(timeout_ms, () => {
        log.warn("a call took too long", { what, timeout_ms });
        settle(new RpcError(Status.DEADLINE_EXCEEDED, `${what} took more than ${timeout_ms} ms`));
      });
      worker.settle = settle;
    });
  }

  #release(worker: ShareProcess): void {
    worker.server = undefined;
    const idle = [...this.#all].filter((other) => other.idle !== undefined).length;
    if (this.#closed || idle >= PROCESSES_IDLE_MAX) return end(worker);
    worker.idle = this.#clock.after(PROCESS_IDLE_MS, () => end(worker));
  }
}

/**
 * The key of calls that copy or archive content: they run for minutes, and pods are not to wait for
 * them with mounts and statistics of the same server.
 */
export const copiesOf = (server: string): string => `${server}, copies`;

/**
 * The key of unmounting: pods end while calls that were ended hang in the kernel, and keep the
 * places of `server`.
 */
export const unmountsOf = (server: string): string => `${server}, unmounting`;

/** Ends a process and all that it started. Its end is seen later, if the kernel lets it end. */
function end({ child: { pid } }: ShareProcess): void {
  if (pid !== undefined) tolerateSync(() => process.kill(-pid, "SIGKILL"), errno("ESRCH"));
}
