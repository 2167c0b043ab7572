import { JSON_TYPE, PROTOBUF_TYPE, YAML_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import { notAcceptable } from "@raft2kube/apimachinery/errors/catalog.ts";
import { accepts, parseAccept } from "./media-type.ts";

/** The transformations of an object or list that a client may request (`as=`). */
export type Transform =
  | { as: "object" }
  | { as: "Table"; version: "v1" | "v1beta1" }
  | { as: "PartialObjectMetadata"; version: "v1" | "v1beta1"; list: boolean };

export interface Negotiated {
  type: typeof JSON_TYPE | typeof YAML_TYPE | typeof PROTOBUF_TYPE;
  transform: Transform;
  /** `pretty=1`, or a browser or curl asking. */
  pretty: boolean;
}

export interface Offer {
  /** Whether the answer can be protobuf: kinds whose codec knows them. */
  protobuf: boolean;
  /** Whether `as=Table` and `as=PartialObjectMetadata` make sense here. */
  transforms: boolean;
  /** Whether `as=Table` does: the answer's kind has columns. Default: as `transforms`. */
  tables?: boolean;
}

/** Picks the first range of the Accept header that can be served; throws 406 when there is none. */
export function negotiate(accept: string, query: URLSearchParams, offer: Offer): Negotiated {
  const types: readonly Negotiated["type"][] = offer.protobuf
    ? [JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE]
    : [JSON_TYPE, YAML_TYPE];
  for (const range of parseAccept(accept)) {
    for (const type of types) {
      if (!accepts(range.type, type) || !areTaken(range.parameters, type)) continue;
      const transform = transformOf(range.parameters, offer);
      if (transform === undefined) continue;
      // Tables hold cells of any type: they have no protobuf form.
      if (transform.as === "Table" && type === PROTOBUF_TYPE) continue;
      return { type, transform, pretty: isPretty(query, range.parameters) };
    }
  }
  throw notAcceptable([JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE]);
}

/** Whether a type can be had in the form that the other parameters ask for. */
function areTaken({ stream, sv }: Record<string, string>, type: Negotiated["type"]): boolean {
  if (stream !== undefined && (stream !== "watch" || type === YAML_TYPE)) return false;
  return sv === undefined || sv === "v1";
}

function isPretty(query: URLSearchParams, parameters: Record<string, string>): boolean {
  if (parameters["pretty"] === "1") return true;
  return /^(1|t|T|true|True|TRUE)$/.test(query.get("pretty") ?? "");
}

function transformOf(parameters: Record<string, string>, offer: Offer): Transform | undefined {
  const { as, g, v } = parameters;
  if (as === undefined && g === undefined && v === undefined) return { as: "object" };
  if (!offer.transforms || g !== "meta.k8s.io") return undefined;
  if (v !== "v1" && v !== "v1beta1") return undefined;
  if (as === "Table") return offer.tables === false ? undefined : { as, version: v };
  if (as !== "PartialObjectMetadata" && as !== "PartialObjectMetadataList") return undefined;
  return { as: "PartialObjectMetadata", version: v, list: as.endsWith("List") };
}
