import {
  AttachRequest,
  ContainerStatusRequest,
  CreateContainerRequest,
  ExecRequest,
  ExecSyncRequest,
  ListContainersRequest,
  ListPodSandboxRequest,
  PortForwardRequest,
  PullImageRequest,
  RunPodSandboxRequest,
  UpdateContainerResourcesRequest,
} from "@raft2kube/proto/gen/cri.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { capabilitySets, ownCapabilities } from "@raft2kube/runtime/oci/capabilities.ts";
import { devicesFor } from "@raft2kube/runtime/oci/devices.ts";
import { combineMounts, rootPropagation } from "@raft2kube/runtime/oci/mounts.ts";
import { resourcesFor } from "@raft2kube/runtime/oci/resources.ts";
import { sysctlsFor } from "@raft2kube/runtime/oci/sysctls.ts";
import { hostnameOf, resolvConfText } from "@raft2kube/runtime/sandbox/files.ts";
import { messageCase, messageTarget } from "./message.ts";

const OWN = ownCapabilities("CapEff:\t000001ffffffffff\n");
const resources = {
  cpuShares: 512,
  cpuQuota: 20_000,
  cpuPeriod: 100_000,
  memoryLimitInBytes: 1 << 26,
  oomScoreAdj: 999,
  cpusetCpus: "0-1",
  unified: { "memory.high": "1" },
  hugepageLimits: [{ pageSize: "2MB", limit: 0 }],
};
const sandbox = {
  metadata: { name: "web", uid: "uid", namespace: "default", attempt: 1 },
  hostname: "web",
  logDirectory: "/var/log/pods/web",
  dnsConfig: { servers: ["10.96.0.10"], searches: ["svc.cluster.local"], options: ["ndots:5"] },
  portMappings: [{ protocol: 0, containerPort: 80, hostPort: 8080, hostIp: "" }],
  labels: { app: "web" },
  linux: {
    cgroupParent: "/r2k/web",
    sysctls: { "net.ipv4.tcp_syncookies": "0" },
    securityContext: { namespaceOptions: { network: 0, pid: 1 }, runAsUser: { value: 1000 } },
  },
};
const container = {
  podSandboxId: "sandbox",
  config: {
    metadata: { name: "main", attempt: 2 },
    image: { image: "r2k.local/busybox:1" },
    command: ["sh"],
    args: ["-c", "sleep 1"],
    envs: [{ key: "A", value: "b" }],
    mounts: [{ containerPath: "/data", hostPath: "/nowhere", readonly: true, propagation: 1 }],
    devices: [{ containerPath: "/dev/null", hostPath: "/dev/null", permissions: "rw" }],
    linux: {
      resources,
      securityContext: {
        capabilities: { addCapabilities: ["NET_ADMIN"], dropCapabilities: ["ALL"] },
        supplementalGroups: [1, 2],
        readonlyRootfs: true,
        maskedPaths: ["/proc/kcore"],
      },
    },
  },
  sandboxConfig: sandbox,
};

/** A request that is refused by name was read well. */
function orRefuse(use: () => void): void {
  try {
    use();
  } catch (thrown) {
    if (!(thrown instanceof RuntimeError)) throw thrown;
  }
}

function planSandbox({ config }: RunPodSandboxRequest): void {
  if (!config) return;
  orRefuse(() => resolvConfText(config.dnsConfig, ""));
  hostnameOf(config);
  orRefuse(() => sysctlsFor(config.linux?.sysctls ?? {}, { network: true, ipc: false }));
}

function planContainer({ config }: CreateContainerRequest): void {
  if (!config) return;
  const { linux, mounts, devices } = config;
  for (const cgroupVersion of [1, 2] as const) {
    orRefuse(() => resourcesFor(linux?.resources, { cgroupVersion, fresh: true }));
  }
  const { capabilities } = linux?.securityContext ?? {};
  orRefuse(() => capabilitySets(capabilities, { privileged: false, root: true, own: OWN }));
  // Only devices that every machine has: names are looked up.
  orRefuse(() =>
    devicesFor(
      devices.filter((each) => each.hostPath === "/dev/null"),
      { privileged: false },
    ),
  );
  rootPropagation(mounts);
  combineMounts(
    [],
    mounts.map(({ containerPath, hostPath }) => {
      return { destination: containerPath, source: hostPath, type: "bind", options: [] };
    }),
  );
}

/**
 * Requests of a kubelet to the runtime, and the plans made of them before the machine is touched.
 */
export const criRequest = messageTarget("cri-request", [
  messageCase(RunPodSandboxRequest, { config: sandbox, runtimeHandler: "" }, planSandbox),
  messageCase(CreateContainerRequest, container, planContainer),
  messageCase(
    UpdateContainerResourcesRequest,
    { containerId: "id", linux: resources, annotations: { a: "b" } },
    ({ linux }) => orRefuse(() => resourcesFor(linux, { cgroupVersion: 2 })),
  ),
  messageCase(ExecRequest, { containerId: "id", cmd: ["sh", "-c", "id"], tty: true }),
  messageCase(ExecSyncRequest, { containerId: "id", cmd: ["true"], timeout: 5 }),
  messageCase(AttachRequest, { containerId: "id", stdin: true, stdout: true }),
  messageCase(PortForwardRequest, { podSandboxId: "id", port: [80, 443] }),
  messageCase(PullImageRequest, {
    image: { image: "r2k.local/web:1", annotations: { a: "b" } },
    auth: { username: "u", password: "p", auth: "dTpw" },
    sandboxConfig: sandbox,
  }),
  messageCase(ListContainersRequest, { filter: { id: "i", labelSelector: { a: "b" } } }),
  messageCase(ListPodSandboxRequest, { filter: { id: "i", state: { state: 1 } } }),
  messageCase(ContainerStatusRequest, { containerId: "id", verbose: true }),
]);
