import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { parseTraceparent, TRACEPARENT } from "@raft2kube/observe/trace/traceparent.ts";
import { activeSpan, during, type Tracer, traced } from "@raft2kube/observe/trace/tracer.ts";
import { reported } from "@raft2kube/std/wait.ts";
import { socketOf } from "../authn/client-certificate.ts";
import { MASTERS_GROUP, MONITORING_GROUP } from "../authn/identities.ts";
import { headerOf, type RequestContext } from "../request/context.ts";
import type { RequestInfo } from "../request/request-info.ts";
import type { Filter } from "./filters.ts";

/** Status codes from here on are the server's failures. */
const SERVER_ERROR = 500;

/** Users whose requests may continue their own traces; others start a new one, linked to it. */
const TRUSTED_GROUPS: readonly string[] = [MASTERS_GROUP, MONITORING_GROUP];

/** Upstream's names of the spans of verbs, where they are not the verb's own. */
const VERB_SPANS: Readonly<Record<string, string>> = {
  deletecollection: "Delete",
  watch: "WatchServer.HandleHTTP",
};

/**
 * upstream: WithTracing. Makes a request a span, and what comes after this filter a part of it. It
 * comes after authentication, since only users of TRUSTED_GROUPS may decide that a request is
 * traced.
 */
export function tracing(tracer: Tracer): Filter {
  return (exchange, next) => {
    const { context, received_ms: start_ms = tracer.options.clock.now() } = exchange;
    const { request, user, info, id } = context;
    const caller = parseTraceparent(headerOf(request, TRACEPARENT));
    const isTrusted = caller && user.groups.some((group) => TRUSTED_GROUPS.includes(group));
    const links = caller && !isTrusted ? [caller] : [];
    const options = { kind: "server", start_ms, links } as const;
    const span = tracer.start("", options, isTrusted ? caller : undefined);
    if (span.isSampled) {
      span.name = spanName(info, request.method ?? "");
      span.child("authentication", { start_ms })?.end();
      span.set({
        "http.request.method": request.method,
        "http.target": request.url,
        "url.path": info.path,
        "url.scheme": "https",
        "user_agent.original": headerOf(request, "user-agent") || undefined,
        "network.peer.address": socketOf(request).remoteAddress,
        "audit-id": id,
      });
    }
    const ended = (status: number) => {
      span.set({ "http.response.status_code": status });
      // A client's error is no failure of the span (OpenTelemetry's rule).
      if (status >= SERVER_ERROR) span.fail("");
      span.end();
    };
    const answered = () => ended(context.response.statusCode);
    const failed = (thrown: unknown) =>
      ended(thrown instanceof ApiError ? thrown.http : SERVER_ERROR);
    return reported(() => span.run(next), answered, failed);
  };
}

/** Makes a filter's own work a part of the request's span; upstream's last until the answer. */
export function part(name: string, filter: Filter): Filter {
  return (exchange, next) => {
    const request = activeSpan();
    const own = request?.child(name);
    if (!request || !own) return filter(exchange, next);
    const after = () => {
      own.end();
      return request.run(next);
    };
    return during(own, () => filter(exchange, after));
  };
}

/** Makes a verb's work a part of the request's span; requests without a resource have none. */
export function tracedVerb(context: RequestContext, work: () => Promise<void>): Promise<void> {
  const { info } = context;
  if (!info.resourceRequest) return work();
  const name = VERB_SPANS[info.verb] ?? info.verb.replace(/^./, (first) => first.toUpperCase());
  const { group, version, resource, subresource, namespace, path: url } = info;
  return traced(name, work, () => ({
    ...{ "audit-id": context.id, "api-group": group, "api-version": version },
    ...{ resource, subresource, namespace, name: info.name, url },
  }));
}

/** The method and the path with placeholders, as upstream names the spans of requests. */
function spanName(info: RequestInfo, method: string): string {
  if (!info.resourceRequest) return method;
  const { group, version, namespace, resource, name, subresource } = info;
  const place = namespace && "namespaces/{:namespace}";
  const root = group === "" ? "api" : "apis";
  const parts = [root, group, version, place, resource, name && "{:name}", subresource];
  return `${method} /${parts.filter((each) => each !== "").join("/")}`;
}
