import { own } from "@raft2kube/std/own.ts";

/** What a request asks for, as far as labels are made of it. */
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

/** What requests are told by, under upstream's names. */
export interface RequestLabels {
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly scope: string;
  readonly component: string;
}

/** Upstream tells verbs by their methods but for those that a method does not tell. */
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

/** Subresources by which a client is connected with what runs. */
export const CONNECTIONS: ReadonlySet<string> =
  new Set(["log", "exec", "attach", "portforward", "proxy"]);

/** Paths that are told by name: what anybody may make up must not make rows. */
const PATHS = [
  "/api", "/apis", "/healthz", "/livez", "/readyz", "/metrics", "/metrics/slis", "/statusz",
  "/flagz", "/version", "/openapi/v2",
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

/** What tells the rows of one subject and verb apart. */
export function placeOf(info: LabelledRequest, resource: LabelledResource | undefined): string {
  if (resource !== undefined) return `${scopeOf(info)} ${info.subresource}`;
  return info.resourceRequest ? "not served" : pathOf(info.path);
}

/**
 * The labels of a request; `resource` is what it asks for, where that is served. What is not is
 * told without its name: who asks for a thousand names that nobody has must not make as many rows.
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
