import { readFileSync } from "node:fs";
import path from "node:path";
import { MASKED_PATHS, READONLY_PATHS } from "@raft2kube/linux/proc/confined-paths.ts";
import {
  ContainerConfig,
  MountPropagation,
  NamespaceMode,
  PodSandboxConfig,
  SecurityProfile_ProfileType as Profile,
  Protocol,
  Signal,
} from "@raft2kube/proto/gen/cri.ts";
import { isCdiName } from "@raft2kube/runtime/container/cdi.ts";
import type { OciExtras } from "@raft2kube/runtime/container/record.ts";
import type { HealthCheck, ImageDefaults } from "@raft2kube/runtime/image/config.ts";
import type { BlockIo } from "@raft2kube/runtime/oci/devices.ts";
import type { OciMount } from "@raft2kube/runtime/oci/spec.ts";
import { given } from "@raft2kube/std/given.ts";
import { annotationOf, type Hand, type PublishedPort } from "../engine/hand.ts";
import { NAMESPACE, NETWORK_ANNOTATION } from "../engine/sandbox.ts";
import { HEALTH_IMAGE_INTERVAL_MS } from "../limits.ts";
import type { RunFlags } from "./flags.ts";
import { badFlag, booleanOf, read } from "./values.ts";

const CPU_PERIOD_US = 100_000;
const INIT_PLACE = "/sbin/docker-init";
const NS_PER_MS = 1e6;

/** Variables of `--env-file` and `-e`, the later ones last. */
export function environmentOf({ env, envFile }: Pick<RunFlags, "env" | "envFile">) {
  return new Map([...envFile, ...env]);
}

/** The health check of flags over the image's; undefined for none. */
export function healthOf(flags: RunFlags, image: ImageDefaults): HealthCheck | undefined {
  if (!flags.healthcheck) return undefined;
  const own = {
    Test: flags.healthCmd === undefined ? undefined : ["CMD-SHELL", flags.healthCmd],
    Interval: flags.healthInterval,
    Timeout: flags.healthTimeout,
    StartPeriod: flags.healthStartPeriod,
    StartInterval: flags.healthStartInterval,
    Retries: flags.healthRetries,
  };
  const check: HealthCheck = { ...image.Healthcheck, ...floored(image.Healthcheck), ...given(own) };
  return check.Test === undefined || check.Test[0] === "NONE" ? undefined : check;
}

/** The intervals of an image, which does not choose how busy its host is. */
function floored({ Interval, StartInterval }: HealthCheck = {}): HealthCheck {
  const least_ns = HEALTH_IMAGE_INTERVAL_MS * NS_PER_MS;
  return {
    ...(Interval && { Interval: Math.max(Interval, least_ns) }),
    ...(StartInterval && { StartInterval: Math.max(StartInterval, least_ns) }),
  };
}

function limitsOf({ cpus, memory = 0, memorySwap = 0, ...flags }: RunFlags) {
  if (memorySwap !== 0 && (memory === 0 || (memorySwap > 0 && memorySwap < memory))) {
    const why = "is of memory and swap: no less than -m";
    throw badFlag("--memory-swap", String(memorySwap), why);
  }
  return {
    ...(cpus && { cpuPeriod: CPU_PERIOD_US, cpuQuota: Math.round(cpus * CPU_PERIOD_US) }),
    cpuShares: flags.cpuShares ?? 0,
    cpusetCpus: flags.cpusetCpus ?? "",
    cpusetMems: flags.cpusetMems ?? "",
    oomScoreAdj: flags.oomScoreAdj ?? 0,
    memoryLimitInBytes: memory,
    memorySwapLimitInBytes: memorySwap,
  };
}

/** The limits of block devices; undefined without one. */
function blockIoLimits(flags: RunFlags): BlockIo | undefined {
  const blockIo = {
    ...(flags.blkioWeight && { weight: flags.blkioWeight }),
    weights: flags.blkioWeightDevice.filter(({ limit }) => limit > 0),
    readBps: flags.deviceReadBps,
    writeBps: flags.deviceWriteBps,
    readIops: flags.deviceReadIops,
    writeIops: flags.deviceWriteIops,
  };
  const isAny = Object.values(blockIo).some(
    (limit) => typeof limit === "number" || limit.length > 0,
  );
  return isAny ? blockIo : undefined;
}

/** The settings of `--security-opt`; those of AppArmor and SELinux, which are not applied, off. */
function securityOf(flags: RunFlags) {
  let seccomp = profileOf("builtin");
  let [noNewPrivs, masks] = [false, true];
  for (const option of flags.securityOpt) {
    const [name = "", value = ""] = option.split(/[=:](.*)/s);
    if (name === "no-new-privileges")
      noNewPrivs = read("--security-opt", value || "true", booleanOf);
    else if (name === "seccomp") seccomp = profileOf(value);
    else if (option.replace(":", "=") === "systempaths=unconfined") masks = false;
    else if (!/^(apparmor[=:]unconfined|label[=:]disable)$/.test(option)) {
      throw badFlag("--security-opt", option, "is not supported");
    }
  }
  return {
    seccomp,
    noNewPrivs,
    maskedPaths: masks ? MASKED_PATHS : [],
    readonlyPaths: masks ? READONLY_PATHS : [],
  };
}

function profileOf(value: string): { profileType: Profile; localhostRef: string } {
  if (value === "builtin") return { profileType: Profile.RuntimeDefault, localhostRef: "" };
  if (value === "unconfined") return { profileType: Profile.Unconfined, localhostRef: "" };
  return { profileType: Profile.Localhost, localhostRef: path.resolve(value) };
}

function deviceOf(flag: string) {
  const [hostPath = "", second = hostPath, third] = flag.split(":");
  const isMode = /^[rwm]+$/.test(second);
  return {
    hostPath,
    containerPath: isMode ? hostPath : second,
    permissions: isMode ? second : (third ?? "rwm"),
  };
}

/** The two parts of a command: `--entrypoint` replaces the image's, and its arguments. */
export function commandOf(
  { entrypoint }: RunFlags,
  args: readonly string[],
  image: ImageDefaults,
): Required<Pick<Hand, "entrypoint" | "cmd">> {
  if (entrypoint !== undefined) {
    return { entrypoint: entrypoint === "" ? [] : [entrypoint], cmd: [...args] };
  }
  return {
    entrypoint: [...(image.Entrypoint ?? [])],
    cmd: [...(args.length > 0 ? args : (image.Cmd ?? []))],
  };
}

/** The namespaces of a container and of its sandbox. */
const modesOf = ({ pid, ipc }: RunFlags, { network }: Hand) => ({
  network: network === "host" ? NamespaceMode.NODE : NamespaceMode.POD,
  pid: pid === "host" ? NamespaceMode.NODE : NamespaceMode.CONTAINER,
  ipc: ipc === "host" ? NamespaceMode.NODE : NamespaceMode.POD,
});

/** The flags' DNS, with the machine's servers where they give others alone; else none. */
export function dnsOf(
  { dns, dnsSearch, dnsOption }: Pick<RunFlags, "dns" | "dnsSearch" | "dnsOption">,
  hosts = () => readFileSync("/etc/resolv.conf", "utf8"),
) {
  const needsServers = dns.length === 0 && dnsSearch.length + dnsOption.length > 0;
  const found = needsServers ? hosts().matchAll(/^nameserver\s+(\S+)/gm) : [];
  const servers = needsServers ? [...found].map(([, server]) => server!) : dns;
  return { servers, searches: dnsSearch, options: dnsOption };
}

const PROTOCOLS = { tcp: Protocol.TCP, udp: Protocol.UDP, sctp: Protocol.SCTP } as const;

/** A port of all addresses is one of the loopback too, which portmap serves by its address alone. */
function portMappings({ hostIp, hostPort, containerPort, protocol }: PublishedPort) {
  const isAll = hostIp === "" || hostIp === "0.0.0.0";
  return (isAll ? ["", "127.0.0.1"] : [hostIp]).map((address) => {
    return { hostIp: address, hostPort, containerPort, protocol: PROTOCOLS[protocol] };
  });
}

/** The configuration of a container's sandbox in CRI's words. */
export function sandboxConfig(
  flags: RunFlags,
  { hand, id, logDirectory }: { hand: Hand; id: string; logDirectory: string },
): PodSandboxConfig {
  return PodSandboxConfig.decode(
    PodSandboxConfig.encode({
      metadata: { name: hand.name, namespace: NAMESPACE, uid: id, attempt: 0 },
      hostname: hand.network === "host" ? "" : hand.hostname,
      logDirectory,
      dnsConfig: dnsOf(flags),
      portMappings: hand.ports.flatMap(portMappings),
      annotations: { ...Object.fromEntries(flags.annotation), [NETWORK_ANNOTATION]: hand.network },
      linux: {
        sysctls: Object.fromEntries(flags.sysctl),
        securityContext: {
          privileged: flags.privileged,
          seccomp: profileOf("builtin"),
          namespaceOptions: modesOf(flags, hand),
        },
      },
    }),
  );
}

/** A container's configuration in CRI's words. */
export function containerConfig(
  flags: RunFlags,
  wish: { hand: Hand; imageId: string; image: ImageDefaults },
): ContainerConfig {
  const { hand, imageId, image } = wish;
  const command = [...(hand.entrypoint ?? []), ...(hand.cmd ?? [])];
  return ContainerConfig.decode(
    ContainerConfig.encode({
      metadata: { name: hand.name, attempt: 0 },
      image: { image: imageId, userSpecifiedImage: hand.image },
      command: hand.hasInit ? [INIT_PLACE, "--", ...command] : command,
      workingDir: flags.workdir ?? "",
      envs: [...environmentOf(flags)].map(([key, value]) => ({ key, value })),
      mounts: hand.mounts
        .filter(({ type }) => type !== "tmpfs")
        .map(({ source: hostPath, destination: containerPath, isReadOnly: readonly }) => {
          const propagation = MountPropagation.PROPAGATION_PRIVATE;
          return { containerPath, hostPath, readonly, propagation };
        }),
      devices: flags.device.filter((flag) => !isCdiName(flag)).map(deviceOf),
      CDIDevices: flags.device.filter(isCdiName).map((name) => ({ name })),
      labels: { ...image.Labels, ...Object.fromEntries(flags.label) },
      annotations: annotationOf(hand),
      // In a sandbox that others share.
      logPath: `${hand.log}/container.log`,
      stdin: flags.interactive,
      stdinOnce: flags.interactive && !flags.tty,
      tty: flags.tty,
      stopSignal: flags.stopSignal ?? Signal.RUNTIME_DEFAULT,
      linux: {
        resources: limitsOf(flags),
        securityContext: {
          privileged: flags.privileged,
          capabilities: { addCapabilities: flags.capAdd, dropCapabilities: flags.capDrop },
          namespaceOptions: modesOf(flags, hand),
          readonlyRootfs: flags.readOnly,
          ...securityOf(flags),
        },
      },
    }),
  );
}

function memoryMount(destination: string, options: string): OciMount {
  const given = options.split(",").filter(Boolean);
  const standard = ["nosuid", "nodev", "noexec"].filter((word) => !given.includes(word.slice(2)));
  const kept = given.filter((word) => !["suid", "dev", "exec"].includes(word));
  return { destination, type: "tmpfs", source: "tmpfs", options: [...standard, ...kept] };
}

/** Returns the settings of flags that CRI has no words for. */
export function extrasOf(
  flags: RunFlags,
  { init, tmpfs }: { init?: string; tmpfs: readonly { destination: string; options?: string }[] },
): OciExtras {
  const mounts = tmpfs.map(({ destination, options }) => memoryMount(destination, options ?? ""));
  if (flags.shmSize !== undefined) {
    mounts.push(memoryMount("/dev/shm", `mode=1777,size=${flags.shmSize}`));
  }
  if (init !== undefined) {
    const options = ["rbind", "rprivate", "ro"];
    mounts.push({ destination: INIT_PLACE, type: "bind", source: init, options });
  }
  const blockIo = blockIoLimits(flags);
  const { annotation, groupAdd, ulimit, pidsLimit: pids = -1 } = flags;
  return {
    ...(flags.user && { user: flags.user }),
    ...(groupAdd.length > 0 && { groups: groupAdd }),
    ...(ulimit.length > 0 && { rlimits: ulimit }),
    ...(pids > 0 && { pids }),
    ...(blockIo && { blockIo }),
    ...(annotation.length > 0 && { annotations: Object.fromEntries(annotation) }),
    ...(mounts.length > 0 && { mounts }),
  };
}
