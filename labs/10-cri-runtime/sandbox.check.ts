import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { isNetns } from "@raft2kube/linux/namespace/netns.ts";
import { type PodSandboxConfig, PodSandboxState } from "@raft2kube/proto/gen/cri.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { identify, isAlive } from "@raft2kube/runtime/process-identity.ts";
import { RecordTable } from "@raft2kube/runtime/record-table.ts";
import type { SandboxRecord } from "@raft2kube/runtime/sandbox/record.ts";
import { sandboxState } from "@raft2kube/runtime/sandbox/status.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { mustEqual, mustFail, mustPass } from "../must.ts";
import { mustRefuse } from "../rpc-calls.ts";
import { eventually, type Machine, withMachine } from "./machine.ts";

check("warm-up: a sandbox is ready while its first process runs", async () => {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  const pause = identify(child.pid!)!;
  const base = {
    id: "s",
    config: {} as PodSandboxConfig,
    runtimeHandler: "",
    createdAt_ms: 0,
    ips: [],
    cgroup: "",
    state: "ready",
  } satisfies SandboxRecord;
  const expectState = (when: string, record: SandboxRecord, isReady: boolean) => {
    const happened = sandboxState(record);
    judge((happened === PodSandboxState.SANDBOX_READY) === isReady, {
      when,
      expected: isReady ? "SANDBOX_READY" : "SANDBOX_NOTREADY",
      happened: isReady ? "SANDBOX_NOTREADY" : "SANDBOX_READY",
      why: "the kubelet replaces a sandbox that is not ready, and starts containers in one that is",
    });
  };
  try {
    expectState("the record is ready, the process runs", { ...base, pause }, true);
    const stopped: SandboxRecord = { ...base, pause, state: "notready" };
    expectState("the record is notready, the process runs", stopped, false);
    expectState("the record is ready and has no process", base, false);
    const former = { ...pause, startTicks: "1" };
    expectState("another process has its pid now", { ...base, pause: former }, false);
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  expectState("the record is ready, the process was killed", { ...base, pause }, false);
});

const stateOf = async ({ runtime }: Machine, podSandboxId: string) => {
  const { status } = await runtime.podSandboxStatus({ podSandboxId });
  const isReady = status!.state === PodSandboxState.SANDBOX_READY;
  return `${isReady ? "READY" : "NOTREADY"} ${status!.network?.ip ?? ""}`;
};

function stateOnDisk({ paths }: Machine, id: string): string {
  const { record } = paths.sandbox(id);
  if (!existsSync(record)) return "there is no sandbox.json";
  return (JSON.parse(readFileSync(record, "utf8")) as { state: SandboxRecord }).state.state;
}

check("RunPodSandbox: the record is on disk before anything is made", () =>
  withMachine(async (machine) => {
    let atAdd = "";
    machine.network.during = ({ command, containerId }) => {
      if (command === "ADD") atAdd = stateOnDisk(machine, containerId);
    };
    const id = await machine.sandbox();
    judge(atAdd === "notready", {
      when: "the record on disk at the moment of CNI's ADD",
      expected: "notready",
      happened: atAdd,
      why: "killed now, the runtime leaves a namespace and an address of which nothing knows",
    });
    const ready = `READY ${machine.network.addresses.get(id)}`;
    const why = "the answer means that containers can be created in it, and which address it has";
    const when = "PodSandboxStatus after the answer";
    mustEqual(await stateOf(machine, id), ready, { when, why });
    await machine.stop();
    await machine.start();
    mustEqual(await stateOf(machine, id), ready, {
      when: "PodSandboxStatus after a restart of the runtime",
      why: "a sandbox that is not ready is replaced, with all its containers",
    });
  }),
);

/** Holds the first record of a pod that is put while it is there, until `goOn`. */
class SlowDisk implements Disposable {
  readonly #put = RecordTable.prototype.put;
  readonly #asked = Promise.withResolvers<void>();
  readonly #goesOn = Promise.withResolvers<void>();
  /** Resolves when a record is held. */
  readonly asked = this.#asked.promise;
  readonly goOn = () => this.#goesOn.resolve();

  constructor(pod: string) {
    const [put, asked, goesOn] = [this.#put, this.#asked, this.#goesOn];
    let isFirst = true;
    RecordTable.prototype.put = async function (record: Partial<SandboxRecord> & { id: string }) {
      if (isFirst && record.config?.metadata?.name === pod) {
        isFirst = false;
        asked.resolve();
        await goesOn.promise;
      }
      await put.call(this, record);
    };
  }

  [Symbol.dispose](): void {
    this.goOn();
    RecordTable.prototype.put = this.#put;
  }
}

/** Runs a sandbox twice: the second call is received while the first writes its record. */
async function twiceAtOnce(machine: Machine, name: ReturnType<Machine["name"]>) {
  using disk = new SlowDisk(name.name);
  const first = machine.sandbox(name);
  await Promise.race([disk.asked, first.catch(() => undefined)]);
  const both = Promise.allSettled([first, machine.sandbox(name)]);
  // On the same connection: it is answered after the second call was received.
  await machine.runtime.listPodSandbox({});
  disk.goOn();
  return both;
}

check("RunPodSandbox: one name, one sandbox", () =>
  withMachine(async (machine) => {
    const name = machine.name();
    await machine.sandbox(name);
    const why = "the kubelet counts attempts: two sandboxes of one are two pods with one identity";
    const again = "RunPodSandbox, again with the same name, namespace, uid and attempt";
    await mustRefuse(machine.sandbox(name), Status.ALREADY_EXISTS, { when: again, why });
    await mustPass(machine.sandbox({ ...name, attempt: 1 }), {
      when: "RunPodSandbox with the next attempt",
      expected: "a sandbox",
      why: "that is how a kubelet replaces a dead one",
    });
    const both = await twiceAtOnce(machine, machine.name());
    const refused = both.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    const codes = refused.map(({ code, message }: RpcError) => code ?? message);
    mustEqual(codes, ["ALREADY_EXISTS"], {
      when: "RunPodSandbox twice at once with one name: the refusals",
      why: "the kubelet repeats a call that takes long, while the first is still at work",
    });
  }),
);

check("RunPodSandbox: a failure takes down what was made", () =>
  withMachine(async (machine) => {
    const name = machine.name();
    const nothingLeft = (when: string) => {
      const left = machine.ids().flatMap((id) => machine.remains(id));
      judge(left.length === 0 && machine.network.addresses.size === 0, {
        when: `${when}; what is left on the machine`,
        expected: "nothing",
        happened: left.join(", ") || "an address that is not given back",
        why: "the kubelet tries again every few seconds: addresses and namespaces run out",
      });
    };
    machine.network.refuse.add("ADD");
    const first = "CNI's ADD fails";
    const why = "the kubelet shows the reason in the pod's events";
    const said = await mustRefuse(machine.sandbox(name), Status.UNAVAILABLE, { when: first, why });
    judge(said.includes("ADD fails here"), {
      when: first,
      expected: "the plugin's own words in the message",
      happened: said,
      why,
    });
    nothingLeft(first);
    machine.network.refuse.clear();
    await machine.refuse("run");
    const second = "the pause process cannot be started, and the network was attached";
    await mustRefuse(machine.sandbox(name), Status.INTERNAL, { when: second, why });
    nothingLeft(second);
    await machine.refuse("run", false);
    await mustPass(machine.sandbox(name), {
      when: "RunPodSandbox with the same name, after it has failed",
      expected: "a sandbox",
      why: "the kubelet repeats the attempt that failed",
    });
  }),
);

check("StopPodSandbox: containers end, then the network, then its namespace", () =>
  withMachine(async (machine) => {
    const id = await machine.sandbox();
    const container = await machine.container(id, "sleep 7777");
    const [main, pause] = [await machine.processOf(container), await machine.processOf(id)];
    const atDel: string[] = [];
    machine.network.during = ({ command, netns }) => {
      if (command !== "DEL") return;
      atDel.push(isAlive(main) ? "the container runs" : "the container has ended");
      atDel.push(netns !== "" && isNetns(netns) ? "the namespace is there" : "no namespace");
    };
    await machine.runtime.stopPodSandbox({ podSandboxId: id });
    mustEqual(atDel, ["the container has ended", "the namespace is there"], {
      when: "at CNI's DEL",
      why:
        "plugins clean up inside the namespace, and a program that runs on uses an address that " +
        "another pod gets",
    });
    const after = [
      await stateOf(machine, id).then((text) => text.split(" ")[0]),
      await machine.state(container),
      (await eventually(() => !isAlive(pause))) ? "pause has ended" : "pause runs",
      ...machine.remains(id).filter((what) => what !== "record" && what !== "files"),
    ];
    mustEqual(after, ["NOTREADY", "EXITED 137 Error", "pause has ended"], {
      when: "after StopPodSandbox: sandbox, container, pause process, what is left besides records",
      why: "a stopped sandbox holds nothing of the machine: it may stay listed for days",
    });
    for (const podSandboxId of [id, id, "never"]) {
      await mustPass(machine.runtime.stopPodSandbox({ podSandboxId }), {
        when: `StopPodSandbox of ${podSandboxId === id ? "one that is stopped" : "an unknown id"}`,
        expected: "success",
        why: "api.proto: the call is idempotent; a kubelet repeats it until it succeeds",
      });
    }
  }),
);

check("StopPodSandbox: a step that fails is reported, and the next call goes on", () =>
  withMachine(async (machine) => {
    const id = await machine.sandbox();
    machine.network.refuse.add("DEL");
    await mustFail(machine.runtime.stopPodSandbox({ podSandboxId: id }), RpcError, {
      when: "StopPodSandbox while CNI's DEL fails",
      expected: "an error",
      why: "after success the kubelet forgets the sandbox: its address would be lost",
    });
    machine.network.refuse.clear();
    await mustPass(machine.runtime.stopPodSandbox({ podSandboxId: id }), {
      when: "StopPodSandbox again",
      expected: "success",
      why: "each step may have been done before",
    });
    const left = machine.remains(id).filter((what) => what !== "record" && what !== "files");
    mustEqual(left, [], {
      when: "what is left besides the record, after the second call",
      why: "a namespace that stays pinned is never ended by the kernel",
    });
  }),
);

check("RemovePodSandbox: one that runs, again, and an unknown one", () =>
  withMachine(async (machine) => {
    const id = await machine.sandbox();
    const container = await machine.container(id, "sleep 7777");
    await machine.runtime.removePodSandbox({ podSandboxId: id });
    const left = { sandbox: machine.remains(id), container: machine.remains(container) };
    mustEqual(
      left,
      { sandbox: [], container: [] },
      {
        when: "RemovePodSandbox of a sandbox with a running container; what is left",
        why: "api.proto: containers that still run end by force, and go with their sandbox",
      },
    );
    for (const podSandboxId of [id, "never", "../sandboxes"]) {
      await mustPass(machine.runtime.removePodSandbox({ podSandboxId }), {
        when: `RemovePodSandbox of ${podSandboxId === id ? "one that is removed" : podSandboxId}`,
        expected: "success",
        why: "the kubelet repeats it when an answer is lost, and gives up never",
      });
    }
    await mustRefuse(machine.runtime.podSandboxStatus({ podSandboxId: id }), Status.NOT_FOUND, {
      when: "PodSandboxStatus of one that is removed",
      why: "the kubelet waits for this before it deletes the pod's folders",
    });
  }),
);

check("RemovePodSandbox: one whose stop fails is kept", () =>
  withMachine(async (machine) => {
    const id = await machine.sandbox();
    machine.network.refuse.add("DEL");
    await mustFail(machine.runtime.removePodSandbox({ podSandboxId: id }), RpcError, {
      when: "RemovePodSandbox while CNI's DEL fails",
      expected: "an error",
      why: "the record has what DEL needs: without it the address is never given back",
    });
    machine.network.refuse.clear();
    await machine.runtime.removePodSandbox({ podSandboxId: id });
    mustEqual(machine.network.addresses.has(id), false, {
      when: "RemovePodSandbox again, with DEL at work; is the address in use?",
      why: "the second call must find the sandbox as the first left it",
    });
  }),
);
