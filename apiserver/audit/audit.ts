import type { RequestUser } from "@raft2kube/api/kind.ts";
import type { Status } from "@raft2kube/apimachinery/errors/api-error.ts";
import { internal } from "@raft2kube/apimachinery/errors/catalog.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { AUDIT_LIST_BYTES_MAX } from "../limits.ts";
import type { AuditMetrics } from "../metrics/audit.ts";
import { AuditAnnotations } from "../request/annotations.ts";
import type { Answer, ObjectList } from "../request/answer.ts";
import { headerOf, type RequestAudit, type RequestContext } from "../request/context.ts";
import { type AuditEvent, microTime, userOf, within } from "./event.ts";
import { type AuditPolicy, type Extent, extentOf, type Stage } from "./policy.ts";
import type { Backend } from "./sink.ts";

const PLAIN = new Set(["application/json"]);

/** Writes events of requests to the backends, as the policy says. */
export class Audit {
  readonly #policy: AuditPolicy;
  readonly #backends: readonly Backend[];
  readonly #metrics: AuditMetrics;
  readonly #clock: Clock;

  constructor(
    policy: AuditPolicy,
    backends: readonly Backend[],
    metrics: AuditMetrics,
    clock: Clock,
  ) {
    this.#policy = policy;
    this.#backends = backends;
    this.#metrics = metrics;
    this.#clock = clock;
  }

  /** Starts the record of a request whose user is known; undefined if nothing is written of it. */
  begin(context: RequestContext, received_ms: number): RequestRecord | undefined {
    const extent = extentOf(this.#policy, context);
    this.#metrics.level(extent.level);
    return extent.level === "None" ? undefined : new RequestRecord(context, extent, received_ms);
  }

  /**
   * Writes an event. Throws 500 for a request that has not been worked on, if a strict backend did
   * not take it; other losses are counted and logged.
   */
  async write(record: RequestRecord, stage: Stage, code?: number): Promise<void> {
    if (record.extent.omitStages.includes(stage)) return;
    this.#metrics.event();
    const event = record.event(stage, this.#clock.now(), code);
    for (const backend of this.#backends) {
      try {
        await this.#give(event, backend);
      } catch (thrown) {
        if (stage !== "RequestReceived" || backend.mode !== "blocking-strict") continue;
        this.#metrics.rejected();
        throw internal(`the audit event of the request was not written: ${String(thrown)}`);
      }
    }
  }

  async #give(event: AuditEvent, backend: Backend): Promise<void> {
    const text = within(event, backend.event_bytes_max);
    if (text === undefined) return this.#metrics.failed("truncate", 1);
    await backend.take(text);
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    for (const backend of this.#backends) await backend.close();
  }
}

/** One request, as far as it is known. */
export class RequestRecord implements RequestAudit {
  readonly annotations: AuditAnnotations;
  readonly extent: Extent;
  readonly #context: RequestContext;
  readonly #user: RequestUser;
  readonly #received_ms: number;
  #failure: Status | undefined;
  #requestObject: unknown;
  #responseObject: unknown;

  constructor(context: RequestContext, extent: Extent, received_ms: number) {
    this.#context = context;
    this.#user = context.user;
    this.extent = extent;
    this.#received_ms = received_ms;
    this.annotations = new AuditAnnotations(this.#hasBodies);
  }

  get #hasBodies(): boolean {
    return this.extent.level === "Request" || this.extent.level === "RequestResponse";
  }

  /** Called when the head of an answer that lasts was sent; undefined once that is written. */
  onStarted: (() => Promise<void>) | undefined;

  started(): void {
    const onStarted = this.onStarted;
    this.onStarted = undefined;
    void onStarted?.();
  }

  received(object: () => unknown): void {
    if (!this.#hasBodies) return;
    this.#requestObject ??= this.#shown(object());
  }

  answered(answer: Answer): void {
    if (this.extent.level === "RequestResponse") this.#responseObject = this.#shown(bodyOf(answer));
  }

  failed(status: Status): void {
    this.#failure = status;
    if (this.extent.level === "RequestResponse") this.#responseObject = status;
  }

  /** A copy, as later steps change the object. */
  #shown(object: unknown): unknown {
    if (object === undefined) return undefined;
    const copy = JSON.parse(JSON.stringify(object)) as unknown;
    if (this.extent.omitManagedFields) dropManagedFields(copy);
    return copy;
  }

  event(stage: Stage, now_ms: number, code: number | undefined): AuditEvent {
    const { request, info, user, id } = this.#context;
    const annotations = this.annotations.all;
    const userAgent = headerOf(request, "user-agent");
    const status = this.#failure;
    return {
      kind: "Event",
      apiVersion: "audit.k8s.io/v1",
      level: this.extent.level,
      auditID: id,
      stage,
      requestURI: request.url ?? info.path,
      verb: info.verb,
      user: userOf(this.#user),
      ...(user === this.#user ? {} : { impersonatedUser: userOf(user) }),
      sourceIPs: sourcesOf(this.#context),
      ...(userAgent === "" ? {} : { userAgent }),
      ...(info.resourceRequest ? { objectRef: referenceOf(this.#context) } : {}),
      ...(code === undefined ? {} : { responseStatus: statusOf(status, code) }),
      ...(this.#requestObject === undefined ? {} : { requestObject: this.#requestObject }),
      ...(this.#responseObject === undefined || code === undefined
        ? {}
        : { responseObject: this.#responseObject }),
      requestReceivedTimestamp: microTime(this.#received_ms),
      stageTimestamp: microTime(now_ms),
      ...(annotations === undefined ? {} : { annotations }),
    };
  }
}

function statusOf(status: Status | undefined, code: number): Partial<Status> {
  if (status === undefined) return { metadata: {}, code };
  const { message, reason, details } = status;
  return {
    metadata: {},
    status: "Failure",
    message,
    ...(reason ? { reason } : {}),
    ...(details === undefined ? {} : { details }),
    code,
  };
}

/** The addresses of proxies' headers first, and at last the connection's (upstream: SourceIPs). */
function sourcesOf({ request }: RequestContext): string[] {
  const named = headerOf(request, "x-forwarded-for")
    .split(",")
    .map((each) => each.trim());
  const { remoteAddress = "" } = request.socket;
  const all = [...named, headerOf(request, "x-real-ip"), remoteAddress].filter(Boolean);
  return [...new Set(all)];
}

function referenceOf({ info }: RequestContext): Record<string, string> {
  const { resource, namespace, name, group, version, subresource } = info;
  const fields = { resource, namespace, name, apiGroup: group, apiVersion: version, subresource };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
}

function bodyOf(answer: Answer): unknown {
  switch (answer.type) {
    case "object":
      return answer.object;
    case "list":
      return listOf(answer.list);
    case "bytes":
      return PLAIN.has(answer.contentType ?? "") ? JSON.parse(answer.body.toString()) : undefined;
    default:
      return undefined;
  }
}

/** A list as it is sent; without its items if they are more than an event may have. */
function listOf({ kind, items, revision }: ObjectList): unknown {
  const bytes = items.reduce((sum, { length }) => sum + length, 0);
  const head = {
    kind: kind.listKind,
    apiVersion: apiVersionOf(kind),
    metadata: { resourceVersion: String(revision) },
  };
  if (bytes > AUDIT_LIST_BYTES_MAX) return head;
  return { ...head, items: items.map((item) => JSON.parse(item.toString()) as unknown) };
}

function dropManagedFields(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  const { metadata, items } = value as { metadata?: { managedFields?: unknown }; items?: unknown };
  delete metadata?.managedFields;
  if (Array.isArray(items)) items.forEach(dropManagedFields);
}
