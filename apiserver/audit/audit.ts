import { isIP } from "node:net";
import type { KubeObject, RequestUser } from "@raft2kube/api/kind.ts";
import type { Status } from "@raft2kube/apimachinery/errors/api-error.ts";
import { internal } from "@raft2kube/apimachinery/errors/catalog.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { AUDIT_LIST_BYTES_MAX, AUDIT_USER_AGENT_CHARACTERS_MAX } from "../limits.ts";
import type { AuditMetrics } from "../metrics/audit.ts";
import { AuditAnnotations } from "../request/annotations.ts";
import type { Answer, ObjectList } from "../request/answer.ts";
import { headerOf, type RequestAudit, type RequestContext } from "../request/context.ts";
import type { RequestInfo } from "../request/request-info.ts";
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
  /** The answer, where it is a Status. */
  #status: Partial<Status> | undefined;
  #constraint: string | undefined;
  /** The part of the body's metadata by which an object is known. */
  #identity: Readonly<Record<string, unknown>> = {};
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

  impersonated(constraint: string): void {
    this.#constraint = constraint;
  }

  received(object: object): void {
    const { namespace, name, uid, resourceVersion } =
      (object as Partial<KubeObject>).metadata ?? {};
    this.#identity = { namespace, name, uid, resourceVersion };
    this.patched(() => object);
  }

  patched(patch: () => unknown): void {
    if (!this.#hasBodies) return;
    this.#requestObject ??= this.#shown(patch());
  }

  answered(answer: Answer): void {
    if (answer.type === "object" && answer.object.kind === "Status") {
      this.#status = answer.object as Partial<Status>;
    }
    if (this.extent.level === "RequestResponse") this.#responseObject = this.#shown(bodyOf(answer));
  }

  failed(status: Status): void {
    this.#status = status;
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
    const userAgent = userAgentOf(this.#context);
    const constraint = this.#constraint;
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
      ...(constraint && { authenticationMetadata: { impersonationConstraint: constraint } }),
      sourceIPs: sourcesOf(this.#context),
      ...(userAgent === "" ? {} : { userAgent }),
      ...(info.resourceRequest ? { objectRef: referenceOf(info, this.#identity) } : {}),
      ...(code === undefined ? {} : { responseStatus: statusOf(this.#status, code) }),
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

function statusOf(answer: Partial<Status> | undefined, code: number): Partial<Status> {
  if (answer === undefined) return { metadata: {}, code };
  const { status, message, reason, details } = answer;
  return {
    metadata: {},
    ...(status ? { status } : {}),
    ...(message ? { message } : {}),
    ...(reason ? { reason } : {}),
    ...(details === undefined ? {} : { details }),
    code,
  };
}

/**
 * The addresses that proxies' headers name first, and at last the connection's, which alone no
 * client can choose (upstream: SourceIPs).
 */
function sourcesOf({ request }: RequestContext): string[] {
  const sources = headerOf(request, "x-forwarded-for")
    .split(",")
    .map((each) => each.trim())
    .filter((each) => isIP(each) !== 0);
  const real = headerOf(request, "x-real-ip");
  if (isIP(real) !== 0 && !sources.includes(real)) sources.push(real);
  const { remoteAddress = "" } = request.socket;
  if (remoteAddress !== "" && remoteAddress !== sources.at(-1)) sources.push(remoteAddress);
  return sources;
}

function userAgentOf({ request }: RequestContext): string {
  const text = headerOf(request, "user-agent");
  if (text.length <= AUDIT_USER_AGENT_CHARACTERS_MAX) return text;
  return `${text.slice(0, AUDIT_USER_AGENT_CHARACTERS_MAX)}...TRUNCATED`;
}

/** The object of a request: as the URL names it, and where it does not, the body. */
function referenceOf(
  info: RequestInfo,
  body: Readonly<Record<string, unknown>>,
): Record<string, string> {
  const { resource, group, version, subresource } = info;
  const fields = {
    resource,
    namespace: info.namespace || body["namespace"],
    name: info.name || body["name"],
    uid: body["uid"],
    apiGroup: group,
    apiVersion: version,
    resourceVersion: body["resourceVersion"],
    subresource,
  };
  const texts = Object.entries(fields).filter(
    (each): each is [string, string] => typeof each[1] === "string" && each[1] !== "",
  );
  return Object.fromEntries(texts);
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
