import type { Fairness } from "@raft2kube/fairness/fairness.ts";
import { addMetric } from "@raft2kube/observe/families.ts";
import { addTraceMetrics } from "@raft2kube/observe/process-metrics.ts";
import { traced } from "@raft2kube/observe/trace/tracer.ts";
import { Shares } from "@raft2kube/std/shares.ts";
import type { Aggregation } from "../aggregation/aggregation.ts";
import type { Audit } from "../audit/audit.ts";
import { respond } from "../handlers/response/respond.ts";
import { ResponseBudget } from "../handlers/response/response-budget.ts";
import type { ApiServer } from "../handlers/server.ts";
import { BODIES_BYTES_MAX, STORE_READS_BYTES_MAX, sharesOf } from "../limits.ts";
import { FlowControlMetrics } from "../metrics/flow-control.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { ApiserverOptions } from "../options.ts";
import type { RequestContext } from "../request/context.ts";
import type { WriteBudget } from "../storage/write-budget.ts";
import {
  aggregation,
  auditEnd,
  auditReceived,
  authentication,
  authorization,
  budgeted,
  deadline,
  type Filter,
  impersonation,
  panicRecovery,
  priorityAndFairness,
  requestMetrics,
  storeReads,
  storeWrites,
  wholeBody,
} from "./filters.ts";
import { FlowControl } from "./flow-control.ts";
import { Handler } from "./handler.ts";
import type { Dispatch } from "./routes.ts";
import { part, tracedVerb, tracing } from "./tracing.ts";

/** The parts of the server that filters use. */
export interface HttpServer extends ApiServer {
  readonly options: ApiserverOptions;
  readonly metrics: Metrics;
  readonly aggregation: Aggregation;
  readonly fairness: Fairness;
  /** Bounds what users write into the store. */
  readonly writes: WriteBudget;
  /** The audit log, if there is a policy. */
  readonly audit: Audit | undefined;
}

/**
 * The filters of every request, the outermost first, in the order of upstream's
 * DefaultBuildHandlerChain (apiserver/pkg/server/config.go), but authorization comes before
 * priority and fairness, and the body between them: no request has seats while it waits for its
 * client. The request info is read before, with the request's context.
 */
function filters(server: HttpServer, answers: ResponseBudget): Filter[] {
  const { authenticator, authorizer, clock, metrics, options, resources } = server;
  const { tracer } = options;
  const own = (name: string, filter: Filter) => (tracer ? part(name, filter) : filter);
  const bodies = new Shares(sharesOf(BODIES_BYTES_MAX));
  const reads = new Shares(sharesOf(STORE_READS_BYTES_MAX));
  showBytes(
    metrics,
    "r2k_bodies_bytes",
    "Bytes of bodies that are incomplete or worked on.",
    () => bodies.taken,
  );
  showBytes(
    metrics,
    "r2k_store_reads_bytes",
    "Bytes of lists that were read from the store and are not answered.",
    () => reads.taken,
  );
  const control = new FlowControl({
    fairness: server.fairness,
    resources,
    clock,
    answers,
    metrics: new FlowControlMetrics(metrics.registry, metrics.requests.current, server.fairness),
    lasting_max: options.inFlightMax?.lasting,
  });
  return [
    budgeted(answers, clock),
    requestMetrics(resources, metrics.requests),
    auditEnd(server.audit, clock),
    panicRecovery,
    deadline(clock, metrics.requests),
    authentication(authenticator),
    ...(tracer ? [tracing(tracer)] : []),
    own("audit", auditReceived(server.audit)),
    own("impersonation", impersonation(authorizer, { metrics: metrics.authorization, clock })),
    own("authorization", authorization(authorizer)),
    aggregation(server.aggregation.proxy, control),
    wholeBody(bodies),
    storeReads(reads),
    storeWrites(server.writes),
    own("priorityandfairness", priorityAndFairness(control)),
  ];
}

/** Builds the way of a request from its connection to `dispatch`, and of the answer back. */
export function handlerChain(server: HttpServer, dispatch: Dispatch): Handler {
  const { clock, metrics, options } = server;
  const budget = new ResponseBudget();
  showBytes(
    metrics,
    "r2k_large_answers_bytes",
    "Bytes of large answers being made or sent.",
    () => budget.bytes,
  );
  addTraceMetrics(metrics.registry, options.tracer);
  const now = () => clock.now();
  const serve = async (context: RequestContext) => {
    const answer = await dispatch(context);
    context.audit?.answered(answer);
    if (options.tracer && answer.type !== "watch") {
      return await traced("SerializeObject", () => respond(context, answer, now));
    }
    await respond(context, answer, now);
  };
  return new Handler(
    filters(server, budget),
    options.tracer ? (context) => tracedVerb(context, () => serve(context)) : serve,
  );
}

function showBytes({ registry }: Metrics, name: string, help: string, bytes: () => number): void {
  addMetric(registry, { name, help, type: "gauge" }, () => [{ labels: {}, value: bytes() }]);
}
