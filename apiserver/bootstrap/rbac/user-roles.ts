import {
  allow,
  allowPaths,
  APPS,
  BATCH,
  CORE,
  DISCOVERY,
  NETWORKING,
  POLICY,
  type PolicyRole,
  RBAC,
  READ,
  RESOURCE,
  WRITE,
} from "./policy.ts";

const TO = "rbac.authorization.k8s.io/aggregate-to-";

const HEALTH_PATHS = "/healthz /livez /readyz /version /version/";
const DISCOVERY_PATHS = "/api /api/* /apis /apis/* /openapi /openapi/*";

const VIEWED_CORE =
  "bindings configmaps endpoints events limitranges namespaces namespaces/status " +
  "persistentvolumeclaims persistentvolumeclaims/status pods pods/log pods/status " +
  "replicationcontrollers replicationcontrollers/scale replicationcontrollers/status " +
  "resourcequotas resourcequotas/status serviceaccounts services services/status";
const VIEWED_APPS =
  "controllerrevisions daemonsets daemonsets/status deployments deployments/scale " +
  "deployments/status replicasets replicasets/scale replicasets/status statefulsets " +
  "statefulsets/scale statefulsets/status";
const VIEWED_NETWORKING = "ingresses ingresses/status networkpolicies";

const EDITED_CORE =
  "configmaps events persistentvolumeclaims replicationcontrollers " +
  "replicationcontrollers/scale secrets serviceaccounts services services/proxy";
const EDITED_APPS =
  "daemonsets deployments deployments/rollback deployments/scale replicasets " +
  "replicasets/scale statefulsets statefulsets/scale";

/** Roles for people, and for everybody (upstream's bootstrappolicy.ClusterRoles). */
export const USER_ROLES: readonly PolicyRole[] = [
  { name: "cluster-admin", rules: [allow("*", "*", "*"), allowPaths("*", "*")] },
  {
    name: "system:discovery",
    rules: [allowPaths("get", `${HEALTH_PATHS} ${DISCOVERY_PATHS}`)],
  },
  { name: "system:public-info-viewer", rules: [allowPaths("get", HEALTH_PATHS)] },
  {
    name: "system:monitoring",
    rules: [
      allowPaths(
        "get",
        "/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*",
      ),
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
        "/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks " +
          "/openid/v1/jwks/",
      ),
    ],
  },
  { name: "admin", rules: [], aggregates: `${TO}admin` },
  { name: "edit", rules: [], aggregates: `${TO}edit`, labels: { [`${TO}admin`]: "true" } },
  { name: "view", rules: [], aggregates: `${TO}view`, labels: { [`${TO}edit`]: "true" } },
  {
    name: "system:aggregate-to-admin",
    labels: { [`${TO}admin`]: "true" },
    rules: [
      allow("create", "authorization.k8s.io", "localsubjectaccessreviews"),
      allow([...WRITE, ...READ], RBAC, "rolebindings roles"),
    ],
  },
  {
    name: "system:aggregate-to-edit",
    labels: { [`${TO}edit`]: "true" },
    rules: [
      allow(READ, CORE, "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
      allow("impersonate", CORE, "serviceaccounts"),
      allow(WRITE, CORE, "pods pods/attach pods/exec pods/portforward pods/proxy"),
      allow("create", CORE, "pods/eviction serviceaccounts/token"),
      allow(WRITE, CORE, EDITED_CORE),
      allow(WRITE, APPS, EDITED_APPS),
      allow(WRITE, "autoscaling", "horizontalpodautoscalers"),
      allow(WRITE, BATCH, "cronjobs jobs"),
      allow(WRITE, POLICY, "poddisruptionbudgets"),
      allow(WRITE, NETWORKING, "ingresses networkpolicies"),
      allow([...WRITE, ...READ], "coordination.k8s.io", "leases"),
      allow(WRITE, RESOURCE, "resourceclaims resourceclaimtemplates"),
    ],
  },
  {
    name: "system:aggregate-to-view",
    labels: { [`${TO}view`]: "true" },
    rules: [
      allow(READ, CORE, VIEWED_CORE),
      allow(READ, DISCOVERY, "endpointslices"),
      allow(READ, APPS, VIEWED_APPS),
      allow(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
      allow(READ, BATCH, "cronjobs cronjobs/status jobs jobs/status"),
      allow(READ, POLICY, "poddisruptionbudgets poddisruptionbudgets/status"),
      allow(READ, NETWORKING, VIEWED_NETWORKING),
      allow(READ, RESOURCE, "resourceclaims resourceclaims/status resourceclaimtemplates"),
    ],
  },
];
