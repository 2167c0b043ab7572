import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createNetns } from "@raft2kube/linux/namespace/netns.ts";
import { PodSandboxConfig } from "@raft2kube/proto/gen/cri.ts";
import { CONTAINER_STATE, type ContainerRecord } from "@raft2kube/runtime/container/record.ts";
import { prepareCgroups } from "@raft2kube/runtime/oci/hidden-cgroups.ts";
import { SANDBOX_STATE, type SandboxRecord } from "@raft2kube/runtime/sandbox/record.ts";
import { readState, writeState } from "@raft2kube/runtime/state-file.ts";
import { check } from "../check.ts";
import { mustEqual } from "../must.ts";
import { eventually, type Machine, withMachine } from "./machine.ts";

const WAITS = "until [ -e /go ]; do sleep 0.05; done; exit 5";

/** Ends the runtime as if it had been killed in the middle of this container's start. */
async function killedWhileStarting(machine: Machine, id: string): Promise<void> {
  await machine.stop();
  const { record } = machine.paths.container(id);
  const found = readState<ContainerRecord>(record, CONTAINER_STATE);
  await writeState(record, CONTAINER_STATE, { ...found!, phase: { state: "starting" } });
}

const killed = "the runtime is killed in StartContainer, and started again";

check("restart: containers go on, and ends meanwhile are found", () =>
  withMachine(async (machine) => {
    const pod = await machine.sandbox();
    const steady = await machine.container(pod, "sleep 7777");
    const metadata = { name: "short", attempt: 0 };
    const short = await machine.container(pod, WAITS, { metadata });
    const before = await machine.processOf(steady);
    await machine.stop();
    machine.write(short, "go");
    await eventually(() => existsSync(machine.paths.container(short).exitFile));
    await machine.start();
    const after = { state: await machine.state(steady), process: await machine.processOf(steady) };
    mustEqual(
      after,
      { state: "RUNNING", process: before },
      {
        when: "a container after a restart of the runtime",
        why: "an update of the runtime must not end the pods of a node",
      },
    );
    mustEqual(await machine.ended(short), "EXITED 5 Error", {
      when: "a container that ended with 5 while no runtime ran",
      why: "conmon has written its exit code; a Job's pod has failed, or has not",
    });
  }),
);

check("restart in StartContainer: a container that runs is RUNNING", () =>
  withMachine(async (machine) => {
    const id = await machine.container(await machine.sandbox(), WAITS);
    await killedWhileStarting(machine, id);
    await machine.start();
    mustEqual(await machine.state(id), "RUNNING", {
      when: `${killed}; the program runs`,
      why: "counted as ended it runs beside the one that replaces it",
    });
    machine.write(id, "go");
    mustEqual(await machine.ended(id), "EXITED 5 Error", {
      when: `${killed}; then the program ends with 5`,
      why: "an end that is not noticed is a pod that runs for ever",
    });
  }),
);

check("restart in StartContainer: one that has ended has its own exit code", () =>
  withMachine(async (machine) => {
    const id = await machine.container(await machine.sandbox(), "exit 6");
    await machine.ended(id);
    await killedWhileStarting(machine, id);
    await machine.start();
    mustEqual(await machine.ended(id), "EXITED 6 Error", {
      when: `${killed}; conmon has written the exit code 6`,
      why: "a short program that succeeded would run a second time, or count as failed",
    });
  }),
);

check("restart in StartContainer: one that was not started is lost", () =>
  withMachine(async (machine) => {
    const pod = await machine.sandbox();
    const id = await machine.create(pod, "sleep 7777");
    await killedWhileStarting(machine, id);
    await machine.start();
    const lost = {
      expected: "EXITED 255 Unknown",
      why: "the kubelet creates another: this one's program never ran",
    };
    const none = `${killed}; crun knows no such container`;
    mustEqual(await machine.state(id), lost.expected, { when: none, why: lost.why });
    const metadata = { name: "other", attempt: 0 };
    const other = await machine.create(pod, "sleep 7777", { metadata });
    await killedWhileStarting(machine, other);
    crunCreate(machine, other);
    await machine.start();
    const created = `${killed}; crun has created it and not started it`;
    mustEqual(await machine.state(other), lost.expected, { when: created, why: lost.why });
    mustEqual(machine.remains(other).includes("OCI state"), false, {
      when: `${created}; has crun something of it?`,
      why: "its process waits for ever, with the pod's mounts",
    });
  }),
);

/** Creates a container with crun, the first half of conmon's work. */
function crunCreate({ paths, dir }: Machine, id: string): void {
  const { run, pidFile } = paths.container(id);
  // The container keeps the output's descriptors: a pipe would never end.
  const log = join(dir, "crun-create.log");
  const words = ["--cgroup-manager=disabled", "--log", log, "--root", paths.oci, "create"];
  // crun refuses a hybrid machine's controllers, which only a runtime that serves hides.
  using _ = prepareCgroups("none", paths.cgroupV1);
  const { status, error } = spawnSync(
    "crun",
    [...words, "--bundle", run, "--pid-file", pidFile, id],
    { stdio: "ignore" },
  );
  if (status !== 0) throw error ?? new Error(`crun create: ${readFileSync(log, "utf8")}`);
}

/** A pod's description, as the runtime gets it from the wire. */
function configOf(machine: Machine): PodSandboxConfig {
  return PodSandboxConfig.decode(PodSandboxConfig.encode({ metadata: machine.name() }));
}

check("restart in RunPodSandbox: a sandbox that is half made can be removed", () =>
  withMachine(async (machine) => {
    const id = randomBytes(32).toString("hex");
    const { data, record: file, netns } = machine.paths.sandbox(id);
    const record: SandboxRecord = {
      id,
      config: configOf(machine),
      runtimeHandler: "",
      createdAt_ms: Date.now(),
      state: "notready",
      netns,
      ips: [],
      cgroup: `/lab/${id}`,
    };
    mkdirSync(data, { recursive: true });
    await writeState(file, SANDBOX_STATE, record);
    createNetns(netns);
    await machine.start();
    const { items } = await machine.runtime.listPodSandbox({});
    mustEqual(
      items.map((item) => item.state),
      [1],
      {
        when: "a runtime was killed in RunPodSandbox; the states of ListPodSandbox (1 is NOTREADY)",
        why: "the kubelet removes what it finds and does not need",
      },
    );
    await machine.runtime.removePodSandbox({ podSandboxId: id });
    const isDetached = machine.network.calls.some(({ command }) => command === "DEL");
    mustEqual(
      { left: machine.remains(id), isDetached },
      { left: [], isDetached: true },
      {
        when: "RemovePodSandbox of it: what is left, and whether CNI's DEL was called",
        why: "the address may have been given before the crash: only DEL can tell",
      },
    );
  }, false),
);
