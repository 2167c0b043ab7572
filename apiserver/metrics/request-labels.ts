import { own } from "@raft2kube/std/own.ts";

/** The parts of a request that its labels are made of. */
export interface LabelledRequest {
  readonly verb: string;
  readonly resourceRequest: boolean;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly path: string;
}

/** A kind that is served. */
export interface LabelledResource {
  readonly kind: { readonly deprecated?: string | undefined };
}

/** Labels of requests, under upstream's names. */
export interface RequestLabels {
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly scope: string;
  readonly component: string;
}

/** Upstream's verb labels are HTTP methods, except where several verbs share a method. */
const VERBS: Readonly<Record<string, string>> = {
  get: "GET",
  head: "GET",
  options: "OPTIONS",
  list: "LIST",
  watch: "WATCH",
  create: "POST",
  post: "POST",
  update: "PUT",
  put: "PUT",
  patch: "PATCH",
  delete: "DELETE",
  deletecollection: "DELETE",
};

/** Subresources that connect a client to a container or a backend. */
export const CONNECTIONS: ReadonlySet<string> = new Set([
  "log",
  "exec",
  "attach",
  "portforward",
  "proxy",
]);

/** Paths that have rows of their own: arbitrary paths must not add rows. */
const PATHS = [
  "/api",
  "/apis",
  "/healthz",
  "/livez",
  "/readyz",
  "/metrics",
  "/metrics/slis",
  "/statusz",
  "/flagz",
  "/version",
  "/openapi/v2",
];

const NOTHING = { group: "", version: "", resource: "", subresource: "", scope: "" };

/** Upstream's verb of a request; `apply` is a patch that is an apply. */
export function verbOf({ verb, subresource }: LabelledRequest, apply: boolean): string {
  if (CONNECTIONS.has(subresource)) return "CONNECT";
  return apply ? "APPLY" : (own(VERBS, verb) ?? "OTHER");
}

/** One object, those of a namespace, or all. */
function scopeOf({ name, verb, namespace, resourceRequest }: LabelledRequest): string {
  if (name !== "" || verb === "create") return "resource";
  if (namespace !== "") return "namespace";
  return resourceRequest ? "cluster" : "";
}

/** Distinguishes the rows of one resource and verb. */
export function placeOf(info: LabelledRequest, resource: LabelledResource | undefined): string {
  if (resource !== undefined) return `${scopeOf(info)} ${info.subresource}`;
  return info.resourceRequest ? "not served" : pathOf(info.path);
}

/**
 * Returns the labels of a request; `resource` is its resource if that is served. A resource that is
 * not served has no name label: a thousand invented names must not add a thousand rows.
 */
export function labelsOf(
  info: LabelledRequest,
  resource: LabelledResource | undefined,
  verb: string,
): RequestLabels {
  if (!info.resourceRequest) {
    return { ...NOTHING, verb, subresource: pathOf(info.path), component: "" };
  }
  if (resource === undefined) return { ...NOTHING, verb, component: "apiserver" };
  const { group, version, resource: plural, subresource } = info;
  const scope = scopeOf(info);
  return { verb, group, version, resource: plural, subresource, scope, component: "apiserver" };
}

function pathOf(path: string): string {
  if (path === "/openapi/v3" || path.startsWith("/openapi/v3/")) return "openapi/v3";
  return PATHS.find((each) => each === path) ?? "";
}
