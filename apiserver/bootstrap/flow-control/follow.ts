import type { FlowSchemaCondition } from "@raft2kube/api/gen/flowcontrol/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import { ADJUST_INTERVAL_MS } from "@raft2kube/fairness/limits.ts";
import { MANDATORY } from "@raft2kube/fairness/objects.ts";
import type { Runner } from "@raft2kube/reconcile/runner.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import type { CacheEvent } from "../../cache/event.ts";
import { FLOW_CONTROL_MEND_MS } from "../../limits.ts";
import type { Entry } from "../../object/entry.ts";
import { type Controller, periodic } from "../../periodic.ts";
import { applyStatus } from "../../registry/internal-write.ts";
import type { BootstrapServer } from "../server.ts";
import { ensureFlowControl, flowControlResources, type Level, type Schema } from "./ensure.ts";

/** The field manager of the statuses, upstream's name of the controller. */
const CONSUMER = "api-priority-and-fairness-config-consumer-v1";

/**
 * Makes the objects of priority and fairness and keeps them, gives them to the server's fairness,
 * lends seats between its levels, and writes to each flow schema's status whether the level that it
 * names exists (`kubectl get flowschemas`, MISSINGPL).
 */
export class FlowControl implements Controller {
  readonly #server: BootstrapServer;
  readonly #levels = new Map<string, Level>();
  readonly #schemas = new Map<string, Schema>();
  readonly #mending: Runner;
  readonly #statuses: Runner;
  readonly #lending: Runner;
  readonly #stops: (() => void)[] = [];
  /** Whether the initial objects are processed; later changes trigger an update. */
  #started = false;

  constructor(server: BootstrapServer) {
    this.#server = server;
    const { clock, fairness } = server;
    const mended_ms = FLOW_CONTROL_MEND_MS;
    this.#mending = periodic(clock, "flow control was not mended", mended_ms, () =>
      ensureFlowControl(server),
    );
    this.#statuses = periodic(clock, "flow schemas have no status", mended_ms, () =>
      this.#writeStatuses(),
    );
    this.#lending = periodic(clock, "seats were not lent", ADJUST_INTERVAL_MS, () =>
      fairness.adjust(clock.monotonic()),
    );
  }

  async start(): Promise<void> {
    await ensureFlowControl(this.#server);
    this.#mending.request(FLOW_CONTROL_MEND_MS);
    const { levels, schemas } = flowControlResources(this.#server);
    this.#stops.push(
      (await levels.cache()).subscribe((event) => this.#take(this.#levels, event)),
      (await schemas.cache()).subscribe((event) => this.#take(this.#schemas, event)),
    );
    this.#started = true;
    this.#configure();
    this.#lending.request(ADJUST_INTERVAL_MS);
    await this.#writeStatuses();
    this.#statuses.request();
  }

  #configure(): void {
    const [levels, schemas] = [[...this.#levels.values()], [...this.#schemas.values()]];
    const { clock, fairness } = this.#server;
    fairness.configure({ levels, schemas }, clock.monotonic());
  }

  #take<T extends KubeObject>(
    objects: Map<string, T>,
    { type, entry, previous }: CacheEvent,
  ): void {
    if (type === "DELETED") objects.delete(entry.name);
    else objects.set(entry.name, entry.object<T>());
    if (!this.#started) return;
    // A status alone configures nothing.
    if (type !== "MODIFIED" || generationOf(entry) !== generationOf(previous)) this.#configure();
    this.#statuses.request();
  }

  async #writeStatuses(): Promise<void> {
    for (const [name, { spec, status }] of [...this.#schemas]) {
      const level = spec?.priorityLevelConfiguration.name ?? "";
      // The mandatory levels work even if their objects do not exist.
      const wanted = dangling(level, this.#levels.has(level) || MANDATORY.includes(level));
      const known = status?.conditions?.find(({ type }) => type === wanted.type);
      if (known !== undefined && isSame(known, wanted)) continue;
      const lastTransitionTime = timeText(this.#server.clock.now());
      const { schemas } = flowControlResources(this.#server);
      const conditions = [{ ...wanted, lastTransitionTime }];
      // It may have gone in the meantime.
      await tolerate(applyStatus(this.#server, schemas, name, { conditions }, CONSUMER), (thrown) =>
        isReason(thrown, "NotFound"),
      );
    }
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.#lending.close();
    await this.#mending.close();
    await this.#statuses.close();
  }
}

const generationOf = (entry: Entry | undefined) => entry?.object().metadata.generation;

function dangling(level: string, found: boolean) {
  const names = "This FlowSchema references the PriorityLevelConfiguration object named";
  const [status, reason] = found ? (["False", "Found"] as const) : (["True", "NotFound"] as const);
  const exists = found ? "and it exists" : "but there is no such object";
  const message = `${names} ${JSON.stringify(level)} ${exists}`;
  return { type: "Dangling", status, reason, message };
}

const isSame = (a: FlowSchemaCondition, b: FlowSchemaCondition): boolean =>
  a.status === b.status && a.reason === b.reason && a.message === b.message;
