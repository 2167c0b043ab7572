import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { getLink, openRoute, setLink } from "@raft2kube/linux/netlink/link.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type ContainerConfig,
  ContainerState,
  type ContainerStatus,
  NamespaceMode,
  type PodSandboxMetadata,
  RuntimeService,
  type RuntimeServiceMethods,
} from "@raft2kube/proto/gen/cri.ts";
import { type Channel, client, connectGrpc, type RpcClient } from "@raft2kube/rpc/client.ts";
import { busyboxRecipe } from "@raft2kube/runtime/build/busybox.ts";
import { buildImage } from "@raft2kube/runtime/build/image-builder.ts";
import { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { type RuntimeHandle, startRuntime } from "@raft2kube/runtime/main.ts";
import { runtimePaths } from "@raft2kube/runtime/paths.ts";
import type { ProcessIdentity } from "@raft2kube/runtime/process-identity.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { delay, WaitTimeoutError, waitFor } from "@raft2kube/std/wait.ts";
import { stillAtWork } from "../check.ts";
import { idleClock } from "../idle-clock.ts";
import { judge } from "../judge.ts";
import { QUIET_S } from "../quiet.ts";
import { judgeCalls } from "../rpc-calls.ts";
import { NotedNetwork } from "./network.ts";

/** How long a call may take, and a container's end is waited for, by the idle clock. */
const ANSWER_MS_MAX = QUIET_S * 1_000;
/** A runtime's delays from here on go by the idle clock, and its polls by the machine's. */
const DELAY_MS_MIN = 200;
const system = systemClock();
const clock: Clock = {
  ...system,
  after: (delay_ms, fn) => (delay_ms < DELAY_MS_MIN ? system : idleClock).after(delay_ms, fn),
};
/** Clock of waits: it polls as often as the machine's, and gives up by the idle clock. */
const waits: Clock = { ...system, monotonic: () => idleClock.monotonic() };
const IMAGE = "r2k.local/busybox:1";
/** The applets that the checks' scripts run: each is a link that every machine would unpack. */
const APPLETS: ReadonlySet<string> = new Set(["sh", "sleep", "head", "true"]);
/** Output that ExecSync calls keep together: little, as a check fills it. */
export const EXEC_OUTPUT_BYTES = 1 << 20;
/** The images of all machines of this process: no check changes them. */
const IMAGES = join(tmpdir(), `r2k-cri-images-${process.pid}-${Date.now()}`);
process.once("exit", () => rmSync(IMAGES, { recursive: true, force: true }));

/** The path of a program of this machine. */
function programOf(name: string, packageName: string): string {
  const folders = (process.env["PATH"] ?? "").split(":");
  const found = folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new Error(`lab 10 runs containers: install ${packageName} (there is no ${name} in PATH)`);
}

/**
 * An OCI runtime that is crun, with two additions: a command whose file `refuse-COMMAND` exists
 * fails, and `create` first keeps a copy of the container's record as `at-create`.
 */
function ociProgram(dir: string, containers: string): string {
  const file = join(dir, "crun");
  const lines = [
    "#!/bin/sh",
    "for last; do :; done",
    `record="${containers}/$last/container.json"`,
    `case " $* " in *" create "*) cp "$record" "${dir}/at-create";; esac`,
    `for word; do if [ -e "${dir}/refuse-$word" ]; then exit 1; fi; done`,
    `exec "${programOf("crun", "crun")}" "$@"`,
  ];
  writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o755 });
  return file;
}

/** The runtime listens for streams on loopback; containers run busybox. */
async function prepare(): Promise<void> {
  using route = openRoute();
  setLink(route, getLink(route, "lo"), { up: true });
  const images = new ImageStore(IMAGES, () => []);
  await images.open();
  const recipe = await busyboxRecipe(programOf("busybox", "busybox-static"));
  const entries = recipe.entries.filter(({ type, name }) => {
    return type !== "symlink" || APPLETS.has(basename(name));
  });
  await buildImage(images, { ...recipe, entries });
}

let prepared: Promise<void> | undefined;

/** Judges a call that is not answered in time. */
async function inTime<T>(method: string, answer: Promise<T>): Promise<T> {
  const timeout = Promise.withResolvers<"late">();
  const timer = idleClock.after(ANSWER_MS_MAX, () => timeout.resolve("late"));
  const answered = answer.then((value) => ({ value })).finally(() => timer.cancel());
  const first = await Promise.race([answered, timeout.promise]);
  stillAtWork();
  if (first !== "late") return first.value;
  answered.catch(() => undefined);
  return judge(false, {
    when: method,
    happened: `no answer, and nothing at work for ${QUIET_S} s`,
    expected: "an answer: what it waits for does not happen",
    why: "the kubelet's worker of this pod waits too: the pod is neither started nor removed",
  });
}

type Runtime = RpcClient<RuntimeServiceMethods>;
type Call = (request: object) => Promise<unknown>;

/** A client whose calls are judged when they are not answered in time. */
function inTimeClient(runtime: Runtime): Runtime {
  return new Proxy(runtime, {
    get: (calls, name: keyof Runtime & string) => (request: object) => {
      return inTime(name, (calls[name] as unknown as Call)(request));
    },
  });
}

/** The command line of a process; empty when it has ended meanwhile. */
function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", "ESRCH")) return "";
    throw thrown;
  }
}

/** Pods of all machines of this process. */
let pods = 0;
/** How long a runtime may take to end before its files go, by the idle clock. */
const CLOSE_MS_MAX = 1_000;

/** A machine whose runtime is the reader's: crun and conmon are real, the network is noted. */
export class Machine {
  readonly dir: string;
  readonly network = new NotedNetwork();
  readonly paths: ReturnType<typeof runtimePaths>;
  readonly #oci: string;
  #handle: RuntimeHandle | undefined;
  #channel: Channel | undefined;
  runtime!: Runtime;

  constructor(dir: string) {
    this.dir = dir;
    this.paths = runtimePaths(join(dir, "data"), join(dir, "run"));
    this.#oci = ociProgram(dir, this.paths.containers);
    mkdirSync(this.paths.root);
    symlinkSync(IMAGES, this.paths.images);
    NotedNetwork.install(join(dir, "net.d"), join(dir, "bin"));
  }

  /** Starts the runtime, on the state that an earlier one left. */
  async start(): Promise<void> {
    const socket = join(this.dir, "cri.sock");
    this.#handle = await startRuntime({
      socket,
      stateDir: this.paths.state,
      rootDir: this.paths.root,
      cniConfDir: join(this.dir, "net.d"),
      cniBinDirs: [join(this.dir, "bin")],
      cniInvoke: this.network.invoke,
      cgroupParent: "/lab",
      cgroups: "none",
      ociRuntime: { path: this.#oci, kind: "crun" },
      conmon: programOf("conmon", "conmon"),
      pausePath: programOf("catatonit", "catatonit"),
      execOutput_bytes: EXEC_OUTPUT_BYTES,
      clock,
    });
    this.#channel = connectGrpc(`unix://${socket}`);
    this.runtime = inTimeClient(client(this.#channel, RuntimeService));
  }

  /** Ends the runtime; containers keep running. */
  async stop(): Promise<void> {
    this.#channel?.close();
    await this.#handle?.close();
    this.#handle = undefined;
  }

  /** Runs a sandbox of a name of its own, or of this one. */
  async sandbox(metadata: Init<PodSandboxMetadata> = this.name()): Promise<string> {
    const namespaceOptions = { pid: NamespaceMode.CONTAINER };
    const config = {
      metadata,
      logDirectory: join(this.dir, "logs", metadata.name ?? ""),
      linux: { securityContext: { namespaceOptions } },
    };
    return (await this.runtime.runPodSandbox({ config })).podSandboxId;
  }

  /** A name that no other sandbox has. */
  name() {
    const name = `pod-${++pods}`;
    return { name, namespace: "lab", uid: name, attempt: 0 };
  }

  /** Creates a container that runs a shell script. */
  async create(
    podSandboxId: string,
    script: string,
    config: Init<ContainerConfig> = {},
  ): Promise<string> {
    const name = config.metadata?.name ?? "main";
    const { containerId } = await this.runtime.createContainer({
      podSandboxId,
      config: {
        metadata: { name, attempt: 0 },
        image: { image: IMAGE },
        command: ["sh", "-c", script],
        logPath: `${name}.log`,
        ...config,
      },
    });
    return containerId;
  }

  /** Creates a container and starts it. */
  async container(
    podSandboxId: string,
    script: string,
    config: Init<ContainerConfig> = {},
  ): Promise<string> {
    const containerId = await this.create(podSandboxId, script, config);
    await this.runtime.startContainer({ containerId });
    return containerId;
  }

  /** The status of a container. */
  async status(containerId: string): Promise<ContainerStatus> {
    return (await this.runtime.containerStatus({ containerId })).status!;
  }

  /** The state of a container in one line: `EXITED 3 Error`. */
  async state(containerId: string): Promise<string> {
    const { state, exitCode, reason } = await this.status(containerId);
    const name = Object.entries(ContainerState).find(([, value]) => value === state)?.[0] ?? "";
    const ended = state === ContainerState.CONTAINER_EXITED ? ` ${exitCode} ${reason}` : "";
    return `${name.replace("CONTAINER_", "")}${ended}`;
  }

  /** The state of a container once it has ended; RUNNING when it has not in time. */
  async ended(containerId: string): Promise<string> {
    const ended = async () => (await this.state(containerId)).startsWith("EXITED");
    await eventually(ended);
    return this.state(containerId);
  }

  /** The log of a container, once it has this word in it, or as it is in the end. */
  async log(containerId: string, word: string): Promise<string> {
    const { logPath } = await this.status(containerId);
    const text = () => (existsSync(logPath) ? readFileSync(logPath, "utf8") : "");
    await eventually(() => text().includes(word));
    return text();
  }

  /** The process of a sandbox or container, as its record has it. */
  async processOf(id: string): Promise<ProcessIdentity> {
    const isSandbox = existsSync(join(this.paths.sandboxes, id));
    const { info } = isSandbox
      ? await this.runtime.podSandboxStatus({ podSandboxId: id, verbose: true })
      : await this.runtime.containerStatus({ containerId: id, verbose: true });
    const { pause, phase } = JSON.parse(info["info"]!) as {
      pause?: ProcessIdentity;
      phase?: { process?: ProcessIdentity };
    };
    return pause ?? phase?.process ?? { pid: 0, startTicks: "" };
  }

  /** Makes an empty file in a container's root, as another process of it would. */
  write(containerId: string, name: string): void {
    writeFileSync(join(this.paths.container(containerId).rootfs, name), "");
  }

  /** Makes a command of the OCI runtime fail from now on, or no longer. */
  async refuse(command: string, fails = true): Promise<void> {
    const file = join(this.dir, `refuse-${command}`);
    if (fails) writeFileSync(file, "");
    else await rm(file);
  }

  /** Names what this machine has of an id: records, files, mounts, OCI state, an address. */
  remains(id: string): string[] {
    const { paths } = this;
    const folders: readonly (readonly [string, string])[] = [
      ["record", paths.sandboxes],
      ["record", paths.containers],
      ["netns", paths.netns],
      ["files", join(paths.state, "sandboxes")],
      ["files", join(paths.state, "containers")],
      ["OCI state", paths.oci],
    ];
    const found = folders.filter(([, folder]) => existsSync(join(folder, id)));
    const isMounted = mountPointsBelow(this.dir).some((point) => point.includes(id));
    return [
      ...found.map(([name]) => name),
      ...(isMounted ? ["mounts"] : []),
      ...(this.network.addresses.has(id) ? ["address"] : []),
    ];
  }

  /** Ids of all sandboxes and containers of which something is on disk. */
  ids(): string[] {
    const { sandboxes, containers, netns, oci } = this.paths;
    const folders = [sandboxes, containers, netns, oci].filter((folder) => existsSync(folder));
    return [...new Set(folders.flatMap((folder) => readdirSync(folder)))];
  }

  /** Whether a program with this word in its command line runs. */
  runs(word: string): boolean {
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    return pids.some((pid) => commandLineOf(pid).split("\0").includes(word));
  }

  async close(): Promise<void> {
    await Promise.race([this.stop(), delay(idleClock, CLOSE_MS_MAX)]);
    for (const point of mountPointsBelow(this.dir)) unmount(point, { detach: true });
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** Waits until a condition is true, or as long as a call may take. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await waitFor("it", condition, { clock: waits, timeout_ms: ANSWER_MS_MAX });
  } catch (thrown) {
    if (thrown instanceof WaitTimeoutError) return false;
    throw thrown;
  }
}

/** Runs a check on a machine of its own, whose runtime serves unless `start` is false. */
export async function withMachine(
  body: (machine: Machine) => Promise<void>,
  start = true,
): Promise<void> {
  await (prepared ??= prepare());
  // Short: a socket's path takes 107 bytes, and has a container's id in it.
  const machine = new Machine(await realpath(await mkdtemp(join(tmpdir(), "r2k-cri-"))));
  try {
    await judgeCalls(async () => {
      if (start) await machine.start();
      await body(machine);
    }, "the kubelet reports FailedCreatePodSandBox or Failed, and tries again later");
  } catch (thrown) {
    // The judgement of a runtime that hangs does not wait for its end.
    machine.close().catch(() => undefined);
    throw thrown;
  }
  await machine.close();
}
