import {
  allow,
  allowPaths,
  ANY_EVENTS,
  APPS,
  BATCH,
  COORDINATION,
  CORE,
  DISCOVERY,
  EVERY,
  NETWORKING,
  POLICY,
  type PolicyRole,
  RBAC,
  READ,
  RESOURCE,
  WRITE,
} from "../../authz/rbac/policy.ts";

const TO = "rbac.authorization.k8s.io/aggregate-to-";

/**
 * Roles for people, and for everybody (upstream's bootstrappolicy.ClusterRoles). `admin`, `edit`
 * and `view` get their rules from the controller that aggregates them.
 */
export const USER_ROLES: readonly PolicyRole[] = [
  { name: "cluster-admin", rules: [allow("*", "*", "*"), allowPaths("*", "*")] },
  {
    name: "system:discovery",
    rules: [
      allowPaths(
        "get",
        "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/",
      ),
    ],
  },
  {
    name: "system:public-info-viewer",
    rules: [allowPaths("get", "/healthz /livez /readyz /version /version/")],
  },
  {
    name: "system:monitoring",
    rules: [
      allowPaths(
        "get",
        "/flagz /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/* " +
          "/statusz",
      ),
      allow("get", CORE, "nodes/metrics"),
    ],
  },
  {
    name: "system:basic-user",
    rules: [
      allow("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
      allow("create", "authentication.k8s.io", "selfsubjectreviews"),
    ],
  },
  {
    name: "system:service-account-issuer-discovery",
    rules: [
      allowPaths(
        "get",
        "/.well-known/openid-configuration /.well-known/openid-configuration/ " +
          "/openid/v1/jwks /openid/v1/jwks/",
      ),
    ],
  },
  { name: "admin", aggregates: `${TO}admin`, rules: [] },
  {
    name: "edit",
    labels: { [`${TO}admin`]: "true" },
    aggregates: `${TO}edit`,
    rules: [],
  },
  {
    name: "view",
    labels: { [`${TO}edit`]: "true" },
    aggregates: `${TO}view`,
    rules: [],
  },
  {
    name: "system:aggregate-to-admin",
    labels: { [`${TO}admin`]: "true" },
    rules: [
      allow("create", "authorization.k8s.io", "localsubjectaccessreviews"),
      allow(EVERY, RBAC, "rolebindings roles"),
    ],
  },
  {
    name: "system:aggregate-to-edit",
    labels: { [`${TO}edit`]: "true" },
    rules: [
      allow(READ, CORE, "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
      allow("impersonate", CORE, "serviceaccounts"),
      allow(WRITE, CORE, "pods pods/attach pods/exec pods/portforward pods/proxy"),
      allow("create", CORE, "pods/eviction"),
      allow(
        WRITE,
        CORE,
        "configmaps persistentvolumeclaims replicationcontrollers " +
          "replicationcontrollers/scale secrets serviceaccounts services services/proxy",
      ),
      allow("create", CORE, "serviceaccounts/token"),
      allow(WRITE, ANY_EVENTS, "events"),
      allow(
        WRITE,
        APPS,
        "daemonsets deployments deployments/rollback deployments/scale replicasets " +
          "replicasets/scale statefulsets statefulsets/scale",
      ),
      allow(WRITE, "autoscaling", "horizontalpodautoscalers"),
      allow(WRITE, BATCH, "cronjobs jobs"),
      allow(
        WRITE,
        "extensions",
        "daemonsets deployments deployments/rollback deployments/scale ingresses " +
          "networkpolicies replicasets replicasets/scale replicationcontrollers/scale",
      ),
      allow(WRITE, POLICY, "poddisruptionbudgets"),
      allow(WRITE, NETWORKING, "ingresses networkpolicies"),
      allow(EVERY, COORDINATION, "leases"),
      allow(WRITE, RESOURCE, "resourceclaims resourceclaimtemplates"),
    ],
  },
  {
    name: "system:aggregate-to-view",
    labels: { [`${TO}view`]: "true" },
    rules: [
      allow(
        READ,
        CORE,
        "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods " +
          "replicationcontrollers replicationcontrollers/scale serviceaccounts services " +
          "services/status",
      ),
      allow(
        READ,
        CORE,
        "bindings limitranges namespaces/status pods/log pods/status " +
          "replicationcontrollers/status resourcequotas resourcequotas/status",
      ),
      allow(READ, CORE, "namespaces"),
      allow(READ, ANY_EVENTS, "events"),
      allow(READ, DISCOVERY, "endpointslices"),
      allow(
        READ,
        APPS,
        "controllerrevisions daemonsets daemonsets/status deployments deployments/scale " +
          "deployments/status replicasets replicasets/scale replicasets/status statefulsets " +
          "statefulsets/scale statefulsets/status",
      ),
      allow(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
      allow(READ, BATCH, "cronjobs cronjobs/status jobs jobs/status"),
      allow(
        READ,
        "extensions",
        "daemonsets daemonsets/status deployments deployments/scale deployments/status " +
          "ingresses ingresses/status networkpolicies replicasets replicasets/scale " +
          "replicasets/status replicationcontrollers/scale",
      ),
      allow(READ, POLICY, "poddisruptionbudgets poddisruptionbudgets/status"),
      allow(READ, NETWORKING, "ingresses ingresses/status networkpolicies"),
      allow(READ, RESOURCE, "resourceclaims resourceclaims/status resourceclaimtemplates"),
    ],
  },
];
