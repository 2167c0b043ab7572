import { type ChildProcess, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ImageService, PodSandboxState, RuntimeService } from "@raft2kube/proto/gen/cri.ts";
import { type Channel, client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { identify } from "@raft2kube/runtime/process-identity.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { killed } from "../../../testing/killed.ts";
import { waitFor } from "../../../testing/wait.ts";
import { readyBundle, spawnBundled } from "../bundled.ts";
import type { Served } from "./implementation.ts";
import { Pods } from "./pods.ts";
import { createRuntimeHost, type RuntimeHost } from "./runtime-host.ts";

describe.runIf(process.getuid?.() === 0)("the runtime as a process, killed", () => {
  let host: RuntimeHost;
  let child: ChildProcess;
  let channel: Channel;
  let served: Served;
  let pods: Pods;

  async function launch(): Promise<void> {
    const args = [
      "--listen",
      `unix://${host.dir}/cri.sock`,
      "--root",
      `${host.dir}/data`,
      "--state",
      `${host.dir}/run`,
      "--cni-conf-dir",
      host.cniConfDir,
      "--cni-bin-dir",
      "/usr/lib/cni",
      "--cgroup-parent",
      host.cgroupParent,
      "--demo-images",
    ];
    child = spawnBundled(["runtime", ...args], { stdio: ["ignore", "ignore", "inherit"] });
    const built = async () =>
      (await served.images.imageStatus({ image: { image: "r2k.local/web:2" } })).image;
    await waitFor("the runtime with its images", built);
  }
  async function kill(signal: NodeJS.Signals): Promise<void> {
    await killed(child, signal);
  }

  beforeAll(async () => {
    await readyBundle();
    host = createRuntimeHost();
    channel = connectGrpc(`unix://${host.dir}/cri.sock`);
    served = {
      runtime: client(channel, RuntimeService),
      images: client(channel, ImageService),
      async restart() {
        await kill("SIGKILL");
        await launch();
      },
      close: () => kill("SIGTERM"),
    };
    pods = new Pods(served, host);
    await launch();
  });
  afterAll(async () => {
    await pods.removeAll();
    await served.close();
    channel.close();
    await host.close();
  });

  test("a container that ended with its conmon is reported at once", async () => {
    const pod = await pods.run();
    const id = await pods.start(pod, { command: ["sleep", "1000"] });
    const read = (name: string) =>
      Number(readFileSync(join(host.dir, "run/containers", id, name), "utf8"));
    const [conmon, main] = [read("conmon.pid"), read("pid")];
    await kill("SIGKILL");
    for (const pid of [conmon, main]) process.kill(pid, "SIGKILL");
    await waitFor("them to be gone", () => !existsSync(`/proc/${main}`));
    await launch();
    const reported = await pods.exited(id);
    expect(reported).toMatchObject({ exitCode: 255, reason: "Unknown" });
    // One that is waited for in vain is called silent.
    expect(reported.message).toContain("its conmon was gone");
  });

  test("a container whose conmon was killed is ended and reported", async () => {
    const id = await pods.start(await pods.run(), { command: ["sleep", "1000"] });
    const read = (name: string) =>
      Number(readFileSync(join(host.dir, "run/containers", id, name), "utf8"));
    const [conmon, main] = [read("conmon.pid"), read("pid")];
    process.kill(conmon, "SIGKILL");
    const reported = await pods.exited(id);
    expect(reported).toMatchObject({ exitCode: 255, reason: "Unknown" });
    expect(reported.message).toContain("its conmon was gone");
    await waitFor("its process to end", () => identify(main) === undefined);
  });

  for (const [when, restarts] of [
    ["while it runs", false],
    ["before it starts", true],
  ] as const) {
    test(`pods whose files are deleted ${when} end, and others run`, async () => {
      const pod = await pods.run();
      const id = await pods.start(pod, { command: ["sleep", "1000"] });
      if (restarts) await kill("SIGKILL");
      for (const folder of readdirSync(join(host.dir, "run"))) {
        if (folder.startsWith("cgroup")) continue;
        spawnSync("sh", ["-c", `umount $(findmnt -rno TARGET | grep ${host.dir}/run/${folder}/)`]);
        rmSync(join(host.dir, "run", folder), { recursive: true });
      }
      if (restarts) await launch();
      expect(await pods.exited(id)).toMatchObject({ exitCode: 255, reason: "Unknown" });
      const state = async () =>
        (await served.runtime.podSandboxStatus({ podSandboxId: pod })).status?.state;
      await waitFor("the pod", async () => (await state()) === PodSandboxState.SANDBOX_NOTREADY);
      await served.runtime.removePodSandbox({ podSandboxId: pod });
      const brief = await pods.start(await pods.run(), { command: ["sh", "-c", "exit 9"] });
      expect(await pods.exited(brief)).toMatchObject({ exitCode: 9, reason: "Error" });
    });
  }

  test("containers continue, keep their log, and exits meanwhile are reported", async () => {
    const pod = await pods.run();
    const steady = await pods.start(pod, {
      command: ["sh", "-c", "while true; do echo tick; sleep 0.05; done"],
      config: { metadata: { name: "steady", attempt: 0 } },
    });
    const brief = await pods.start(pod, { command: ["sh", "-c", "sleep 0.3; exit 9"] });
    const { pid } = JSON.parse(
      (await served.runtime.containerStatus({ containerId: steady, verbose: true })).info["info"]!,
    ).phase.process as { pid: number };
    const { network } = (await served.runtime.podSandboxStatus({ podSandboxId: pod })).status!;
    await kill("SIGKILL");
    expect(process.kill(pid, 0)).toBe(true);
    await launch();
    expect(await pods.exited(brief)).toMatchObject({ exitCode: 9, reason: "Error" });
    expect(process.kill(pid, 0)).toBe(true);
    expect(await pods.shell(steady, "echo alive")).toBe("alive");
    const again = (await served.runtime.podSandboxStatus({ podSandboxId: pod })).status!;
    expect(again.network).toEqual(network);
    await served.runtime.stopContainer({ containerId: steady, timeout: 0 });
    expect(await pods.exited(steady)).toMatchObject({ exitCode: 137 });
  });

  test("a kill in the middle of starting pods leaves nothing that cannot be removed", async () => {
    const starts = Array.from({ length: 6 }, async () => {
      const pod = await pods.run();
      await pods.start(pod);
    }).map((start) => start.catch((error: unknown) => error));
    const some = async () => (await served.runtime.listPodSandbox({})).items.length >= 3;
    await waitFor("some pods", some, { interval_ms: 5 });
    await kill("SIGKILL");
    await Promise.all(starts);
    await launch();
    await pods.removeAll();
    expect((await served.runtime.listPodSandbox({})).items).toEqual([]);
    expect((await served.runtime.listContainers({})).containers).toEqual([]);
    // Another pod gets an address: none was lost.
    const pod = await pods.run();
    const { status } = await served.runtime.podSandboxStatus({ podSandboxId: pod });
    expect(status!.network!.ip).toMatch(/^10\.89\.0\./);
  });
});
