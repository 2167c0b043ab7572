import { constants } from "node:http2";
import { ApiError, type Status } from "@raft2kube/apimachinery/errors/api-error.ts";
import {
  internal,
  objectTooLarge,
  serviceUnavailable,
  timeout,
  tooMany,
} from "@raft2kube/apimachinery/errors/catalog.ts";
import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Shares } from "@raft2kube/std/shares.ts";
import type { AggregationProxy } from "../aggregation/proxy.ts";
import type { Audit, RequestRecord } from "../audit/audit.ts";
import type { Authenticator } from "../authn/authenticator.ts";
import { ANONYMOUS } from "../authn/identities.ts";
import { ownerOf, ownerOfAddition, usersNamespaceOf } from "../authn/owner.ts";
import { authorize } from "../authz/authorize-request.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import { impersonate } from "../authz/impersonation.ts";
import { NODE_LEASES } from "../authz/node/node-authorizer.ts";
import { respondStatus } from "../handlers/response/respond.ts";
import type { ResponseBudget } from "../handlers/response/response-budget.ts";
import { sendBytes } from "../handlers/response/send.ts";
import { isServed } from "../handlers/subresources/dispatch.ts";
import { STREAM_BYTES } from "../limits.ts";
import type { AuthorizationMetrics } from "../metrics/access.ts";
import type { Counted, RequestMetrics } from "../metrics/requests.ts";
import { readBody } from "../request/body.ts";
import { headerOf, type Incoming, type RequestContext } from "../request/context.ts";
import { timeoutOf } from "../request/request-info.ts";
import type { Resources } from "../resource/resources.ts";
import type { WriteBudget } from "../storage/write-budget.ts";
import { showOwner } from "./connection-shares.ts";
import type { FlowControl } from "./flow-control.ts";

const log = logger("apiserver");
/** Verbs of requests whose body is read. */
const WRITING: ReadonlySet<string> = new Set([
  "create",
  "update",
  "patch",
  "delete",
  "deletecollection",
]);
const APPLY_TYPE = "application/apply-patch+yaml";

/** A request between its connection and its handler. */
export interface Exchange {
  readonly context: RequestContext;
  /** The request may last: a watch, a log, a tunnel. */
  readonly longRunning: boolean;
  /** The request's labels in metrics, set by the filter of metrics. */
  counted?: Counted;
  /** When it came, set by the filters of audit. */
  received_ms?: number;
  /** Whether its user is known, and the record of it if there is one. */
  isKnown?: boolean;
  record?: RequestRecord | undefined;
  /** The failure that the client got. */
  failure?: Status;
  /** Aborts `context.signal`, so that work for the request stops. */
  abandon(): void;
}

/** One step of the chain; `next` runs the steps after it, up to the answer. */
export type Filter = (exchange: Exchange, next: () => Promise<void>) => Promise<void>;

/** Bounds the bytes of answers until they are read, and the time that reading them takes. */
export function budgeted(answers: ResponseBudget, clock: Clock): Filter {
  return async ({ context }, next) => {
    // An answer waits for room until others were read: without seats.
    context.budget = (bytes) =>
      answers.take(ownerOf(context), bytes, context.signal, () => context.answered?.());
    context.after = (ms, act) => clock.after(ms, act);
    await next();
  };
}

/**
 * Writes the audit events of a request that has no user, as its credentials are not valid, and the
 * last event of each.
 */
export function auditEnd(audit: Audit | undefined, clock: Clock): Filter {
  return async (exchange, next) => {
    const received_ms = clock.now();
    exchange.received_ms = received_ms;
    if (audit === undefined) return await next();
    const { context } = exchange;
    await next();
    const { statusCode } = context.response;
    const isKnown = exchange.isKnown === true;
    const record = isKnown ? exchange.record : audit.begin(context, received_ms);
    if (record === undefined) return;
    if (!isKnown && exchange.failure) record.failed(exchange.failure);
    // As upstream: a request that is not let in has this stage alone.
    if (!isKnown) return await audit.write(record, "ResponseStarted", statusCode);
    await record.onStarted?.();
    await audit.write(record, "ResponseComplete", statusCode);
  };
}

/**
 * upstream: WithAudit. Writes that a request was received. Throws 500 if that is not written and
 * must be.
 */
export function auditReceived(audit: Audit | undefined): Filter {
  return async (exchange, next) => {
    if (audit === undefined) return await next();
    const { context, longRunning, received_ms = 0 } = exchange;
    exchange.isKnown = true;
    const record = audit.begin(context, received_ms);
    exchange.record = record;
    context.audit = record;
    if (record !== undefined) {
      await audit.write(record, "RequestReceived");
      const { response } = context;
      const started = () => audit.write(record, "ResponseStarted", response.statusCode);
      if (longRunning) record.onStarted = started;
    }
    await next();
  };
}

/** Counts and times requests and their answers. */
export function requestMetrics(resources: Resources, metrics: RequestMetrics): Filter {
  return async (exchange, next) => {
    const { context, longRunning } = exchange;
    const { info, query } = context;
    const { group, version, resource: plural, subresource } = info;
    const found = info.resourceRequest ? resources.find(group, version, plural) : undefined;
    const resource = found && isServed(found.kind, subresource) ? found : undefined;
    const isPatch = info.verb === "patch";
    const apply = isPatch && headerOf(context.request, "content-type") === APPLY_TYPE;
    const counted = metrics.begin({ info, resource, query, longRunning, apply });
    context.sent = counted.sent;
    context.received = counted.received;
    exchange.counted = counted;
    try {
      await next();
    } finally {
      counted.end(context.response.statusCode);
    }
  };
}

/**
 * upstream: WithPanicRecovery. Answers what was thrown with a `Status`; an answer that has started
 * is cut.
 */
export const panicRecovery: Filter = async (exchange, next) => {
  const { context, abandon } = exchange;
  try {
    await next();
  } catch (thrown) {
    const error = asApiError(thrown, context);
    exchange.failure = error.status;
    context.audit?.failed(error.status);
    if (context.response.headersSent || context.signal.aborted) {
      exchange.counted?.aborted();
      cut(context.request);
    } else await respondStatus(context, error.status);
    abandon();
  }
};

/** upstream: WithRequestDeadline. Throws 504 when the time of a request that may not last is up. */
export function deadline(clock: Clock, metrics: RequestMetrics): Filter {
  return async ({ context, longRunning }, next) => {
    if (longRunning) return await next();
    const { promise: late, reject } = Promise.withResolvers<never>();
    let isLate = false;
    const timeout_ms = timeoutOf(context.query);
    context.deadline_ms = clock.monotonic() + timeout_ms;
    const timer = clock.after(timeout_ms, () => {
      isLate = true;
      reject(timeout("request did not complete within the allotted timeout"));
    });
    const answer = next();
    try {
      await Promise.race([answer, late]);
    } finally {
      timer.cancel();
      // Work whose client has gone still finishes, and is counted then.
      if (isLate)
        answer.then(
          () => metrics.endedLate("ok"),
          () => metrics.endedLate("error"),
        );
    }
  };
}

/**
 * upstream: WithAuthentication. Identifies the user of a request. Throws 401 for credentials that
 * are not valid.
 */
export function authentication(authenticator: Authenticator): Filter {
  return async ({ context }, next) => {
    context.user = await authenticator.authenticate(context.request, context.warnings);
    if (context.user !== ANONYMOUS) showOwner(context.request);
    await next();
  };
}

/**
 * upstream: WithImpersonation. Continues the request as another user. Throws 403 if its own user
 * may not impersonate that one.
 */
export const impersonation =
  (authorizer: Authorizer, measured: { metrics: AuthorizationMetrics; clock: Clock }): Filter =>
  async ({ context }, next) => {
    await impersonate(authorizer, measured, context);
    await next();
  };

/**
 * upstream: WithPriorityAndFairness. Waits until the request may be worked on. Throws 429 if it may
 * not.
 */
export function priorityAndFairness(control: FlowControl): Filter {
  return ({ context, longRunning }, next) => control.admit(context, longRunning, next);
}

/**
 * upstream: kube-aggregator's proxyHandler. Passes requests for the versions of remote APIServices
 * on to their servers; bodies are streamed, and the bounds are those of each server.
 */
export function aggregation(proxy: AggregationProxy, control: FlowControl): Filter {
  return async ({ context, longRunning }, next) => {
    const remote = proxy.remoteOf(context);
    if (remote === undefined) return await next();
    const leave = [proxy.admit(remote, context, longRunning)];
    try {
      if (longRunning) leave.push(control.admitLongRunning(context));
      const answer = await proxy.serve(remote, context);
      if (answer.type === "bytes") await sendBytes(context, answer);
    } finally {
      for (const each of leave) each();
    }
  };
}

/**
 * Waits for the bodies of writes, so that a client that does not send one keeps no other request
 * from being worked on. Throws 429 when bodies of its user have too many bytes. A body that cannot
 * be read is an error of the verb, which reads it again.
 */
export function wholeBody(bodies: Shares): Filter {
  return async ({ context, longRunning }, next) => {
    const { info } = context;
    if (longRunning || !info.resourceRequest || !WRITING.has(info.verb)) return await next();
    const owner = ownerOf(context);
    const held: (() => void)[] = [];
    context.holdBody = (bytes) => {
      if (!bodies.fits(owner, bytes)) throw tooMany();
      held.push(bodies.take(owner, bytes));
    };
    try {
      context.holdBody(STREAM_BYTES);
      await Promise.allSettled([readBody(context)]);
      await next();
    } finally {
      for (const give of held) give();
    }
  };
}

/**
 * Bounds what lists and beginnings of watches have read from the store, as the cache has another
 * revision, until they are sent. One that is larger than its user's share is answered if the user
 * has no other.
 */
export function storeReads(reads: Shares): Filter {
  return async ({ context }, next) => {
    let held = 0;
    let give = () => undefined as void;
    const giveAll = () => {
      give();
      give = () => undefined;
      held = 0;
    };
    context.holdRead = (bytes) => {
      give();
      const owner = ownerOf(context);
      held += bytes;
      if (!reads.fits(owner, held)) throw tooMany();
      give = reads.take(owner, held);
      return giveAll;
    };
    try {
      await next();
    } finally {
      give();
    }
  };
}

/** Bounds what requests write into the store. */
export function storeWrites(writes: WriteBudget): Filter {
  return async ({ context }, next) => {
    context.countWrite = (length, before) => {
      const user = ownerOf(context);
      const owner = before === 0 ? ownerOfAddition(context) : user;
      // Nodes report on pods of all namespaces: what they write counts, and is not refused.
      const namespace = user.may === "reserve" ? "" : usersNamespaceOf(context);
      const isNodeLease = context.info.namespace === NODE_LEASES;
      writes.take(owner, { length, before, namespace, isNodeLease });
    };
    await next();
  };
}

/** upstream: WithAuthorization. Throws 403 unless an authorizer allows the request. */
export function authorization(authorizer: Authorizer): Filter {
  return async ({ context }, next) => {
    await authorize(authorizer, context);
    await next();
  };
}

/**
 * Ends a request whose answer cannot be finished: its stream on HTTP/2, its connection on HTTP/1.
 */
export function cut(request: Incoming, code = constants.NGHTTP2_INTERNAL_ERROR): void {
  if ("stream" in request) request.stream.close(code);
  else request.socket.destroy();
}

/** Whether the store, or its gRPC, refused what a request writes for its size. */
function isTooLarge(error: EtcdError, { info }: RequestContext): boolean {
  const isRefused = error.is("requestTooLarge") || error.message.startsWith(MESSAGE_TOO_LARGE);
  return isRefused && WRITING.has(info.verb);
}

const MESSAGE_TOO_LARGE = "grpc: received message larger than max";

/**
 * Turns a thrown error into the client's answer; an unexpected one is logged and answered as 500.
 */
export function asApiError(thrown: unknown, context: RequestContext): ApiError {
  if (thrown instanceof ApiError) return thrown;
  if (context.signal.aborted) return serviceUnavailable("the request was ended");
  if (thrown instanceof EtcdError) {
    log.warn("the store refused a request", { path: context.info.path, reason: thrown.message });
    if (isTooLarge(thrown, context)) return objectTooLarge(thrown.message);
    return internal(thrown.message);
  }
  log.error("a request failed unexpectedly", { path: context.info.path, err: thrown });
  return internal(messageOf(thrown));
}
