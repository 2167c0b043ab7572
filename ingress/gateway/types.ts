import type { Condition, LabelSelector, ObjectMeta } from "@raft2kube/api/gen/meta/v1.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";

/** The API's group. Its CRDs check what they can: fields here have the types that they say. */
export const GROUP = "gateway.networking.k8s.io";

const resource = <T extends KubeObject>(
  kind: string,
  plural: string,
  namespaced = true,
  version = "v1",
): ResourceType<T> => ({ group: GROUP, version, plural, namespaced, kind });

export const GATEWAY_CLASSES = resource<GatewayClass>("GatewayClass", "gatewayclasses", false);
export const GATEWAYS = resource<Gateway>("Gateway", "gateways");
export const HTTP_ROUTES = resource<Route>("HTTPRoute", "httproutes");
export const GRPC_ROUTES = resource<Route>("GRPCRoute", "grpcroutes");
export const REFERENCE_GRANTS = resource<ReferenceGrant>(
  "ReferenceGrant",
  "referencegrants",
  true,
  "v1beta1",
);

export interface GatewayClass extends KubeObject {
  spec: { controllerName: string };
  status?: { conditions?: Condition[] };
}

export type Reference = { group?: string; kind?: string; namespace?: string; name: string };

export interface Listener {
  name: string;
  hostname?: string;
  port: number;
  protocol: string;
  tls?: { mode?: string; certificateRefs?: Reference[] };
  allowedRoutes?: {
    namespaces?: { from?: string; selector?: LabelSelector };
    kinds?: { group?: string; kind: string }[];
  };
}

export interface Gateway extends KubeObject {
  spec: { gatewayClassName: string; listeners: Listener[] };
  status?: {
    addresses?: { type: string; value: string }[];
    conditions?: Condition[];
    listeners?: {
      name: string;
      supportedKinds: { group: string; kind: string }[];
      attachedRoutes: number;
      conditions: Condition[];
    }[];
  };
}

export type ParentReference = Reference & { sectionName?: string; port?: number };

export type NamedValue = { type?: string; name: string; value: string };

export type PathModifier = { type: string; replaceFullPath?: string; replacePrefixMatch?: string };

export type HeaderModifier = { set?: NamedValue[]; add?: NamedValue[]; remove?: string[] };

export interface RouteFilter {
  type: string;
  requestHeaderModifier?: HeaderModifier;
  responseHeaderModifier?: HeaderModifier;
  requestRedirect?: {
    scheme?: "http" | "https";
    hostname?: string;
    port?: number;
    statusCode?: number;
    path?: PathModifier;
  };
  urlRewrite?: { hostname?: string; path?: PathModifier };
}

/** A match of either kind of route: HTTPRoutes have `path`, GRPCRoutes an object `method`. */
export interface RouteMatch {
  path?: { type?: string; value?: string };
  headers?: NamedValue[];
  queryParams?: NamedValue[];
  method?: string | { type?: string; service?: string; method?: string };
}

export type BackendReference = Reference & { port?: number; weight?: number; filters?: unknown[] };

export interface RouteRule {
  matches?: RouteMatch[];
  filters?: RouteFilter[];
  backendRefs?: BackendReference[];
  timeouts?: { request?: string; backendRequest?: string };
}

/** The conditions of a route at one of its parents. */
export interface RouteParentStatus {
  parentRef: ParentReference;
  controllerName: string;
  conditions: Condition[];
}

export interface Route extends KubeObject {
  kind: "HTTPRoute" | "GRPCRoute";
  metadata: ObjectMeta;
  spec: { parentRefs?: ParentReference[]; hostnames?: string[]; rules?: RouteRule[] };
  status?: { parents?: RouteParentStatus[] };
}

export interface ReferenceGrant extends KubeObject {
  spec: {
    from: { group: string; kind: string; namespace: string }[];
    to: { group: string; kind: string; name?: string }[];
  };
}
