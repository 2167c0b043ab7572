import type { FlowSchemaCondition } from "@raft2kube/api/gen/flowcontrol/v1.ts";
import { isReason } from "@raft2kube/apimachinery/errors/api-error.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import { ADJUST_INTERVAL_MS } from "@raft2kube/fairness/limits.ts";
import { MANDATORY } from "@raft2kube/fairness/objects.ts";
import type { Runner } from "@raft2kube/reconcile/runner.ts";
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
    this.#mending = periodic(
      server.clock,
      "flow control was not mended",
      FLOW_CONTROL_MEND_MS,
      () => ensureFlowControl(server),
    );
    this.#statuses = periodic(
      server.clock,
      "flow schemas have no status",
      FLOW_CONTROL_MEND_MS,
      () => this.#update(),
    );
    const { clock, fairness } = server;
    this.#lending = periodic(clock, "seats were not lent", ADJUST_INTERVAL_MS, () => {
      fairness.adjust(clock.monotonic());
      this.#lending.request(ADJUST_INTERVAL_MS);
    });
  }

  async start(): Promise<void> {
    await ensureFlowControl(this.#server);
    this.#mending.request(FLOW_CONTROL_MEND_MS);
    const { levels, schemas } = flowControlResources(this.#server);
    this.#stops.push(
      (await levels.cache()).subscribe((event) => this.#takeLevel(event)),
      (await schemas.cache()).subscribe((event) => this.#takeSchema(event)),
    );
    this.#started = true;
    this.#configure();
    this.#lending.request(ADJUST_INTERVAL_MS);
    await this.#update();
    this.#statuses.request();
  }

  #configure(): void {
    if (!this.#started) return;
    const [levels, schemas] = [[...this.#levels.values()], [...this.#schemas.values()]];
    const { clock, fairness } = this.#server;
    fairness.configure({ levels, schemas }, clock.monotonic());
  }

  #takeLevel({ type, entry, previous }: CacheEvent): void {
    const { name } = entry;
    if (type === "DELETED") this.#levels.delete(name);
    else this.#levels.set(name, entry.object<Level>());
    if (type !== "MODIFIED" || isRevised(entry, previous)) this.#configure();
    if (type !== "MODIFIED" && this.#started) this.#statuses.request();
  }

  #takeSchema({ type, entry, previous }: CacheEvent): void {
    if (type === "DELETED") this.#schemas.delete(entry.name);
    else this.#schemas.set(entry.name, entry.object<Schema>());
    if (type !== "MODIFIED" || isRevised(entry, previous)) this.#configure();
    if (type !== "DELETED" && this.#started) this.#statuses.request();
  }

  async #update(): Promise<void> {
    for (const [name, { spec, status }] of [...this.#schemas]) {
      const level = spec?.priorityLevelConfiguration.name ?? "";
      // The mandatory levels work even if their objects do not exist.
      const found = this.#levels.has(level) || MANDATORY.includes(level);
      const wanted = dangling(level, found);
      const known = status?.conditions?.find(({ type }) => type === wanted.type);
      if (known !== undefined && isSame(known, wanted)) continue;
      await this.#write(name, wanted);
    }
  }

  async #write(name: string, wanted: FlowSchemaCondition): Promise<void> {
    const { schemas } = flowControlResources(this.#server);
    const lastTransitionTime = timeText(this.#server.clock.now());
    const condition = { ...wanted, lastTransitionTime };
    try {
      await applyStatus(this.#server, schemas, name, { conditions: [condition] }, CONSUMER);
    } catch (thrown) {
      // It went in the meantime.
      if (!isReason(thrown, "NotFound")) throw thrown;
    }
  }

  async close(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.#lending.close();
    await this.#mending.close();
    await this.#statuses.close();
  }
}

/** Whether the spec changed: a status alone configures nothing. */
function isRevised(entry: Entry, previous: Entry | undefined): boolean {
  const generation = (of: Entry | undefined) => of?.object<Level>().metadata.generation;
  return generation(entry) !== generation(previous);
}

function dangling(level: string, found: boolean) {
  const names =
    `This FlowSchema references the PriorityLevelConfiguration object named ` +
    `${JSON.stringify(level)}`;
  return found
    ? { type: "Dangling", status: "False", reason: "Found", message: `${names} and it exists` }
    : {
        type: "Dangling",
        status: "True",
        reason: "NotFound",
        message: `${names} but there is no such object`,
      };
}

const isSame = (a: FlowSchemaCondition, b: FlowSchemaCondition): boolean =>
  a.status === b.status && a.reason === b.reason && a.message === b.message;
