import type { Init } from "@raft2kube/proto/codec.ts";
import type { MethodTable, ServiceTable } from "@raft2kube/proto/service.ts";
import type { CallOptions, RpcClient } from "@raft2kube/rpc/client.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import type { Call } from "@raft2kube/rpc/server.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { type AttachingDriver, openAttachingDriver } from "./attaching-driver.ts";
import type { Schedule } from "./points.ts";
import { ComponentRun, Killed } from "./run-of-component.ts";

/**
 * How a driver answers one call: after its caller has given up (`slow`), doing it two times
 * concurrently (`twice`), doing it and reporting an error (`error`) or a message without fields
 * (`empty`), or not at all (`never`); or its disk is full (`full`).
 */
export const ANSWERS = ["slow", "twice", "error", "empty", "never", "full"] as const;

export type Answer = (typeof ANSWERS)[number];

/** A call that is answered in such a way, once. */
export type WrongAnswer = { readonly method: string; readonly answer: Answer };

/** Callers give up after this instead of the minutes that they would wait. */
const DEADLINE_MS = 150;

type Handler = (request: unknown, call: Call) => unknown;

export interface DriverHostOptions {
  readonly dataDir: string;
  readonly nodeId: string;
  readonly clock: Clock;
  schedule(): Schedule;
  /** Called for each call before it is made, and when it was answered. */
  onCall(method: string, state: "begins" | "answered"): void;
}

/**
 * The driver in this process: its callers reach it as they would through its socket, and it is
 * killed and started again on what it has left on the disk.
 */
export class DriverHost {
  form: "directory" | "image" = "directory";
  wrongAnswer: WrongAnswer | undefined;
  readonly #options: DriverHostOptions;
  #run: ComponentRun | undefined;
  #driver: AttachingDriver | undefined;

  constructor(options: DriverHostOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { dataDir, nodeId, clock, schedule } = this.#options;
    const run = new ComponentRun("driver", schedule);
    this.#run = run;
    this.#driver = undefined;
    const { form } = this;
    this.#driver = await run.run(() => openAttachingDriver({ dataDir, form, nodeId, clock }));
  }

  /** Whether it has read what it found on the disk, and answers. */
  get isOpen(): boolean {
    return this.#driver !== undefined;
  }

  get run(): ComponentRun {
    return this.#run!;
  }

  get driver(): AttachingDriver {
    return this.#driver!;
  }

  /** Ends the driver as SIGKILL would. */
  kill(): void {
    this.#driver = undefined;
    this.#run?.kill();
  }

  /** A client of one of its services, for a component or for none. */
  client<S>(service: ServiceTable<S>, caller?: ComponentRun): RpcClient<S> {
    const callers: Record<string, unknown> = {};
    for (const [key, method] of Object.entries(service.methods) as [string, MethodTable][]) {
      callers[key] = (request: unknown, options?: CallOptions) =>
        this.#call(service.fullName, { key, method, caller }, request, options);
    }
    return callers as RpcClient<S>;
  }

  async #call(
    service: string,
    { key, method, caller }: { key: string; method: MethodTable; caller: ComponentRun | undefined },
    request: unknown,
    _options: CallOptions | undefined,
  ): Promise<unknown> {
    const { name } = method;
    this.#options.onCall(name, "begins");
    await caller?.pass(`${name}: before the call`);
    const served = this.#driver?.services.find((each) => each.service.fullName === service);
    const run = this.#run;
    if (!served || !run || run.isDead) throw gone();
    const handler = served.handlers[key] as Handler | undefined;
    if (!handler) throw new RpcError(Status.UNIMPLEMENTED, `${name} is not implemented`);
    const sent = method.request.encode(request as Init<unknown>);
    const perform = async () => {
      if (name !== "NodeGetCapabilities") await run.pass(`${name}: before the work`);
      const call = { signal: new AbortController().signal } as unknown as Call;
      const answer = await handler(method.request.decode(Buffer.from(sent)), call);
      await run.pass(`${name}: before the answer`);
      return method.response.decode(Buffer.from(method.response.encode(answer as Init<unknown>)));
    };
    const lost = run.died.then(() => {
      throw gone();
    });
    const answer = await Promise.race([lost, this.#answer(run, method, perform)]);
    await caller?.pass(`${name}: before its answer is read`);
    this.#options.onCall(name, "answered");
    return answer;
  }

  /** Lets the driver work as `wrongAnswer` says, which holds for one call. */
  async #answer(
    run: ComponentRun,
    method: MethodTable,
    perform: () => Promise<unknown>,
  ): Promise<unknown> {
    const work = () => run.run(() => orUnavailable(run, perform));
    if (this.wrongAnswer?.method !== method.name) return work();
    const { answer } = this.wrongAnswer;
    this.wrongAnswer = undefined;
    const late = new RpcError(Status.DEADLINE_EXCEEDED, "the driver did not answer");
    switch (answer) {
      case "slow":
        await delay(this.#options.clock, DEADLINE_MS);
        void work().catch(() => undefined);
        throw late;
      case "never":
        await delay(this.#options.clock, DEADLINE_MS);
        throw late;
      case "twice":
        return Promise.any([work(), work()]);
      case "error":
        await work();
        throw new RpcError(Status.INTERNAL, "the driver reports an error for what it did");
      case "empty":
        await work();
        return method.response.decode(Buffer.alloc(0));
      case "full":
        run.isDiskFull = true;
        try {
          return await work();
        } finally {
          run.isDiskFull = false;
        }
      default:
        return answer satisfies never;
    }
  }
}

/** A call of a driver that ends with its process fails at its caller, as does any other error. */
async function orUnavailable<T>(run: ComponentRun, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (run.isDead || thrown instanceof Killed) throw gone();
    if (thrown instanceof RpcError) throw thrown;
    throw new RpcError(Status.INTERNAL, messageOf(thrown), { cause: thrown });
  }
}

function gone(): RpcError {
  return new RpcError(Status.UNAVAILABLE, "the driver does not answer: its process has ended");
}
