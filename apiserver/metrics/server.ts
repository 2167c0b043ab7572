import { addMetric, type Count, CounterFamily } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { API_LEVEL, versionInfo } from "../object/version.ts";

/** How a client wants the kubelet of a log to be believed. */
type LogUsage = "enforce_tls" | "skip_tls_allowed";

/** What this server is, and what goes wrong at its edges. */
export class ServerMetrics {
  /** Connections that never became one. */
  readonly handshakeErrors: Count;
  readonly #logs: readonly CounterFamily[];
  readonly #logFailures: readonly Count[];

  constructor(registry: Registry) {
    const counter = (name: string, help: string) => new CounterFamily(registry, name, help);
    this.handshakeErrors = counter("apiserver_tls_handshake_errors_total",
      "Connections given up before their TLS handshake was done.").of();
    // Upstream has each under an older name, too.
    const both = (name: string, help: string) => ["", "pods_logs_"].map((older) =>
      counter(`kube_apiserver_pod_logs_${older}${name}`, help));
    this.#logs = both("insecure_backend_total",
      "Logs asked for, by how their kubelets are believed.");
    this.#logFailures = both("backend_tls_failure_total",
      "Logs whose kubelet showed a certificate that is not believed.").map((each) => each.of());
    showVersion(registry);
  }

  logAsked(usage: LogUsage): void {
    for (const family of this.#logs) family.of({ usage }).add();
  }

  logNotBelieved(): void {
    for (const count of this.#logFailures) count.add();
  }
}

function showVersion(registry: Registry): void {
  const one = (name: string, help: string, labels: Record<string, string>) =>
    addMetric(registry, { name, help, type: "gauge" }, () => [{ labels, value: 1 }]);
  const version = versionInfo();
  const [major = "", minor = ""] = API_LEVEL.split(".");
  const level = `${major}.${minor}`;
  one("version_info", "The API level that is served, and the oldest it is compatible with.", {
    component: "kube", binary: level, emulation: level,
    min_compat: `${version.minCompatibilityMajor}.${version.minCompatibilityMinor}`,
  });
  one("kubernetes_build_info", "What this server was built from.", {
    major, minor,
    git_version: version.gitVersion,
    git_commit: version.gitCommit,
    git_tree_state: version.gitTreeState,
    build_date: version.buildDate,
    go_version: version.goVersion,
    compiler: version.compiler,
    platform: version.platform,
  });
}
