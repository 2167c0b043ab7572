import { isBuiltIn, type Kind } from "@raft2kube/api/kind.ts";
import { JSON_TYPE, PROTOBUF_TYPE, YAML_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import { notProduced } from "@raft2kube/apimachinery/errors/catalog.ts";
import { headerOf, type RequestContext } from "../request/context.ts";
import { negotiate } from "../request/negotiate.ts";

/** Subresources whose answers are others' own. */
const PASSED_ON = new Set(["log", "exec", "attach", "portforward", "proxy"]);

/**
 * Settles the form of the answer before anything is done for it. Throws 406 when no type of the
 * Accept header is one that resources have, or none in the form that is asked for.
 */
export function checkAccept(context: RequestContext, kind: Kind, tables: boolean): void {
  const { info, request } = context;
  if (PASSED_ON.has(info.subresource)) return;
  if (isBuiltIn(kind)) checkProduced(context, info.verb === "list" || info.verb === "watch");
  const offer = { protobuf: true, transforms: true, tables };
  const settle = () => negotiate(headerOf(request, "accept"), context.query, offer);
  context.negotiated = settle();
  const { type, transform } = context.negotiated;
  if (isBuiltIn(kind) || type !== PROTOBUF_TYPE || transform.as !== "object") return;
  // A Scale has a protobuf form, and so has the Status of a deletion.
  if (info.subresource === "scale" || info.verb === "delete") return;
  offer.protobuf = false;
  context.negotiated = settle();
}

function checkProduced({ request }: RequestContext, collection: boolean): void {
  const types = [JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE];
  const known = ["*/*", ...types];
  const wanted = (headerOf(request, "accept") || "*/*").split(",");
  if (wanted.some((range) => known.includes(range.split(";")[0]!.trim()))) return;
  const streams = collection
    ? [JSON_TYPE, PROTOBUF_TYPE].map((type) => `${type};stream=watch`)
    : [];
  throw notProduced([...types, ...streams]);
}
