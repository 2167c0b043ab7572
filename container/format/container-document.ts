import { type DNSConfig, NamespaceMode } from "@raft2kube/proto/gen/cri.ts";
import type { BlockIo, DeviceLimit } from "@raft2kube/runtime/oci/devices.ts";
import type { Hand, HandContainer, HandMount } from "../engine/hand.ts";
import { healthFile, readHealth } from "../engine/health.ts";
import type { Engine } from "../engine/open-engine.ts";
import { settingsOf } from "../engine/settings.ts";
import { stateOf } from "../engine/state.ts";

const NEVER = "0001-01-01T00:00:00Z";

function stateDocument(engine: Engine, container: HandContainer): object {
  const { record, hand } = container;
  const { phase } = record;
  const Status = stateOf(engine, container);
  const exit = phase.state === "exited" ? phase.exit : undefined;
  const started_ms = "startedAt_ms" in phase ? phase.startedAt_ms : 0;
  return {
    Status,
    Running: phase.state === "running" || Status === "restarting",
    Paused: Status === "paused",
    Restarting: Status === "restarting",
    OOMKilled: exit?.reason === "OOMKilled",
    Dead: false,
    Pid: phase.state === "running" ? phase.process.pid : 0,
    ExitCode: exit?.exitCode ?? 0,
    Error: exit?.message ?? "",
    StartedAt: started_ms ? new Date(started_ms).toISOString() : NEVER,
    FinishedAt: exit ? new Date(exit.finishedAt_ms).toISOString() : NEVER,
    // A field of templates without a test too; JSON then lacks it.
    Health: hand.health && readHealth(healthFile(engine.host, record.id)),
  };
}

const mountDocument = ({ type, name, source, destination, isReadOnly }: HandMount): object => ({
  Type: type,
  ...(name !== undefined && { Name: name, Driver: "local" }),
  Source: type === "tmpfs" ? "" : source,
  Destination: destination,
  Mode: isReadOnly ? "ro" : "",
  RW: !isReadOnly,
  Propagation: type === "bind" ? "rprivate" : "",
});

type Ports = Record<string, { HostIp: string; HostPort: string }[] | null>;

/** Ports that are published; those that are only exposed have nothing. */
function portsDocument({ ports }: Hand, exposed: object = {}): Ports {
  const found: Ports = Object.fromEntries(Object.keys(exposed).map((port) => [port, null]));
  for (const { hostIp, hostPort, containerPort, protocol } of ports) {
    const key = `${containerPort}/${protocol}`;
    found[key] = [
      ...(found[key] ?? []),
      { HostIp: hostIp || "0.0.0.0", HostPort: String(hostPort) },
    ];
  }
  return found;
}

function blkioDocument(blockIo: BlockIo | undefined): object {
  const rates = (limits: readonly DeviceLimit[] = []) =>
    limits.map(({ path: Path, limit: Rate }) => ({ Path, Rate }));
  return {
    BlkioWeight: blockIo?.weight ?? 0,
    BlkioWeightDevice: (blockIo?.weights ?? []).map(({ path, limit }) => {
      return { Path: path, Weight: limit };
    }),
    BlkioDeviceReadBps: rates(blockIo?.readBps),
    BlkioDeviceWriteBps: rates(blockIo?.writeBps),
    BlkioDeviceReadIOps: rates(blockIo?.readIops),
    BlkioDeviceWriteIOps: rates(blockIo?.writeIops),
  };
}

function hostConfig({ record, hand }: HandContainer, dns: DNSConfig | undefined): object {
  const { resources, securityContext: context } = record.config.linux ?? {};
  const { restart } = hand;
  return {
    NetworkMode: hand.network,
    PortBindings: portsDocument(hand),
    RestartPolicy: {
      Name: restart.name,
      MaximumRetryCount: restart.name === "on-failure" ? (restart.times ?? 0) : 0,
    },
    AutoRemove: hand.removesItself,
    Binds: hand.mounts
      .filter(({ type }) => type !== "tmpfs")
      .map(
        (mount) =>
          `${mount.name ?? mount.source}:${mount.destination}${mount.isReadOnly ? ":ro" : ""}`,
      ),
    LogConfig: { Type: "k8s-file", Config: {} },
    IpcMode: context?.namespaceOptions?.ipc === NamespaceMode.NODE ? "host" : "private",
    PidMode: context?.namespaceOptions?.pid === NamespaceMode.NODE ? "host" : "",
    GroupAdd: record.extras?.groups ?? [],
    Ulimits: (record.extras?.rlimits ?? []).map(({ type, soft, hard }) => {
      return { Name: type.replace("RLIMIT_", "").toLowerCase(), Soft: soft, Hard: hard };
    }),
    MemorySwap: Number(resources?.memorySwapLimitInBytes ?? 0),
    Memory: Number(resources?.memoryLimitInBytes ?? 0),
    NanoCpus: Number(resources?.cpuQuota ?? 0) * 10_000,
    CpuShares: Number(resources?.cpuShares ?? 0),
    CpusetCpus: resources?.cpusetCpus ?? "",
    PidsLimit: record.extras?.pids ?? null,
    ...blkioDocument(record.extras?.blockIo),
    Annotations: record.extras?.annotations ?? null,
    Privileged: context?.privileged ?? false,
    ReadonlyRootfs: context?.readonlyRootfs ?? false,
    CapAdd: context?.capabilities?.addCapabilities ?? [],
    CapDrop: context?.capabilities?.dropCapabilities ?? [],
    ExtraHosts: hand.addedHosts,
    ...{ Dns: dns?.servers ?? [], DnsOptions: dns?.options ?? [], DnsSearch: dns?.searches ?? [] },
    Init: hand.hasInit,
    CgroupParent: record.cgroup,
  };
}

/** A container as docker's inspect has it; its layers' folders are under GraphDriver. */
export function containerDocument(engine: Engine, container: HandContainer): object {
  const { runtime } = engine;
  const { record, hand } = container;
  const { config, image } = record;
  const paths = runtime.paths.container(record.id);
  const sandbox = runtime.sandboxes.find(record.sandboxId);
  const files = runtime.paths.sandbox(record.sandboxId);
  const [IPAddress = ""] = sandbox?.ips ?? [];
  const network = engine.networks.find(hand.network);
  const IPPrefixLen = Number(network?.subnet.split("/")[1] ?? 0);
  const address = { IPAddress, IPPrefixLen, Gateway: network?.gateway ?? "" };
  const settings = settingsOf(engine, container);
  const lower = runtime.images.lowerDirectories(image);
  const [Path = "", ...Args] = config.command;
  return {
    Id: record.id,
    Created: new Date(record.createdAt_ms).toISOString(),
    Path,
    Args,
    State: stateDocument(engine, container),
    Image: image.id,
    ResolvConfPath: files.resolvConf,
    HostnamePath: files.hostname,
    HostsPath: files.hosts,
    LogPath: record.logPath ?? "",
    Name: `/${hand.name}`,
    RestartCount: hand.restarts,
    Driver: "overlay2",
    Platform: "linux",
    HostConfig: hostConfig(container, sandbox?.config.dnsConfig),
    GraphDriver: {
      Name: "overlay2",
      Data: {
        LowerDir: lower.join(":"),
        MergedDir: paths.rootfs,
        UpperDir: paths.upper,
        WorkDir: paths.work,
      },
    },
    Mounts: hand.mounts.map(mountDocument),
    Config: {
      ...{ User: "", Env: [], Cmd: null, Entrypoint: null, WorkingDir: "", ...settings },
      Hostname: hand.hostname,
      Domainname: "",
      StopTimeout: hand.stopTimeout_s,
      Tty: config.tty,
      OpenStdin: config.stdin,
      Image: hand.image,
      Labels: config.labels,
      StopSignal: record.stopSignal,
    },
    NetworkSettings: {
      SandboxID: record.sandboxId,
      SandboxKey: sandbox?.netns ?? "",
      ...address,
      Ports: portsDocument(hand, settings.ExposedPorts),
      Networks: { [hand.network]: address },
    },
  };
}
