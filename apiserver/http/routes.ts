import { exposition } from "@raft2kube/observe/metrics.ts";
import { openidConfiguration, openidKeys } from "../authn/openid.ts";
import type { Core } from "../core.ts";
import type { Discovery } from "../discovery/serve.ts";
import { versionInfo } from "../discovery/version.ts";
import { methodNotAllowed, noSuchResource } from "../errors/catalog.ts";
import type { OpenApi } from "../openapi/serve.ts";
import { serveResource } from "../registry/dispatch.ts";
import { type Answer, jsonAnswer } from "./answer.ts";
import type { RequestContext } from "./context.ts";
import type { Dispatch } from "./handler.ts";
import type { Health } from "./health.ts";

export interface Rooms {
  discovery: Discovery;
  health: Health;
  openapi: OpenApi;
}

/** Sends each request to the room that its path belongs to. */
export function routes(core: Core, rooms: Rooms): Dispatch {
  return async (context) => {
    if (context.info.resourceRequest) return await serveResource(core, context);
    const { verb } = context.info;
    if (verb !== "get" && verb !== "head") {
      throw methodNotAllowed();
    }
    const answer =
      (await servePath(core, rooms, context)) ??
      rooms.discovery.serve(context) ??
      (await rooms.health.serve(context)) ??
      (await rooms.openapi.serve(context));
    if (answer === undefined) throw noSuchResource();
    return answer;
  };
}

async function servePath(
  core: Core,
  rooms: Rooms,
  context: RequestContext,
): Promise<Answer | undefined> {
  switch (context.info.path) {
    case "/":
      return jsonAnswer({ paths: rootPaths(rooms) });
    case "/version":
    case "/version/":
      return jsonAnswer(versionInfo());
    case "/metrics": {
      const { type, body } = await exposition(core.metrics.registry);
      return { type: "bytes", code: 200, contentType: type, body };
    }
    case "/.well-known/openid-configuration":
      return jsonAnswer(openidConfiguration(core));
    case "/openid/v1/jwks":
      return { ...jsonAnswer(openidKeys(core)), contentType: "application/jwk-set+json" };
    default:
      return undefined;
  }
}

function rootPaths(rooms: Rooms): string[] {
  return [
    "/.well-known/openid-configuration",
    "/api",
    "/apis",
    ...rooms.discovery.paths(),
    "/healthz",
    "/livez",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/openid/v1/jwks",
    "/readyz",
    "/version",
  ];
}
