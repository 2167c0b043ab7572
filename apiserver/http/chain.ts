import { Gauge } from "prom-client";
import { IdleDetector } from "@raft2kube/std/idle.ts";
import { respond } from "../handlers/response/respond.ts";
import { ResponseBudget } from "../handlers/response/response-budget.ts";
import type { ApiServer } from "../handlers/server.ts";
import { IDLE, READING_IN_FLIGHT_MAX, WRITING_IN_FLIGHT_MAX } from "../limits.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { ApiserverOptions } from "../options.ts";
import {
  authentication,
  authorization,
  deadline,
  type Filter,
  impersonation,
  maxInFlight,
  panicRecovery,
  requestMetrics,
} from "./filters.ts";
import { Handler } from "./handler.ts";
import { InFlight } from "./in-flight.ts";
import type { Dispatch } from "./routes.ts";

/** The parts of the server that filters use. */
export interface HttpServer extends ApiServer {
  readonly options: ApiserverOptions;
  readonly metrics: Metrics;
}

/**
 * The filters of every request, the outermost first, in the order of upstream's
 * DefaultBuildHandlerChain (apiserver/pkg/server/config.go). The request info is read before, with
 * the request's context. Audit would follow authentication; priority and fairness would take the
 * place of the bound on requests in flight.
 */
function filters(server: HttpServer, onSent: (bytes: number) => void): Filter[] {
  const { authenticator, authorizer, clock, metrics, options, resources } = server;
  const usual = { reading: READING_IN_FLIGHT_MAX, writing: WRITING_IN_FLIGHT_MAX };
  return [
    requestMetrics(resources, metrics.requests, onSent),
    panicRecovery,
    deadline(clock, metrics.requests),
    authentication(authenticator),
    impersonation(authorizer, { metrics: metrics.authorization, clock }),
    maxInFlight(new InFlight(options.inFlightMax ?? usual)),
    authorization(authorizer),
  ];
}

/** Builds the way of a request from its connection to `dispatch`, and of the answer back. */
export function handlerChain(server: HttpServer, dispatch: Dispatch): Handler {
  const { clock, closing, metrics, options } = server;
  const idle = new IdleDetector(clock, IDLE, options.onIdle ?? (() => undefined));
  closing.addEventListener("abort", () => idle.stop(), { once: true });
  const budget = new ResponseBudget();
  new Gauge({
    name: "r2k_large_answers_bytes",
    help: "Bytes of large lists that are being made or sent.",
    registers: [metrics.registry],
    collect: function () {
      this.set(budget.bytes);
    },
  });
  return new Handler(filters(server, (bytes) => idle.note(bytes)), async (context) => {
    const answer = await dispatch(context);
    await respond(context, answer, { now: () => clock.now(), budget });
  });
}
