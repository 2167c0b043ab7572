import { isIP } from "node:net";
import type { RequestUser } from "@raft2kube/api/kind.ts";
import type { Status } from "@raft2kube/apimachinery/errors/api-error.ts";
import { internal } from "@raft2kube/apimachinery/errors/catalog.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { socketOf } from "../authn/client-certificate.ts";
import { userInfoOf } from "../authn/identities.ts";
import { AUDIT_LIST_BYTES_MAX, AUDIT_USER_AGENT_CHARACTERS_MAX } from "../limits.ts";
import type { AuditMetrics } from "../metrics/audit.ts";
import { AuditAnnotations } from "../request/annotations.ts";
import type { Answer, ObjectList } from "../request/answer.ts";
import { headerOf, type RequestAudit, type RequestContext } from "../request/context.ts";
import type { RequestInfo } from "../request/request-info.ts";
import { type AuditEvent, microTime, within } from "./event.ts";
import { type AuditPolicy, type Extent, extentOf, type Stage } from "./policy.ts";
import type { Target } from "./sink.ts";

interface AuditParts {
  readonly policy: AuditPolicy;
  readonly targets: readonly Target[];
  readonly metrics: AuditMetrics;
  readonly clock: Clock;
}

/** Writes events of requests to the backends, as the policy says. */
export class Audit {
  readonly #parts: AuditParts;

  constructor(parts: AuditParts) {
    this.#parts = parts;
  }

  /** Starts the record of a request whose user is known; undefined if nothing is written of it. */
  begin(context: RequestContext, received_ms: number): RequestRecord | undefined {
    const { policy, metrics } = this.#parts;
    const extent = extentOf(policy, context);
    const { level } = extent;
    metrics.levels.of({ level }).add();
    return level === "None" ? undefined : new RequestRecord(context, extent, received_ms);
  }

  /**
   * Writes an event. Throws 500 for a request that has not been worked on, if a strict backend did
   * not take it; other losses are counted and logged.
   */
  async write(record: RequestRecord, stage: Stage, code?: number): Promise<void> {
    if (record.extent.omitStages.includes(stage)) return;
    const { targets, metrics, clock } = this.#parts;
    metrics.events.add();
    const event = record.event(stage, clock.now(), code);
    for (const { backend, isStrict, event_bytes_max } of targets) {
      try {
        const text = within(event, event_bytes_max);
        if (text === undefined) metrics.errors.of({ plugin: "truncate" }).add();
        else await backend.take(text);
      } catch (thrown) {
        if (stage !== "RequestReceived" || !isStrict) continue;
        metrics.rejected.add();
        throw internal(`the audit event of the request was not written: ${String(thrown)}`);
      }
    }
  }

  async close(): Promise<void> {
    for (const { backend } of this.#parts.targets) await backend.close();
  }
}

/** The part of a body's metadata by which an object is known. */
type Identity = Partial<Readonly<Record<(typeof IDENTITY)[number], string>>>;

const IDENTITY = ["namespace", "name", "uid", "resourceVersion"] as const;

export class RequestRecord implements RequestAudit {
  readonly annotations: AuditAnnotations;
  readonly extent: Extent;
  readonly #context: RequestContext;
  readonly #user: RequestUser;
  readonly #received_ms: number;
  /** The answer, where it is a Status. */
  #status: Partial<Status> | undefined;
  #constraint: string | undefined;
  #identity: Identity = {};
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
    const metadata = (object as { metadata?: Record<string, unknown> | null }).metadata ?? {};
    // It is not checked yet.
    const texts = IDENTITY.filter((name) => typeof metadata[name] === "string");
    this.#identity = Object.fromEntries(texts.map((name) => [name, metadata[name]]));
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

  /** The event of a stage, in upstream's order of fields; JSON leaves out what is undefined. */
  event(stage: Stage, now_ms: number, code: number | undefined): AuditEvent {
    const { request, info, user, id } = this.#context;
    const constraint = this.#constraint;
    return {
      kind: "Event",
      apiVersion: "audit.k8s.io/v1",
      level: this.extent.level,
      auditID: id,
      stage,
      requestURI: request.url ?? info.path,
      verb: info.verb,
      user: userInfoOf(this.#user),
      impersonatedUser: user === this.#user ? undefined : userInfoOf(user),
      authenticationMetadata: constraint && { impersonationConstraint: constraint },
      sourceIPs: sourcesOf(this.#context),
      userAgent: userAgentOf(this.#context) || undefined,
      objectRef: info.resourceRequest ? referenceOf(info, this.#identity) : undefined,
      responseStatus: code === undefined ? undefined : statusOf(this.#status, code),
      requestObject: this.#requestObject,
      responseObject: code === undefined ? undefined : this.#responseObject,
      requestReceivedTimestamp: microTime(this.#received_ms),
      stageTimestamp: microTime(now_ms),
      annotations: this.annotations.all,
    };
  }
}

function statusOf(answer: Partial<Status> = {}, code: number): object {
  const { status, message, reason, details } = answer;
  return {
    metadata: {},
    status: status || undefined,
    message: message || undefined,
    reason: reason || undefined,
    details,
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
  const { remoteAddress = "" } = socketOf(request);
  if (remoteAddress !== "" && remoteAddress !== sources.at(-1)) sources.push(remoteAddress);
  return sources;
}

function userAgentOf({ request }: RequestContext): string {
  const text = headerOf(request, "user-agent");
  if (text.length <= AUDIT_USER_AGENT_CHARACTERS_MAX) return text;
  return `${text.slice(0, AUDIT_USER_AGENT_CHARACTERS_MAX)}...TRUNCATED`;
}

/** The object of a request: as the URL names it, and where it does not, the body. */
const referenceOf = (info: RequestInfo, body: Identity): object => ({
  resource: info.resource || undefined,
  namespace: info.namespace || body.namespace || undefined,
  name: info.name || body.name || undefined,
  uid: body.uid || undefined,
  apiGroup: info.group || undefined,
  apiVersion: info.version || undefined,
  resourceVersion: body.resourceVersion || undefined,
  subresource: info.subresource || undefined,
});

function bodyOf(answer: Answer): unknown {
  switch (answer.type) {
    case "object":
      return answer.object;
    case "list":
      return listOf(answer.list);
    case "bytes":
      if (answer.contentType !== "application/json") return undefined;
      return JSON.parse(answer.body.toString());
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
