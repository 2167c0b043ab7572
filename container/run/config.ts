import { readFileSync } from "node:fs";
import path from "node:path";
import { MASKED_PATHS, READONLY_PATHS } from "@raft2kube/linux/proc/confined-paths.ts";
import {
  ContainerConfig,
  MountPropagation,
  NamespaceMode,
  SecurityProfile_ProfileType as Profile,
  Signal,
} from "@raft2kube/proto/gen/cri.ts";
import { isCdiName } from "@raft2kube/runtime/container/cdi.ts";
import type { OciExtras } from "@raft2kube/runtime/container/record.ts";
import { criSignal } from "@raft2kube/runtime/container/signals.ts";
import type { HealthCheck, ImageDefaults } from "@raft2kube/runtime/image/config.ts";
import type { BlockIo } from "@raft2kube/runtime/oci/devices.ts";
import type { OciMount } from "@raft2kube/runtime/oci/spec.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { annotationOf, type Hand, type HandMount, type RestartPolicy } from "../engine/hand.ts";
import { HEALTH_IMAGE_INTERVAL_MS } from "../limits.ts";
import type { RunFlags } from "./flags.ts";
import { badFlag, booleanOf, bytesOf, healthSettings, integerOf, pairsOf } from "./values.ts";

const CPU_PERIOD_US = 100_000;
const INIT_PLACE = "/sbin/docker-init";
const NS_PER_MS = 1e6;

/** Variables of `--env-file` and `-e`, the later ones last. */
export function environmentOf({ env, envFile }: Pick<RunFlags, "env" | "envFile">) {
  const fromHere = (name: string) => process.env[name];
  const lines = envFile
    .map((file) => readFileSync(file, "utf8").replace(/^\uFEFF/, ""))
    .flatMap((text) => text.split(/\r?\n/).map((line) => line.trimStart()))
    .filter((line) => line !== "" && !line.startsWith("#"));
  return { ...pairsOf("--env-file", lines, fromHere), ...pairsOf("-e", env, fromHere) };
}

export function restartOf(text: string): RestartPolicy {
  const [name = "", times] = text.split(":");
  if (name === "on-failure") {
    return times === undefined ? { name } : { name, times: integerOf("--restart", times, 1) };
  }
  if (times === undefined && (name === "no" || name === "always" || name === "unless-stopped")) {
    return { name };
  }
  throw badFlag("--restart", text, "not no, always, unless-stopped or on-failure[:N]");
}

/** The health check of flags over the image's; undefined for none. */
export function healthOf(flags: RunFlags, image: ImageDefaults): HealthCheck | undefined {
  if (!flags.healthcheck) return undefined;
  const { healthCmd } = flags;
  const own = healthSettings("--health-", {
    interval: flags.healthInterval,
    timeout: flags.healthTimeout,
    "start-period": flags.healthStartPeriod,
    "start-interval": flags.healthStartInterval,
    retries: flags.healthRetries,
  });
  const check: HealthCheck = {
    ...image.Healthcheck,
    ...floored(image.Healthcheck),
    ...(healthCmd !== undefined && { Test: ["CMD-SHELL", healthCmd] }),
    ...own,
  };
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

function limitsOf(flags: RunFlags) {
  const cpus = flags.cpus === undefined ? undefined : Number(flags.cpus);
  if (cpus !== undefined && !(cpus > 0)) throw badFlag("--cpus", flags.cpus!, "no number");
  const memory = flags.memory === undefined ? 0 : bytesOf("-m", flags.memory);
  const { memorySwap = "0" } = flags;
  const swap = memorySwap === "-1" ? -1 : bytesOf("--memory-swap", memorySwap);
  if (swap !== 0 && (memory === 0 || (swap > 0 && swap < memory))) {
    throw badFlag("--memory-swap", memorySwap, "is of memory and swap: no less than -m");
  }
  return {
    ...(cpus && { cpuPeriod: CPU_PERIOD_US, cpuQuota: Math.round(cpus * CPU_PERIOD_US) }),
    cpuShares: flags.cpuShares === undefined ? 0 : integerOf("--cpu-shares", flags.cpuShares, 2),
    cpusetCpus: flags.cpusetCpus ?? "",
    cpusetMems: flags.cpusetMems ?? "",
    oomScoreAdj: integerOf("--oom-score-adj", flags.oomScoreAdj ?? "0", -1000, 1000),
    memoryLimitInBytes: memory,
    memorySwapLimitInBytes: swap,
  };
}

/** The limits of block devices; undefined without one. */
function blockIoLimits(flags: RunFlags): BlockIo | undefined {
  const limits = (name: string, texts: readonly string[], valueOf: typeof integerOf) =>
    texts.map((text) => {
      const [, path = "", value = ""] = /^(\/[^:]*):([^:]+)$/.exec(text) ?? [];
      if (path === "") throw badFlag(name, text, "not DEVICE:LIMIT");
      return { path, limit: valueOf(name, value) };
    });
  // 0 is docker's word for none.
  const weightOf = (name: string, text: string) =>
    text === "0" ? 0 : integerOf(name, text, 10, 1000);
  const weight = flags.blkioWeight && weightOf("--blkio-weight", flags.blkioWeight);
  const blockIo = {
    ...(weight && { weight }),
    weights: limits("--blkio-weight-device", flags.blkioWeightDevice, weightOf).filter(
      ({ limit }) => limit > 0,
    ),
    readBps: limits("--device-read-bps", flags.deviceReadBps, bytesOf),
    writeBps: limits("--device-write-bps", flags.deviceWriteBps, bytesOf),
    readIops: limits("--device-read-iops", flags.deviceReadIops, integerOf),
    writeIops: limits("--device-write-iops", flags.deviceWriteIops, integerOf),
  };
  const isAny = Object.values(blockIo).some(
    (limit) => typeof limit === "number" || limit.length > 0,
  );
  return isAny ? blockIo : undefined;
}

/** CRI's word for the signal of `--stop-signal`, a name or number; by default the image's. */
export function stopSignalOf(text = ""): Signal {
  if (text === "") return Signal.RUNTIME_DEFAULT;
  try {
    const found = criSignal(text);
    if (found !== Signal.RUNTIME_DEFAULT) return found;
  } catch (thrown) {
    throw badFlag("--stop-signal", text, messageOf(thrown));
  }
  throw badFlag("--stop-signal", text, "no signal such as SIGUSR1");
}

/** The settings of `--security-opt`; those of AppArmor and SELinux, which are not applied, off. */
function securityOf(flags: RunFlags) {
  let seccomp = profileOf("builtin");
  let [noNewPrivs, masks] = [false, true];
  for (const option of flags.securityOpt) {
    const [name = "", value = ""] = option.split(/[=:](.*)/s);
    if (name === "no-new-privileges") noNewPrivs = booleanOf("--security-opt", value || "true");
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
export function modesOf({ pid, ipc }: RunFlags, { network }: Hand) {
  return {
    network: network === "host" ? NamespaceMode.NODE : NamespaceMode.POD,
    pid: pid === "host" ? NamespaceMode.NODE : NamespaceMode.CONTAINER,
    ipc: ipc === "host" ? NamespaceMode.NODE : NamespaceMode.POD,
  };
}

/** A container's configuration in CRI's words. */
export function containerConfig(
  flags: RunFlags,
  wish: { hand: Hand; imageId: string; image: ImageDefaults },
): ContainerConfig {
  const { hand, imageId, image } = wish;
  const command = [...(hand.entrypoint ?? []), ...(hand.cmd ?? [])];
  const env = environmentOf(flags);
  return ContainerConfig.decode(
    ContainerConfig.encode({
      metadata: { name: hand.name, attempt: 0 },
      image: { image: imageId, userSpecifiedImage: hand.image },
      command: hand.hasInit ? [INIT_PLACE, "--", ...command] : command,
      workingDir: flags.workdir ?? "",
      envs: Object.entries(env).map(([key, value]) => ({ key, value })),
      mounts: hand.mounts.filter(({ type }) => type !== "tmpfs").map(criMount),
      devices: flags.device.filter((flag) => !isCdiName(flag)).map(deviceOf),
      CDIDevices: flags.device.filter(isCdiName).map((name) => ({ name })),
      labels: { ...image.Labels, ...pairsOf("-l", flags.label) },
      annotations: annotationOf(hand),
      // In a sandbox that others share.
      logPath: `${hand.log}/container.log`,
      stdin: flags.interactive,
      stdinOnce: flags.interactive && !flags.tty,
      tty: flags.tty,
      stopSignal: stopSignalOf(flags.stopSignal),
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

function criMount({ source, destination, isReadOnly }: HandMount) {
  return {
    containerPath: destination,
    hostPath: source,
    readonly: isReadOnly,
    propagation: MountPropagation.PROPAGATION_PRIVATE,
  };
}

function memoryMount(destination: string, options: string): OciMount {
  const given = options.split(",").filter(Boolean);
  const standard = ["nosuid", "nodev", "noexec"].filter((word) => !given.includes(word.slice(2)));
  const kept = given.filter((word) => !["suid", "dev", "exec"].includes(word));
  return { destination, type: "tmpfs", source: "tmpfs", options: [...standard, ...kept] };
}

function rlimitOf(flag: string) {
  const [, name = "", first = "", second = first] =
    /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(flag) ?? [];
  if (name === "") throw badFlag("--ulimit", flag, "not NAME=SOFT[:HARD]");
  const value = (text: string) => (text === "-1" ? Number.MAX_SAFE_INTEGER : Number(text));
  return { type: `RLIMIT_${name.toUpperCase()}`, soft: value(first), hard: value(second) };
}

/** Returns the settings of flags that CRI has no words for. */
export function extrasOf(
  flags: RunFlags,
  { init, tmpfs }: { init?: string; tmpfs: readonly { destination: string; options?: string }[] },
): OciExtras {
  const mounts = tmpfs.map(({ destination, options }) => memoryMount(destination, options ?? ""));
  if (flags.shmSize !== undefined) {
    const size = bytesOf("--shm-size", flags.shmSize);
    mounts.push(memoryMount("/dev/shm", `mode=1777,size=${size}`));
  }
  if (init !== undefined) {
    const options = ["rbind", "rprivate", "ro"];
    mounts.push({ destination: INIT_PLACE, type: "bind", source: init, options });
  }
  const blockIo = blockIoLimits(flags);
  const annotations = pairsOf("--annotation", flags.annotation);
  const pids = flags.pidsLimit === undefined ? -1 : integerOf("--pids-limit", flags.pidsLimit, -1);
  return {
    ...(flags.user && { user: flags.user }),
    ...(flags.groupAdd.length > 0 && { groups: flags.groupAdd }),
    ...(flags.ulimit.length > 0 && { rlimits: flags.ulimit.map(rlimitOf) }),
    ...(pids > 0 && { pids }),
    ...(blockIo && { blockIo }),
    ...(flags.annotation.length > 0 && { annotations }),
    ...(mounts.length > 0 && { mounts }),
  };
}
