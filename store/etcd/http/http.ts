import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { exposition } from "@raft2kube/observe/exposition.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { own } from "@raft2kube/std/own.ts";
import { NONE } from "../../core/types.ts";
import { clusterVersion } from "../../mvcc/apply/downgrade.ts";
import { ETCD_VERSION } from "../../version.ts";
import { alarmName } from "../maintenance/alarm-text.ts";
import { type EtcdContext, readBarrier } from "../request/context.ts";
import { debugVars } from "./debug-vars.ts";
import { checkPages, LIVE, READY } from "./health-checks.ts";
import { type Answer, json, type Page, text } from "./page.ts";
import { storeMetrics } from "./store-metrics.ts";

/** etcd's plain HTTP endpoints: /health, /livez and /readyz with their parts, and so on. */
export function httpPages(context: EtcdContext): RequestListener {
  const registry = storeMetrics(context);
  const pages: Record<string, Page> = {
    "/health": async (query) => {
      const answer = await health(context, query);
      context.metrics.health.answered(answer.status === 200);
      return answer;
    },
    ...checkPages("livez", LIVE, context),
    ...checkPages("readyz", READY, context),
    "/version": async () => version(context),
    "/debug/vars": async () => json(debugVars(context)),
    "/metrics": async () => {
      const { type, body } = await exposition(registry);
      return { status: 200, type, body };
    },
  };
  return (request, response) => void answer(pages, request, response);
}

/** Answers 404 at an address whose pages are served elsewhere. */
export const notFoundPages: RequestListener = (request, response) =>
  void answer({}, request, response);

async function answer(
  pages: Record<string, Page>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = "", query = ""] = (request.url ?? "/").split("?", 2);
  const page = own(pages, path);
  let result: Answer;
  if (!page) result = text("404 page not found\n", 404);
  else if (request.method !== "GET") result = text("Method Not Allowed\n", 405);
  else {
    const asked = new URLSearchParams(query);
    result = await page(asked).catch((thrown) => text(`${messageOf(thrown)}\n`, 500));
  }
  response.writeHead(result.status, { "content-type": result.type });
  response.end(result.body);
}

async function version({ state }: EtcdContext): Promise<Answer> {
  const cluster = clusterVersion(state);
  return json({ etcdserver: ETCD_VERSION, etcdcluster: cluster, storage: cluster });
}

/** Healthy with a leader and, unless `serializable=true`, when a linearizable read goes through. */
async function health(context: EtcdContext, query: URLSearchParams): Promise<Answer> {
  // As Go's http.Error sends it.
  const unhealthy = (reason: string) =>
    text(`${JSON.stringify({ health: "false", reason })}\n`, 503);
  const excluded = query.getAll("exclude");
  for (const { alarm } of context.state.alarms.list()) {
    const name = alarmName(alarm);
    if (!excluded.includes(name)) return unhealthy(`ALARM ${name}`);
  }
  const local = query.get("serializable") === "true";
  if (!local && context.replica.raft.state.leader === NONE) return unhealthy("RAFT NO LEADER");
  if (!local) {
    try {
      await readBarrier(context);
    } catch (thrown) {
      return unhealthy(`RANGE ERROR:${messageOf(thrown)}`);
    }
  }
  return text(JSON.stringify({ health: "true", reason: "" }));
}
