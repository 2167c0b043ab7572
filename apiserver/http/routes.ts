import { JSON_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import { methodNotAllowed, notProduced } from "@raft2kube/apimachinery/errors/catalog.ts";
import { StepsExceededError } from "@raft2kube/cel/failures.ts";
import { exposition } from "@raft2kube/observe/exposition.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { TRACES_PATH, tracesOf } from "@raft2kube/observe/trace/recent-spans.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { dumpFlowControl, FLOW_CONTROL_PATH } from "../handlers/diagnostics/flow-control.ts";
import { dumpStore, STORE_PATH } from "../handlers/diagnostics/store.ts";
import { serveZPage, type ZPage } from "../handlers/diagnostics/zpage.ts";
import type { Discovery } from "../handlers/discovery/serve.ts";
import { serveResource } from "../handlers/dispatch.ts";
import type { Health } from "../handlers/health.ts";
import type { OpenApi } from "../handlers/openapi.ts";
import { openidConfiguration, openidKeys } from "../handlers/openid.ts";
import type { ApiServer } from "../handlers/server.ts";
import { versionInfo } from "../object/version.ts";
import type { LargeRequests } from "../offload/offload.ts";
import { type Answer, type BytesAnswer, jsonAnswer, noSuchPage } from "../request/answer.ts";
import { headerOf, type RequestContext } from "../request/context.ts";
import { accepts, parseAccept } from "../request/media-type.ts";

/** Answers a request that is known and allowed. */
export type Dispatch = (context: RequestContext) => Promise<Answer>;

/** Lists of groups and of versions: upstream answers them for every method. */
const ANY_METHOD = /^\/apis(\/[^/]+)?\/?$/;

export interface Routes {
  discovery: Discovery;
  health: Health;
  openapi: OpenApi;
  large: LargeRequests;
  tracer?: Tracer | undefined;
  /** `/statusz` and `/flagz`. */
  zpages: Readonly<Record<string, ZPage>>;
}

/** Upstream's router takes a HEAD for these as for resources, and has nothing for it. */
const GET_ALONE = /^\/(version|apis?)(\/|$)/;

/** Sends each request to the handler of its path. */
export function routes(server: ApiServer, routed: Routes): Dispatch {
  return async (context) => {
    if (context.info.resourceRequest) return await serveObjects(server, routed.large, context);
    const health = await routed.health.serve(context);
    if (health !== undefined) return health;
    const { verb, path } = context.info;
    const head = verb === "head" && !GET_ALONE.test(path);
    const readOnly = verb === "get" || head || ANY_METHOD.test(path);
    if (!readOnly) throw methodNotAllowed();
    return (
      (await servePath(server, routed, context)) ??
      routed.discovery.serve(context) ??
      (await routed.openapi.serve(context)) ??
      noSuchPage()
    );
  };
}

/** Serves a request for objects, in the thread of large requests if it blocked others here. */
async function serveObjects(
  server: ApiServer,
  large: LargeRequests,
  context: RequestContext,
): Promise<Answer> {
  try {
    return (await large.serve(context)) ?? (await serveResource(server, context));
  } catch (thrown) {
    if (!(thrown instanceof StepsExceededError)) throw thrown;
    return await large.repeat(context, thrown);
  }
}

async function servePath(
  server: ApiServer,
  routed: Routes,
  context: RequestContext,
): Promise<Answer | undefined> {
  switch (context.info.path) {
    case "/":
      return jsonAnswer({ paths: rootPaths(routed) });
    case "/version":
    case "/version/":
      checkJson(context);
      return jsonAnswer(versionInfo());
    case "/metrics":
      return await exposed(server.metrics.registry);
    case "/metrics/slis":
      await routed.health.measure();
      return await exposed(server.metrics.health.registry);
    case STORE_PATH:
      return await dumpStore(server.etcd);
    case TRACES_PATH: {
      const traces = tracesOf(routed.tracer, context.query.getAll("name"));
      if (traces === undefined) return noSuchPage();
      return { type: "bytes", code: 200, contentType: JSON_TYPE, body: traces };
    }
    case "/statusz":
    case "/flagz":
      return await serveZPage(context, routed.zpages[context.info.path]!);
    case "/.well-known/openid-configuration":
      return forAnHour(jsonAnswer(openidConfiguration(server)));
    case "/openid/v1/jwks":
    case "/openid/v1/jwks/":
      return forAnHour({
        ...jsonAnswer(openidKeys(server)),
        contentType: "application/jwk-set+json",
      });
    default:
      return context.info.path.startsWith(FLOW_CONTROL_PATH)
        ? dumpFlowControl(context, server.fairness, server.clock)
        : undefined;
  }
}

/** Start of the process: counters that are smaller than before started again. */
const STARTED_s = Math.round(performance.timeOrigin / 1_000);

async function exposed(metrics: Registry): Promise<BytesAnswer> {
  const { type: contentType, body } = await exposition(metrics);
  const headers = { "process-start-time-unix": String(STARTED_s) };
  return { type: "bytes", code: 200, contentType, body, headers };
}

/** Throws 406 when the client takes no JSON, which is all that there is of some paths. */
function checkJson({ request }: RequestContext): void {
  const wanted = parseAccept(headerOf(request, "accept"));
  if (!wanted.some(({ type }) => accepts(type, JSON_TYPE))) throw notProduced([JSON_TYPE]);
}

/** Public keys change rarely, and any cache may keep them. */
const forAnHour = (answer: BytesAnswer): Answer => ({
  ...answer,
  headers: { "cache-control": "public, max-age=3600" },
});

function rootPaths(routed: Routes): string[] {
  return [
    "/.well-known/openid-configuration",
    "/api",
    "/apis",
    ...routed.discovery.paths(),
    ...routed.health.paths(),
    ...Object.keys(routed.zpages),
    "/metrics",
    "/metrics/slis",
    "/openapi/v2",
    "/openapi/v3",
    "/openid/v1/jwks",
    "/version",
  ].sort();
}
