import { nodeOf } from "@raft2kube/api/node-users.ts";
import { tooMany } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { Fairness, Flow } from "@raft2kube/fairness/fairness.ts";
import { WAIT_PART } from "@raft2kube/fairness/limits.ts";
import type { Ticket } from "@raft2kube/fairness/queue.ts";
import { ONE_SEAT } from "@raft2kube/fairness/work.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { Shares } from "@raft2kube/std/shares.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { NODES_GROUP } from "../authn/identities.ts";
import { ownerOf } from "../authn/owner.ts";
import type { ResponseBudget } from "../handlers/response/response-budget.ts";
import { LASTING_OF_USER_MAX, REQUEST_TIMEOUT_MS } from "../limits.ts";
import type { FlowControlMetrics, RequestKind } from "../metrics/flow-control.ts";
import type { RequestContext } from "../request/context.ts";
import type { Resources } from "../resource/resources.ts";
import { type Estimate, lastingWeight, workOf } from "./work.ts";

const READING: ReadonlySet<string> = new Set(["get", "list", "watch"]);

export interface FlowControlParts {
  readonly fairness: Fairness;
  readonly resources: Pick<Resources, "find">;
  readonly clock: Clock;
  readonly metrics: FlowControlMetrics;
  readonly answers: Pick<ResponseBudget, "isFull">;
  /** Watches, followed logs and streams of one owner at a time. */
  readonly lasting_max?: number | undefined;
}

/** A request on its way to its seats. */
interface Entering {
  readonly context: RequestContext;
  readonly flow: Flow;
  readonly kind: RequestKind;
}

/**
 * Admits requests to the levels of priority and fairness, where they wait for seats (upstream:
 * WithPriorityAndFairness). A request holds its seats from the end of its body until its answer is
 * known, and a watch until it has started; requests that last are bounded for each owner besides.
 */
export class FlowControl {
  readonly #parts: FlowControlParts;
  readonly #lasting: Shares;

  constructor(parts: FlowControlParts) {
    this.#parts = parts;
    const each = parts.lasting_max ?? LASTING_OF_USER_MAX;
    this.#lasting = new Shares({ all: Number.MAX_SAFE_INTEGER, each, reserved: 0 });
  }

  /** Waits until a request may be worked on, and does its work. Throws 429 when it may not. */
  async admit(
    context: RequestContext,
    longRunning: boolean,
    work: () => Promise<void>,
  ): Promise<void> {
    const leave = longRunning ? this.admitLongRunning(context) : undefined;
    try {
      const hasSeats = !longRunning || context.info.verb === "watch";
      await (hasSeats ? this.#seated(context, work) : work());
    } finally {
      leave?.();
    }
  }

  /** Counts a request that may last, for its owner. Throws 429 when the owner has too many. */
  admitLongRunning(context: RequestContext): () => void {
    const owner = ownerOf(context);
    const weight = lastingWeight(context);
    if (!this.#lasting.fits(owner, weight)) throw tooMany();
    return this.#lasting.take(owner, weight);
  }

  /** Waits for seats of the request's level, and does its work; the context can give them back. */
  async #seated(context: RequestContext, work: () => Promise<void>): Promise<void> {
    const { fairness, resources, answers } = this.#parts;
    const { info, user } = context;
    const owner = ownerOf(context);
    // All parts of a node are its flow, and have their place among nodes.
    const groups = nodeOf(user) === undefined ? user.groups : [...user.groups, NODES_GROUP];
    const flow = fairness.classify({ user: { name: user.name, groups }, info }, owner.name);
    setHeaders(context, flow);
    const kind = READING.has(info.verb) ? "readOnly" : "mutating";
    // An answer that would be refused is not read from the store.
    if (kind === "readOnly" && info.resourceRequest && answers.isFull(owner)) throw tooMany();
    let isOver = false;
    const first = workOf(context, resources, flow.level.listSeats_max);
    const entering = { context, flow, kind } as const;
    let giveBack = await this.#take(entering, first);
    const answered = () => {
      isOver = true;
      giveBack();
    };
    context.answered = answered;
    context.giveWay = async () => {
      if (isOver || flow.level.queueSet.waiting === 0) return;
      giveBack();
      giveBack = await this.#take(entering, { work: ONE_SEAT });
      if (isOver) giveBack();
    };
    try {
      await work();
    } finally {
      answered();
    }
  }

  /** Waits for seats; returns how to give them back, which may be called several times. */
  async #take(entering: Entering, estimate: Estimate): Promise<() => void> {
    const { clock, metrics } = this.#parts;
    const { context, flow, kind } = entering;
    const ticket = await this.#wait(entering, estimate);
    metrics.count(kind, "executing", 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      metrics.count(kind, "executing", -1);
      const now_ms = clock.monotonic();
      metrics.worked(flow, context.info.verb === "watch", (now_ms - ticket.started_ms) / 1_000);
      const { queueSet } = flow.level;
      const extra_ms = queueSet.finish(ticket, now_ms);
      if (extra_ms > 0) clock.after(extra_ms, () => queueSet.release(ticket, clock.monotonic()));
    };
  }

  /** Waits for seats, for a part of the request's time and as long as its client is there. */
  async #wait({ context, flow, kind }: Entering, { work, watchers }: Estimate): Promise<Ticket> {
    const { clock, metrics } = this.#parts;
    const { deadline_ms, signal } = context;
    const { schema, level, distinguisher } = flow;
    const dispatched = new AbortController();
    const now_ms = clock.monotonic();
    const ticket = level.queueSet.start(
      {
        ...{ schema: schema.name, distinguisher, work, subject: context },
        dispatched: () => dispatched.abort(),
      },
      now_ms,
    );
    if (typeof ticket === "string") throw this.#refused(flow);
    metrics.arrived(flow, ticket, watchers);
    if (ticket.state === "waiting") {
      metrics.count(kind, "waiting", 1);
      const left_ms = (deadline_ms ?? now_ms + REQUEST_TIMEOUT_MS) - now_ms;
      await delay(clock, left_ms * WAIT_PART, AbortSignal.any([dispatched.signal, signal]));
      const why = signal.aborted ? "cancelled" : "time-out";
      if (!dispatched.signal.aborted) level.queueSet.withdraw(ticket, why, clock.monotonic());
      metrics.count(kind, "waiting", -1);
    }
    const execute = (ticket.state as Ticket["state"]) !== "over";
    metrics.waited(flow, execute, (clock.monotonic() - now_ms) / 1_000);
    if (!execute) throw this.#refused(flow);
    return ticket;
  }

  #refused({ level }: Flow): Error {
    level.retryAfter.refused(this.#parts.clock.now());
    return tooMany(level.retryAfter.seconds);
  }
}

/** Names the objects by their UIDs, so that no client learns their names. */
function setHeaders({ response }: RequestContext, { schema, level }: Flow): void {
  if (response.headersSent) return;
  response.setHeader("X-Kubernetes-Pf-Flowschema-Uid", schema.uid);
  response.setHeader("X-Kubernetes-Pf-Prioritylevel-Uid", level.uid);
}
