import type { Kind } from "@raft2kube/api/kind.ts";
import type { Core } from "../core.ts";
import { methodNotAllowed, noSuchResource } from "../errors/catalog.ts";
import type { Answer } from "../http/answer.ts";
import type { RequestContext } from "../http/context.ts";
import type { Resource } from "../registry/resource.ts";
import { serveGet } from "../registry/serve-read.ts";
import { servePatch, serveUpdate } from "../registry/serve-update.ts";
import { serveBinding } from "./binding.ts";
import { serveEviction } from "./eviction.ts";
import { serveLog } from "./log.ts";
import { serveConnect } from "./connect.ts";
import { serveProxy } from "./proxy.ts";
import { serveScale } from "./scale.ts";
import { serveToken } from "./token.ts";

type Serve = (core: Core, resource: Resource, context: RequestContext) => Promise<Answer>;

/** Subresources that do something other than show and change their parent. */
const SPECIAL: Readonly<Record<string, Serve>> = {
  "/pods/binding": serveBinding,
  "/pods/eviction": serveEviction,
  "/pods/log": serveLog,
  "/pods/exec": serveConnect,
  "/pods/attach": serveConnect,
  "/pods/portforward": serveConnect,
  "/pods/proxy": serveProxy,
  "/services/proxy": serveProxy,
  "/nodes/proxy": serveProxy,
  "/serviceaccounts/token": serveToken,
};

/** Whether a kind has a part of this name. */
export function isSubresource(kind: Kind, name: string): boolean {
  return Object.hasOwn(SPECIAL, `${kind.group}/${kind.plural}/${name}`) ||
    Object.hasOwn(kind.subresources, name);
}

/** Answers a request on a part of an object. Throws 404 for parts that do not exist. */
export async function serveSubresource(
  core: Core,
  resource: Resource,
  context: RequestContext,
): Promise<Answer> {
  const { info } = context;
  const { kind } = resource;
  const special = SPECIAL[`${kind.group}/${kind.plural}/${info.subresource}`];
  if (special) return await special(core, resource, context);
  const subresource = Object.hasOwn(kind.subresources, info.subresource)
    ? kind.subresources[info.subresource]
    : undefined;
  if (subresource === undefined) throw noSuchResource();
  const known: readonly string[] = subresource.verbs;
  if (!known.includes(info.verb)) throw methodNotAllowed();
  if (subresource.view) return await serveScale(core, resource, context, subresource.view);
  const { strategy } = subresource;
  if (strategy === undefined) throw noSuchResource();
  if (info.verb === "get") return await serveGet(core, resource, context);
  const serve = info.verb === "update" ? serveUpdate : servePatch;
  return await serve(core, resource, context, { strategy });
}
