import { decodeJson } from "@raft2kube/api/codec/json.ts";
import type {
  APIGroupDiscoveryList,
  APIResourceDiscovery,
  APIVersionDiscovery,
} from "@raft2kube/api/gen/apidiscovery/v2.ts";
import type { APIResource, APIResourceList } from "@raft2kube/api/gen/meta/v1.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import {
  AGGREGATED_DISCOVERY_BYTES_MAX,
  AGGREGATED_DISCOVERY_MS,
  AGGREGATED_RESOURCES_MAX,
} from "../limits.ts";
import { parseMediaType } from "../request/media-type.ts";
import type { RemoteApiService } from "./api-services.ts";
import type { Backends, Fetched } from "./backends.ts";

export interface ReadDiscovery {
  readonly discovery: APIVersionDiscovery;
  readonly etag: string | undefined;
}

const GROUP = "apidiscovery.k8s.io";
const LIST = "as=APIGroupDiscoveryList";
const ACCEPT = ["v2", "v2beta1"]
  .map((version) => `application/json;g=${GROUP};v=${version};${LIST}`)
  .join(",");
const BOUNDS = { timeout_ms: AGGREGATED_DISCOVERY_MS, bytes_max: AGGREGATED_DISCOVERY_BYTES_MAX };

/**
 * Reads the resources of a remote version: from the server's aggregated discovery, else from the
 * version's own list. Throws BackendError, DecodeError, CodedError.
 */
export async function readDiscovery(
  backends: Backends,
  remote: RemoteApiService,
  known: ReadDiscovery | undefined,
): Promise<ReadDiscovery> {
  const { group = "", version = "" } = remote.spec;
  const { etag } = known ?? {};
  const condition: Record<string, string> = etag === undefined ? {} : { "if-none-match": etag };
  const answer = await backends.get(remote, "/apis", {
    ...BOUNDS,
    headers: { accept: ACCEPT, ...condition },
  });
  if (answer.status === 304 && known !== undefined) return known;
  if (answer.status === 503) throw new CodedError("UNAVAILABLE", "/apis answered 503");
  if (answer.status === 200 && isAggregated(answer)) {
    const { object } = decodeJson<APIGroupDiscoveryList>(
      "apidiscovery/v2.APIGroupDiscoveryList",
      parsed(answer),
    );
    const found = object.items
      .find(({ metadata }) => metadata.name === group)
      ?.versions?.find((each) => each.version === version);
    return { discovery: bounded(found ?? { version }), etag: answer.headers.etag };
  }
  const path = `/apis/${group}/${version}`;
  const list = await backends.get(remote, path, {
    ...BOUNDS,
    headers: { accept: "application/json" },
  });
  if (list.status !== 200) throw new CodedError("REFUSED", `${path} answered ${list.status}`);
  const { object } = decodeJson<APIResourceList>("meta/v1.APIResourceList", parsed(list));
  const discovery = { version, resources: resourcesOf(object.resources) };
  return { discovery: bounded(discovery), etag: undefined };
}

function bounded(discovery: APIVersionDiscovery): APIVersionDiscovery {
  const { length = 0 } = discovery.resources ?? [];
  if (length <= AGGREGATED_RESOURCES_MAX) return discovery;
  const why = `${length} resources, more than ${AGGREGATED_RESOURCES_MAX}`;
  throw new CodedError("TOO_MANY", `version ${discovery.version} has ${why}`);
}

function isAggregated({ headers }: Fetched): boolean {
  const { type, parameters } = parseMediaType(headers["content-type"] ?? "");
  return type === "application/json" && parameters["g"] === GROUP;
}

export function parsed({ body }: Fetched): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (cause) {
    throw new CodedError("NOT_JSON", "the answer is no JSON", { cause });
  }
}

type Subresources = NonNullable<APIResourceDiscovery["subresources"]>;

/** Resources and subresources of a version's own list in the form of aggregated discovery. */
export function resourcesOf(list: readonly APIResource[]): APIResourceDiscovery[] {
  const resources = new Map<string, APIResourceDiscovery>();
  const scopeOf = ({ namespaced }: APIResource) => (namespaced ? "Namespaced" : "Cluster");
  const kindOf = ({ group = "", version = "", kind }: APIResource) => ({ group, version, kind });
  for (const each of list) {
    if (each.name.includes("/")) continue;
    const { name, singularName, verbs, shortNames, categories } = each;
    resources.set(name, {
      resource: name,
      responseKind: kindOf(each),
      scope: scopeOf(each),
      singularResource: singularName,
      verbs,
      ...(shortNames?.length ? { shortNames } : {}),
      ...(categories?.length ? { categories } : {}),
    });
  }
  const subresources = new Map<string, Subresources>();
  for (const each of list) {
    const [parentName = "", subresource] = each.name.split(/\/(.*)/);
    if (subresource === undefined) continue;
    const own = { subresource, responseKind: kindOf(each), verbs: each.verbs };
    const known = subresources.get(parentName);
    if (known) {
      known.push(own);
      continue;
    }
    const first: Subresources = [own];
    subresources.set(parentName, first);
    const parent = resources.get(parentName) ?? {
      resource: parentName,
      scope: scopeOf(each),
      singularResource: "",
      verbs: [],
      responseKind: { group: "", version: "", kind: "" },
    };
    resources.set(parentName, { ...parent, subresources: first });
  }
  return [...resources.values()];
}
