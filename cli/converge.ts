import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { apply } from "./apply/apply.ts";
import type { Context } from "./apply/context.ts";
import { observe } from "./observe/cluster.ts";
import { clientAs } from "./pki/client-as.ts";
import { formerSpec, plan } from "./plan/plan.ts";
import { keyOf, type Step } from "./plan/step.ts";
import type { ClusterPlace } from "./spec/config.ts";
import type { Change, Spec } from "./spec/spec.ts";
import { noteLogs, withKeptLogs } from "./supervisor/keep-logs.ts";
import { CommandError, type Progress, quietProgress } from "./terminal.ts";

const INTERRUPT_TIMEOUT_MS = 10_000;
const READY_TIMEOUT_MS = 30_000;
/** Requests that a command may make without waiting: it is alone, and makes few. */
const RATE = { qps: 1000, burst: 1000 };

export interface ConvergeOptions {
  readonly clock: Clock;
  readonly progress: Progress;
  /** Ctrl-C; left out for a removal, which goes on to its end. */
  readonly signal?: AbortSignal;
  /** How long a node may take to be Ready. Default READY_TIMEOUT_MS. */
  readonly readyTimeout_ms?: number;
  /** Called when the configuration is written: its address ranges are taken from then on. */
  written?(): Promise<void>;
}

/**
 * Observes, plans and applies until the plan is empty. The caller has the lock of the cluster's
 * nodes. When a step fails or `signal` aborts, the error is thrown, or CommandError `INTERRUPTED`;
 * what was done stays, and the same call goes on from there.
 */
export async function converge(spec: Spec, options: ConvergeOptions): Promise<void> {
  const run = new Convergence(spec.cluster, options);
  try {
    await run.applyPlans(spec);
  } catch (thrown) {
    const { signal } = options;
    if (signal?.aborted !== true) throw thrown;
    throw interrupted("interrupted", signal, thrown, run.last && goOn(run.last, spec.cluster));
  } finally {
    await run.close();
  }
}

/**
 * Converges like `converge`, but after a failure or Ctrl-C back to the former spec (`formerSpec`):
 * what this call made is removed again.
 */
export async function convergeOrUndo(
  spec: Change,
  options: ConvergeOptions & { readonly signal: AbortSignal },
): Promise<void> {
  const { progress, signal } = options;
  const before = await observe(spec.cluster);
  const run = new Convergence(spec.cluster, options);
  try {
    await run.applyPlans(spec);
  } catch (thrown) {
    const former = formerSpec(spec, before);
    const made = spec.wanted === "started" ? "start" : "command";
    const runsOn = spec.wanted === "started" && former.wanted === "kept";
    const left = runsOn ? "what runs stays" : `what this ${made} made is removed again`;
    const kept = signal.aborted ? undefined : await keepLogs(former, progress);
    await run.undo(former, spec.wanted === "started" ? "undoing this start" : "undoing this");
    if (signal.aborted) throw interrupted(`interrupted; ${left}`, signal, thrown);
    if (runsOn) progress.note(`  ${left}: r2k status --name ${spec.cluster.name}`);
    throw withKeptLogs(thrown, kept);
  } finally {
    await run.close();
  }
}

/** Keeps the logs of what is removed with its data; returns where they are. */
async function keepLogs(former: Spec, progress: Progress): Promise<string | undefined> {
  if (former.wanted === "absent") return noteLogs(former.cluster, progress);
  const removed = former.nodes.filter(({ wanted }) => wanted === "absent");
  const kept = await Promise.all(removed.map(({ node }) => noteLogs(node, progress)));
  return kept.find((folder) => folder !== undefined);
}

/** The error of a command that was interrupted. */
function interrupted(
  message: string,
  signal: AbortSignal,
  thrown: unknown,
  remedy?: string,
): CommandError {
  const cause = thrown === signal.reason ? undefined : thrown;
  return new CommandError("INTERRUPTED", message, { ...given({ remedy, cause }), exitCode: 130 });
}

/** How to go on after a step that was interrupted. */
function goOn(step: Step, { name }: ClusterPlace): string | undefined {
  switch (step.kind) {
    case "nodes":
      return `r2k node start or remove: ${step.nodes.map(({ nodeName }) => nodeName).join(", ")}`;
    case "mode":
      return `r2k start --proxy-mode ${step.mode} --name ${name}`;
    default:
      return undefined;
  }
}

/** One run of converging, which has one client and one Ctrl-C. */
class Convergence {
  readonly #cluster: ClusterPlace;
  readonly #options: ConvergeOptions;
  readonly #context: Context;
  readonly #closed = new AbortController();
  #client: Promise<KubeClient> | undefined;
  /** The step that was applied last. */
  last: Step | undefined;

  constructor(cluster: ClusterPlace, options: ConvergeOptions) {
    const { clock, progress, written, readyTimeout_ms = READY_TIMEOUT_MS } = options;
    const { signal = new AbortController().signal } = options;
    this.#cluster = cluster;
    this.#options = options;
    this.#context = {
      clock,
      // A process that waits for a step that is not reached ends too.
      signal: AbortSignal.any([signal, this.#closed.signal]),
      readyTimeout_ms,
      progress,
      step: async (title, work) => {
        signal.throwIfAborted();
        const result = await progress.step(title, work);
        await interruptForTest(title, clock, signal);
        signal.throwIfAborted();
        return result;
      },
      ahead: new Map(),
      client: () => (this.#client ??= clientAs(cluster, "admin", clock, RATE)),
      ...given({ written }),
    };
  }

  /**
   * Applies the first step of each plan until none is left that was not applied. Each is applied
   * once: a start ensures also what is there, and a process that ends again has its supervisor.
   */
  async applyPlans(
    spec: Spec,
    context = this.#context,
    failed: (step: Step, thrown: unknown) => void = (_, thrown) => {
      throw thrown;
    },
  ): Promise<void> {
    const applied = new Set<string>();
    for (;;) {
      const steps = plan(spec, await observe(this.#cluster));
      const step = steps.find((one) => !applied.has(keyOf(one)));
      if (step === undefined) return;
      this.last = step;
      applied.add(keyOf(step));
      await apply(step, context).catch((thrown: unknown) => failed(step, thrown));
    }
  }

  /**
   * Converges to a former spec. A failure is noted, not thrown: the caller has the error that led
   * here. A node that cannot be removed is named, and the others go.
   */
  async undo(former: Spec, title: string): Promise<void> {
    await this.#undo(former, title).catch((thrown: unknown) => {
      this.#options.progress.note(`  ${title} failed: ${messageOf(thrown)}`);
    });
  }

  async #undo(former: Spec, title: string): Promise<void> {
    const { progress } = this.#options;
    // A process that was started ahead is seen by the plan, or was not started.
    this.#closed.abort();
    await Promise.allSettled([...this.#context.ahead.values()].map(({ ready }) => ready));
    if (plan(former, await observe(this.#cluster)).length === 0) return;
    const { step } = quietProgress(progress);
    const context: Context = { ...this.#context, signal: new AbortController().signal, step };
    await progress.step(title, () =>
      this.applyPlans(former, context, (one, thrown) => {
        if (one.kind !== "remove-node") throw thrown;
        progress.note(`  node ${one.name} cannot be removed: ${messageOf(thrown)}`);
      }),
    );
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#client?.then(
      (client) => client.close(),
      () => undefined, // the step that asked for it has thrown
    );
  }
}

/** A test names a step after which this process interrupts itself, as Ctrl-C would. */
async function interruptForTest(title: string, clock: Clock, signal: AbortSignal): Promise<void> {
  if (process.env["R2K_INTERRUPT_AFTER"] !== title) return;
  process.kill(process.pid, "SIGINT");
  await delay(clock, INTERRUPT_TIMEOUT_MS, signal);
}
