const IMAGE = "r2k.local/busybox:1";

interface Manifest {
  /** Where it is posted. */
  readonly path: string;
  readonly object: object;
}

/** A pod template whose container ends immediately on SIGTERM. */
function template(name: string, command: readonly string[], extra: object = {}) {
  const container = {
    name: "main",
    image: IMAGE,
    command,
    resources: { requests: { cpu: "1m", memory: "4Mi" } },
  };
  return {
    metadata: { labels: { app: name } },
    spec: { terminationGracePeriodSeconds: 1, containers: [container], ...extra },
  };
}

const SERVE = ["sh", "-c", "echo started; exec httpd -f -p 8080"];

type Place = (group: string, plural: string, object: object) => Manifest;

const named = (name: string) => ({ metadata: { name } });
const selector = (app: string) => ({ matchLabels: { app } });

/** One object of each common kind, in one namespace. */
export function manifests(namespace: string): Manifest[] {
  const at: Place = (group, plural, object) => {
    const root = group.includes("/") ? `/apis/${group}` : `/api/${group}`;
    return { path: `${root}/namespaces/${namespace}/${plural}`, object };
  };
  return [...configuration(at, namespace), ...workloads(at), ...policies(at)];
}

function configuration(at: Place, namespace: string): Manifest[] {
  const role = { kind: "Role", name: "reader", apiGroup: "rbac.authorization.k8s.io" };
  return [
    at("v1", "configmaps", { ...named("settings"), data: { text: "x".repeat(1_000) } }),
    at("v1", "secrets", { ...named("secret"), stringData: { password: "secret" } }),
    at("v1", "serviceaccounts", named("worker")),
    at("v1", "limitranges", {
      ...named("limits"),
      spec: { limits: [{ type: "Container", defaultRequest: { cpu: "1m" } }] },
    }),
    at("v1", "resourcequotas", { ...named("quota"), spec: { hard: { pods: "50" } } }),
    at("v1", "services", {
      ...named("web"),
      spec: { selector: { app: "web" }, ports: [{ port: 80, targetPort: 8080 }] },
    }),
    at("v1", "persistentvolumeclaims", {
      ...named("data"),
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Mi" } } },
    }),
    at("rbac.authorization.k8s.io/v1", "roles", {
      ...named("reader"),
      rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }],
    }),
    at("rbac.authorization.k8s.io/v1", "rolebindings", {
      ...named("reader"),
      roleRef: role,
      subjects: [{ kind: "ServiceAccount", name: "worker", namespace }],
    }),
  ];
}

function workloads(at: Place): Manifest[] {
  return [
    at("apps/v1", "deployments", {
      ...named("web"),
      spec: { replicas: 2, selector: selector("web"), template: template("web", SERVE) },
    }),
    at("apps/v1", "statefulsets", {
      ...named("db"),
      spec: {
        serviceName: "db",
        selector: selector("db"),
        template: template("db", ["sleep", "3600"]),
      },
    }),
    at("batch/v1", "jobs", {
      ...named("task"),
      spec: { template: template("task", ["true"], { restartPolicy: "Never" }) },
    }),
    at("batch/v1", "cronjobs", {
      ...named("later"),
      spec: {
        schedule: "0 0 1 1 *",
        jobTemplate: {
          spec: { template: template("later", ["true"], { restartPolicy: "Never" }) },
        },
      },
    }),
    at("v1", "pods", {
      ...named("task"),
      spec: {
        restartPolicy: "Never",
        containers: [{ name: "main", image: IMAGE, command: ["true"] }],
      },
    }),
    at("v1", "pods", {
      ...named("reader"),
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            ...{ name: "main", image: IMAGE, command: ["sleep", "3600"] },
            volumeMounts: [{ name: "data", mountPath: "/data" }],
          },
        ],
        volumes: [{ name: "data", persistentVolumeClaim: { claimName: "data" } }],
      },
    }),
  ];
}

function policies(at: Place): Manifest[] {
  return [
    at("policy/v1", "poddisruptionbudgets", {
      ...named("web"),
      spec: { minAvailable: 1, selector: selector("web") },
    }),
    at("networking.k8s.io/v1", "networkpolicies", {
      ...named("open"),
      spec: { podSelector: {}, ingress: [{}], policyTypes: ["Ingress"] },
    }),
    at("autoscaling/v2", "horizontalpodautoscalers", {
      ...named("web"),
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" },
        maxReplicas: 3,
      },
    }),
    at("coordination.k8s.io/v1", "leases", named("lease")),
  ];
}
