import type { Container, Lifecycle, Probe } from "@raft2kube/api/gen/core/v1.ts";
import type { Check, Finding, Judged } from "./finding.ts";
import { containersOf, hasOwnUsers, namesWhere } from "./finding.ts";
import { appArmor, seccompBaseline, seLinux } from "./profiles.ts";
import { namedContainers, plural, quoted, settersOf, sortedSet } from "./words.ts";

const CAPABILITIES = new Set(
  (
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID " +
    "SETPCAP SETUID SYS_CHROOT"
  ).split(" "),
);

function capabilities(pod: Judged): Finding | undefined {
  const strange = ({ securityContext }: Container) =>
    (securityContext?.capabilities?.add ?? []).filter((each) => !CAPABILITIES.has(each));
  const names = namesWhere(pod, (each) => strange(each).length > 0);
  if (names.length === 0) return undefined;
  const added = sortedSet(containersOf(pod).flatMap(strange));
  return {
    reason: "non-default capabilities",
    detail:
      `${namedContainers(names)} must not include ${quoted(added)} ` +
      "in securityContext.capabilities.add",
  };
}

function hostNamespaces({ spec }: Judged): Finding | undefined {
  const shared = (["hostNetwork", "hostPID", "hostIPC"] as const).filter((each) => spec[each]);
  if (shared.length === 0) return undefined;
  return { reason: "host namespaces", detail: shared.map((each) => `${each}=true`).join(", ") };
}

function hostPathVolumes({ spec }: Judged): Finding | undefined {
  const names = (spec.volumes ?? []).filter(({ hostPath }) => hostPath).map(({ name }) => name);
  if (names.length === 0) return undefined;
  return {
    reason: "hostPath volumes",
    detail: `${plural(names.length, "volume")} ${quoted(names)}`,
  };
}

function hostPorts(pod: Judged): Finding | undefined {
  const portsOf = ({ ports = [] }: Container) =>
    ports.flatMap(({ hostPort = 0 }) => (hostPort === 0 ? [] : [String(hostPort)]));
  const names = namesWhere(pod, (each) => portsOf(each).length > 0);
  if (names.length === 0) return undefined;
  const ports = sortedSet(containersOf(pod).flatMap(portsOf));
  const [use, port] = [plural(names.length, "uses", "use"), plural(ports.length, "hostPort")];
  return {
    reason: "hostPort",
    detail: `${namedContainers(names)} ${use} ${port} ${ports.join(", ")}`,
  };
}

/** Hosts that the kubelet would be made to call. */
function hostsOf(container: Container): string[] {
  const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
  const handlers: (Probe | Lifecycle["postStart"])[] = [
    livenessProbe,
    readinessProbe,
    startupProbe,
    lifecycle?.postStart,
    lifecycle?.preStop,
  ];
  return handlers.flatMap((handler) =>
    [handler?.httpGet?.host, handler?.tcpSocket?.host].filter((host) => !!host),
  ) as string[];
}

function hostProbes(pod: Judged): Finding | undefined {
  const names = sortedSet(namesWhere(pod, (each) => hostsOf(each).length > 0));
  if (names.length === 0) return undefined;
  const hosts = sortedSet(containersOf(pod).flatMap(hostsOf));
  const use = plural(names.length, "uses", "use");
  const what = plural(hosts.length, "probe or lifecycle host");
  return {
    reason: "probe or lifecycle host",
    detail: `${namedContainers(names)} ${use} ${what} ${quoted(hosts)}`,
  };
}

function privileged(pod: Judged): Finding | undefined {
  const names = namesWhere(pod, ({ securityContext }) => securityContext?.privileged === true);
  if (names.length === 0) return undefined;
  const detail = `${namedContainers(names)} must not set securityContext.privileged=true`;
  return { reason: "privileged", detail };
}

/** The restricted level has it for pods with users of their own too, as upstream. */
export function procMount(pod: Judged): Finding | undefined {
  const mountOf = ({ securityContext }: Container) => securityContext?.procMount ?? "Default";
  const names = namesWhere(pod, (each) => mountOf(each) !== "Default");
  if (names.length === 0) return undefined;
  const types = sortedSet(containersOf(pod).map(mountOf)).filter((each) => each !== "Default");
  return {
    reason: "procMount",
    detail: `${namedContainers(names)} must not set securityContext.procMount to ${quoted(types)}`,
  };
}

/** Sysctls that have no effect outside the pod, and the version since which they are allowed. */
const SYSCTLS: Readonly<Record<string, number>> = {
  "kernel.shm_rmid_forced": 0,
  "net.ipv4.ip_local_port_range": 0,
  "net.ipv4.tcp_syncookies": 0,
  "net.ipv4.ping_group_range": 0,
  "net.ipv4.ip_unprivileged_port_start": 0,
  "net.ipv4.ip_local_reserved_ports": 27,
  "net.ipv4.tcp_keepalive_time": 29,
  "net.ipv4.tcp_fin_timeout": 29,
  "net.ipv4.tcp_keepalive_intvl": 29,
  "net.ipv4.tcp_keepalive_probes": 29,
  "net.ipv4.tcp_rmem": 32,
  "net.ipv4.tcp_wmem": 32,
};

function sysctls({ spec, minor }: Judged): Finding | undefined {
  const names = (spec.securityContext?.sysctls ?? [])
    .map(({ name }) => name)
    .filter((name) => !(Object.hasOwn(SYSCTLS, name) && SYSCTLS[name]! <= minor));
  return names.length === 0 ? undefined : { reason: "forbidden sysctls", detail: names.join(", ") };
}

function hostProcess(pod: Judged): Finding | undefined {
  const names = namesWhere(
    pod,
    ({ securityContext }) => securityContext?.windowsOptions?.hostProcess === true,
  );
  const byPod = pod.spec.securityContext?.windowsOptions?.hostProcess === true;
  const setters = settersOf(byPod, names);
  if (setters.length === 0) return undefined;
  const what = "must not set securityContext.windowsOptions.hostProcess=true";
  return { reason: "hostProcess", detail: `${setters.join(" and ")} ${what}` };
}

/** The baseline level's rules, in upstream's order. */
export const BASELINE: readonly Check[] = [
  { id: "appArmorProfile", since: 0, find: appArmor },
  { id: "capabilities_baseline", since: 0, find: capabilities },
  { id: "hostNamespaces", since: 0, find: hostNamespaces },
  { id: "hostPathVolumes", since: 0, find: hostPathVolumes },
  { id: "hostPorts", since: 0, find: hostPorts },
  { id: "hostProbesAndHostLifecycle", since: 34, find: hostProbes },
  { id: "privileged", since: 0, find: privileged },
  { id: "procMount", since: 0, find: (pod) => (hasOwnUsers(pod) ? undefined : procMount(pod)) },
  { id: "seLinuxOptions", since: 0, find: seLinux },
  { id: "seccompProfile_baseline", since: 0, find: seccompBaseline },
  { id: "sysctls", since: 0, find: sysctls },
  { id: "windowsHostProcess", since: 0, find: hostProcess },
];
