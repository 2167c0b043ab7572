// A part of upstream's conformance tests on the clusters of ours and upstream's parts together that
// test/e2e brings up: with R2K_MIXED=1 `npm test -- test/e2e/kubeadm.test.ts`, and the others.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import type { OwnHost } from "../e2e/own-host.ts";
import { TEST_LIMIT_S } from "./limits.ts";
import { runTest } from "./one-test.ts";
import { buildImages, buildPrograms, conformanceNames, PLACES } from "./programs.ts";
import { readRecord, withResult, writeRecord } from "./record.ts";

/** Whether the tests were asked for. */
export const ASKED = process.env["R2K_MIXED"] !== undefined;
export const LIMIT_MS = 3_600_000;
const WORKERS = 3;
const KUBECONFIG = "/etc/kubernetes/admin.conf";

/** The tests of each area cross a seam between parts; none takes a minute. */
const TESTS = [
  "AdmissionWebhook [Privileged:ClusterAdmin] should mutate pod and apply defaults",
  "CustomResourceConversionWebhook [Privileged:ClusterAdmin] should be able to convert from CR v1",
  "Garbage collector should delete RS created by deployment when not orphaning",
  "OrderedNamespaceDeletion namespace deletion should delete pod first",
  "ResourceQuota should create a ResourceQuota and capture the life of a service",
  "Watchers should receive events on concurrent watches in same order",
  "Deployment RollingUpdateDeployment should delete old pods and create new ones",
  "DisruptionController should block an eviction until the PDB is updated",
  "Job should create pods for an Indexed job with completion indexes",
  "[StatefulSetBasic] should have a working scale subresource",
  "ServiceAccountIssuerDiscovery should support OIDC discovery",
  "ServiceAccounts should mount an API token into pods",
  "Kubectl logs logs should be able to retrieve and filter logs",
  "Kubectl replace should update a single-container pod's image",
  "API Server should have Endpoints and EndpointSlices pointing to API Server",
  "DNS should provide DNS for services",
  "EndpointSlice should create Endpoints and EndpointSlices for Pods matching a Service",
  "HostPort validates that there is no conflict",
  "Pods should function for intra-pod communication: http",
  "Pods should function for node-pod communication: udp",
  "Proxy version v1 should proxy through a service and a pod",
  "Services should be able to change the type from ExternalName to NodePort",
  "Services should have session affinity work for NodePort service",
  "lifecycle hook should execute prestop http hook properly",
  "Ephemeral Containers [NodeConformance] will start an ephemeral container",
  "InitContainer [NodeConformance] should invoke init containers on a RestartAlways pod",
  "KubeletManagedEtcHosts should test kubelet managed /etc/hosts file",
  "Pods should run through the lifecycle of Pods and PodStatus",
  "Pods should support remote command execution over websockets",
  "Probing container should be restarted with a /healthz http liveness probe",
  "AllowPrivilegeEscalation should not allow privilege escalation when false",
  "Sysctls [LinuxOnly] [NodeConformance] should support sysctls",
  "Downward API volume should update labels on modification",
  "EmptyDir volumes should support (non-root,0644,tmpfs)",
  "Projected combined should project all components",
  "Subpath Atomic writer volumes should support subpaths with configmap pod [",
];

/** Makes the programs and images where they are missing; resolves with the images' archive. */
export async function conformanceImages(): Promise<string> {
  buildPrograms();
  await buildImages();
  return PLACES.images;
}

/**
 * Runs the tests in the namespaces of a machine of the cluster, and records them in `mixed/NAME`.
 * Resolves with the names of those that did not pass.
 */
export async function conformanceOn(host: OwnHost, name: string): Promise<string[]> {
  const record = join(import.meta.dirname, `mixed/${name}.txt`);
  mkdirSync(dirname(record), { recursive: true });
  const command = `R2K_MIXED=1 npm test -- test/e2e/${name}.test.ts`;
  const head = `# Upstream's conformance tests on a mixed cluster, by ${command}\n`;
  const git = ["rev-parse", "--short=8", "HEAD"];
  const commit = execFileSync("git", git, { encoding: "utf8", cwd: import.meta.dirname }).trim();
  const clock = systemClock();
  const at = {
    ...PLACES,
    kubeconfig: KUBECONFIG,
    enter: (program: string, args: readonly string[]) => host.enter(program, args),
  };
  const wanted = conformanceNames().filter((each) => TESTS.some((text) => each.includes(text)));
  const queue = [...wanted];
  const work = async () => {
    for (let test = queue.shift(); test !== undefined; test = queue.shift()) {
      const start_ms = clock.monotonic();
      const { outcome } = await runTest(at, test, TEST_LIMIT_S);
      const took_s = (clock.monotonic() - start_ms) / 1000;
      const date = new Date(clock.now()).toISOString().slice(0, 10);
      const result = { outcome, date, commit, took_s };
      writeRecord(withResult(readRecord(record), test, result), record, head);
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  const results = readRecord(record);
  return wanted.filter((test) => results.get(test)?.outcome !== "passed");
}
