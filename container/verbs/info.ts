import { arch, cpus, hostname, release, totalmem } from "node:os";
import { runCommand } from "@raft2kube/runtime/command.ts";
import { hostPlatform } from "@raft2kube/runtime/image/manifest.ts";
import { withEngine } from "../engine/engine.ts";
import type { Host } from "../engine/host.ts";
import { print } from "../format/list.ts";
import { FORMAT, verb } from "../verb.ts";
import { printDocuments } from "./inspect.ts";

function show(value: object, format: string | undefined): void {
  if (format !== undefined) return printDocuments([value], format);
  print(Object.entries(value).map(([name, field]) => `${name}: ${String(field)}`));
}

async function versionOf(program: string): Promise<string> {
  const { stdout } = await runCommand(program, ["--version"]);
  return /\d+(\.\d+)+/.exec(stdout.toString())?.[0] ?? "unknown";
}

const versions = async (host: Host) => ({
  Version: host.version,
  Crun: await versionOf(host.crun),
  Conmon: await versionOf(host.conmon),
  Os: "linux",
  Arch: hostPlatform().architecture,
  KernelVersion: release(),
});

export const info = verb(
  "info",
  "This machine and what it has.",
  FORMAT,
  async (host, _, flags) => {
    const found = await withEngine(host, async ({ containers, runtime, volumes }) => {
      const all = containers.all();
      const running = all.filter(({ record }) => record.phase.state === "running").length;
      return {
        Containers: all.length,
        ContainersRunning: running,
        Images: runtime.images.list().length,
        Volumes: (await volumes.list()).length,
        ContainersStopped: all.length - running,
        Driver: "overlay2",
        CgroupDriver: "cgroupfs",
        CgroupVersion: String(runtime.cgroups.version),
        DockerRootDir: host.root,
        ImagesDir: host.imagesDir,
      };
    });
    // The processor as the kernel names it.
    const Architecture = { x64: "x86_64", arm64: "aarch64" }[arch() as string] ?? arch();
    const machine = { Name: hostname(), NCPU: cpus().length, MemTotal: totalmem() };
    const words = { ServerVersion: host.version, OSType: "linux", Architecture };
    show({ ...found, ...words, ...machine, ...(await versions(host)) }, flags.format);
  },
);

export const version = verb(
  "version",
  "Versions of this program and of those that it drives.",
  FORMAT,
  async (host, _, { format }) => {
    const own = await versions(host);
    // docker's templates name the program that is asked and the one that does it: here one.
    show(format === undefined ? own : { Client: own, Server: own }, format);
  },
);
