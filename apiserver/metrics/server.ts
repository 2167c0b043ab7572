import { addMetric, MetricArea } from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { API_LEVEL, versionInfo } from "../object/version.ts";
import type { Labels } from "./families.ts";

/** The server's own metrics, and errors of its connections. */
export class ServerMetrics extends MetricArea {
  /** Connections that never became one. */
  readonly handshakeErrors = this.counter(
    "apiserver_tls_handshake_errors_total",
    "Connections given up before their TLS handshake was done.",
  ).of();

  constructor(registry: Registry) {
    super(registry);
    showVersion(registry);
  }
}

function showVersion(registry: Registry): void {
  const one = (name: string, help: string, labels: Labels) =>
    addMetric(registry, { name, help, type: "gauge" }, () => [{ labels, value: 1 }]);
  const version = versionInfo();
  const { major, minor, goVersion: go_version, compiler, platform } = version;
  one("version_info", "The API level that is served, and the oldest it is compatible with.", {
    component: "kube",
    binary: API_LEVEL.replace(/\.\d+$/, ""),
    emulation: API_LEVEL.replace(/\.\d+$/, ""),
    min_compat: `${version.minCompatibilityMajor}.${version.minCompatibilityMinor}`,
  });
  const { gitVersion: git_version, gitCommit: git_commit, gitTreeState: git_tree_state } = version;
  one("kubernetes_build_info", "What this server was built from.", {
    ...{ major, minor, git_version, git_commit, git_tree_state },
    ...{ build_date: version.buildDate, go_version, compiler, platform },
  });
}
