import type { Hand, HandContainer, HandMount } from "../engine/hand.ts";
import { healthFile, readHealth } from "../engine/health.ts";
import type { Engine } from "../engine/open-engine.ts";
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
    Running: phase.state === "running",
    Paused: Status === "paused",
    Restarting: false,
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

function mountDocument({ type, name, source, destination, isReadOnly }: HandMount): object {
  return {
    Type: type,
    ...(name !== undefined && { Name: name, Driver: "local" }),
    Source: type === "tmpfs" ? "" : source,
    Destination: destination,
    Mode: isReadOnly ? "ro" : "",
    RW: !isReadOnly,
    Propagation: type === "bind" ? "rprivate" : "",
  };
}

function portsDocument({ ports }: Hand): object {
  const found: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { hostIp, hostPort, containerPort, protocol } of ports) {
    const key = `${containerPort}/${protocol}`;
    found[key] = [
      ...(found[key] ?? []),
      { HostIp: hostIp || "0.0.0.0", HostPort: String(hostPort) },
    ];
  }
  return found;
}

function hostConfig({ record, hand }: HandContainer): object {
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
    Memory: Number(resources?.memoryLimitInBytes ?? 0),
    NanoCpus: Number(resources?.cpuQuota ?? 0) * 10_000,
    CpuShares: Number(resources?.cpuShares ?? 0),
    CpusetCpus: resources?.cpusetCpus ?? "",
    PidsLimit: record.extras?.pids ?? null,
    Privileged: context?.privileged ?? false,
    ReadonlyRootfs: context?.readonlyRootfs ?? false,
    CapAdd: context?.capabilities?.addCapabilities ?? [],
    CapDrop: context?.capabilities?.dropCapabilities ?? [],
    ExtraHosts: hand.addedHosts,
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
  const lower = image.diffIds.map((id) => runtime.images.layers.folder(id)).reverse();
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
    HostConfig: hostConfig(container),
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
      Hostname: hand.hostname,
      User: `${record.user.uid}:${record.user.gid}`,
      Tty: config.tty,
      OpenStdin: config.stdin,
      Env: config.envs.map(({ key, value }) => `${key}=${value}`),
      Cmd: config.command,
      Image: hand.image,
      WorkingDir: config.workingDir,
      Labels: config.labels,
      StopSignal: record.stopSignal,
      ...(hand.health && { Healthcheck: hand.health }),
    },
    NetworkSettings: {
      SandboxID: record.sandboxId,
      SandboxKey: sandbox?.netns ?? "",
      IPAddress,
      Gateway: network?.gateway ?? "",
      Ports: portsDocument(hand),
      Networks: { [hand.network]: { IPAddress, Gateway: network?.gateway ?? "" } },
    },
  };
}
