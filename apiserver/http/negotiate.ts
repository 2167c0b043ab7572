import { notAcceptable } from "../errors/catalog.ts";
import { accepts, parseAccept } from "./media.ts";

export const JSON_TYPE = "application/json";
export const YAML_TYPE = "application/yaml";
export const PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf";

/** What a client may ask an object or list to be turned into (`as=`). */
export type Transform =
  | { as: "object" }
  | { as: "Table"; version: "v1" | "v1beta1" }
  | { as: "PartialObjectMetadata"; version: "v1" | "v1beta1" };

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
}

/** Picks the first range of the Accept header that can be served; throws 406 when there is none. */
export function negotiate(accept: string, query: URLSearchParams, offer: Offer): Negotiated {
  const types: readonly Negotiated["type"][] = offer.protobuf
    ? [JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE]
    : [JSON_TYPE, YAML_TYPE];
  for (const range of parseAccept(accept)) {
    const type = types.find((each) => accepts(range.type, each));
    if (type === undefined) continue;
    const transform = transformOf(range.parameters, offer);
    if (transform === undefined) continue;
    // The metadata kinds and tables have no codec of a kind: they travel as text.
    if (transform.as !== "object" && type === PROTOBUF_TYPE) continue;
    return {
      type,
      transform,
      pretty: query.get("pretty") === "1" || query.get("pretty") === "true",
    };
  }
  throw notAcceptable([JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE]);
}

function transformOf(parameters: Record<string, string>, offer: Offer): Transform | undefined {
  const as = parameters["as"];
  if (as === undefined) return { as: "object" };
  if (!offer.transforms || parameters["g"] !== "meta.k8s.io") return undefined;
  const version = parameters["v"];
  if (version !== "v1" && version !== "v1beta1") return undefined;
  const kind = as.replace(/List$/, "");
  return kind === "Table" || kind === "PartialObjectMetadata" ? { as: kind, version } : undefined;
}
