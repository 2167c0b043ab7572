import type { Kind } from "@raft2kube/api/kind.ts";
import { methodNotAllowed, noSuchResource } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { Answer } from "../../request/answer.ts";
import type { RequestContext } from "../../request/context.ts";
import type { RequestInfo } from "../../request/request-info.ts";
import type { Resource } from "../../resource/resource.ts";
import { serveGet } from "../read.ts";
import type { ApiServer } from "../server.ts";
import { servePatch, serveUpdate } from "../update.ts";
import { serveBinding } from "./binding.ts";
import { serveConnect } from "./connect.ts";
import { serveEviction } from "./eviction.ts";
import { serveLog } from "./log.ts";
import { serveProxy } from "./proxy.ts";
import { serveScale } from "./scale.ts";
import { serveToken } from "./token.ts";

type Serve = (server: ApiServer, resource: Resource, context: RequestContext) => Promise<Answer>;

interface Special {
  readonly serve: Serve;
  /** The allowed verbs; absent: all. */
  readonly verbs?: readonly string[];
}

const CREATED = ["create"];
/** GET comes from WebSockets; upstream counts both as creating a connection. */
const CONNECTED = ["create", "get"];

/** Subresources that do something other than show and change their parent. */
const SPECIAL: Readonly<Record<string, Special>> = {
  "/pods/binding": { serve: serveBinding, verbs: CREATED },
  "/pods/eviction": { serve: serveEviction, verbs: CREATED },
  "/pods/log": { serve: serveLog, verbs: ["get"] },
  "/pods/exec": { serve: serveConnect, verbs: CONNECTED },
  "/pods/attach": { serve: serveConnect, verbs: CONNECTED },
  "/pods/portforward": { serve: serveConnect, verbs: CONNECTED },
  "/pods/proxy": { serve: serveProxy },
  "/services/proxy": { serve: serveProxy },
  "/nodes/proxy": { serve: serveProxy },
  "/serviceaccounts/token": { serve: serveToken, verbs: CREATED },
};

/** Whether a kind has a subresource of this name; it has itself, which has none. */
export const isServed = (kind: Kind, name: string): boolean =>
  name === "" ||
  Object.hasOwn(SPECIAL, `${kind.group}/${kind.plural}/${name}`) ||
  Object.hasOwn(kind.subresources, name);

/** Returns the handler of a verb on a subresource. Throws 404 for an unknown one, else 405. */
export function partOf(kind: Kind, info: RequestInfo): Serve {
  const special = SPECIAL[`${kind.group}/${kind.plural}/${info.subresource}`];
  if (special) {
    if (special.verbs?.includes(info.verb) === false) throw methodNotAllowed();
    return special.serve;
  }
  const subresource = Object.hasOwn(kind.subresources, info.subresource)
    ? kind.subresources[info.subresource]
    : undefined;
  // Only what is passed on has paths below it.
  if (subresource === undefined || info.rest.length > 0) throw noSuchResource();
  const known: readonly string[] = subresource.verbs;
  if (!known.includes(info.verb)) throw methodNotAllowed();
  const { view, strategy } = subresource;
  if (view) return (server, resource, context) => serveScale(server, resource, context, view);
  if (strategy === undefined) throw noSuchResource();
  if (info.verb === "get") return serveGet;
  const serve = info.verb === "update" ? serveUpdate : servePatch;
  return (server, resource, context) => serve(server, resource, context, { strategy });
}
