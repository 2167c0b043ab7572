import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Signal } from "@raft2kube/proto/gen/cri.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import type { ContainerRecord } from "@raft2kube/runtime/container/record.ts";
import { check } from "../check.ts";
import { clauses, number, optional, text } from "../clauses.ts";
import { judge } from "../judge.ts";
import { mustEqual, mustPass } from "../must.ts";
import { mustRefuse } from "../rpc-calls.ts";
import { type Machine, withMachine } from "./machine.ts";

check("CreateContainer: CREATED, and nothing runs", () =>
  withMachine(async (machine) => {
    const id = await machine.create(await machine.sandbox(), "sleep 5555");
    const why = "the kubelet still has work between create and start: devices, limits, hooks";
    mustEqual(await machine.state(id), "CREATED", { when: "ContainerStatus after create", why });
    const happened = { runs: machine.runs("5555"), bundle: existsSync(configOf(machine, id)) };
    mustEqual(
      happened,
      { runs: false, bundle: true },
      {
        when: "a created container: does its program run; is there a bundle for the OCI runtime",
        why,
      },
    );
  }),
);

const configOf = (machine: Machine, id: string) => machine.paths.container(id).config;

check("CreateContainer: one name, one container; a failure leaves nothing", () =>
  withMachine(async (machine) => {
    const pod = await machine.sandbox();
    const first = await machine.create(pod, "sleep 7777");
    await mustRefuse(machine.create(pod, "sleep 7777"), Status.ALREADY_EXISTS, {
      when: "CreateContainer, again with the same name and attempt in one sandbox",
      why: "after a lost answer the kubelet would have two copies of one program",
    });
    const metadata = { name: "other", attempt: 0 };
    const outside = machine.create(pod, "sleep 7777", { metadata, logPath: "../../main.log" });
    await mustRefuse(outside, Status.INVALID_ARGUMENT, {
      when: "CreateContainer with a log path outside of the pod's folder, found after the mounts",
      why: "the failure must be the caller's to see, whatever has to be undone",
    });
    const left = machine.ids().filter((id) => id !== pod && id !== first);
    mustEqual(
      left.flatMap((id) => machine.remains(id)),
      [],
      {
        when: "what is left of the container that was refused",
        why: "the kubelet tries again with back-off: mounts and layers would pile up",
      },
    );
    await machine.runtime.stopPodSandbox({ podSandboxId: pod });
    const late = machine.create(pod, "sleep 7777", { metadata });
    await mustRefuse(late, Status.FAILED_PRECONDITION, {
      when: "CreateContainer in a stopped sandbox",
      why: "it has no namespaces to join",
    });
  }),
);

/** The state in the copy of the record that was made as conmon called `crun create`. */
function stateAtCreate(machine: Machine): string {
  const file = join(machine.dir, "at-create");
  if (!existsSync(file)) return "no record";
  return (JSON.parse(readFileSync(file, "utf8")) as { state: ContainerRecord }).state.phase.state;
}

check("StartContainer: CREATED, RUNNING, EXITED, each once", () =>
  withMachine(async (machine) => {
    const pod = await machine.sandbox();
    const id = await machine.create(pod, "until [ -e /go ]; do sleep 0.05; done; exit 3");
    await machine.runtime.startContainer({ containerId: id });
    mustEqual(stateAtCreate(machine), "starting", {
      when: "the record on disk as conmon calls `crun create`",
      why:
        "killed now, a runtime that finds `created` says CREATED of a program that runs: the " +
        "kubelet creates the next attempt beside it",
    });
    mustEqual(await machine.state(id), "RUNNING", {
      when: "ContainerStatus after StartContainer",
      why: "the answer means that the process runs: probes begin",
    });
    const again = { why: "a container runs once; the kubelet creates another for each restart" };
    await mustRefuse(
      machine.runtime.startContainer({ containerId: id }),
      Status.FAILED_PRECONDITION,
      { when: "StartContainer of one that runs", ...again },
    );
    machine.write(id, "go");
    mustEqual(await machine.ended(id), "EXITED 3 Error", {
      when: "the program ends with 3",
      why: "the restart policy decides by the exit code",
    });
    await mustRefuse(
      machine.runtime.startContainer({ containerId: id }),
      Status.FAILED_PRECONDITION,
      { when: "StartContainer of one that has ended", ...again },
    );
    await mustRefuse(machine.runtime.startContainer({ containerId: "never" }), Status.NOT_FOUND, {
      when: "StartContainer of an unknown one",
      why: "the kubelet looks at the pod again, and creates it",
    });
  }),
);

check("StartContainer: a program that is not there: EXITED, StartError, and an error", () =>
  withMachine(async (machine) => {
    const command = ["/no/such/program"];
    const id = await machine.create(await machine.sandbox(), "", { command });
    const when = "StartContainer with a command that the image lacks";
    const said = await mustRefuse(
      machine.runtime.startContainer({ containerId: id }),
      Status.INTERNAL,
      { when, why: "success would mean that it runs" },
    );
    judge(said.includes(command[0]!), {
      when,
      expected: `the OCI runtime's own words in the message: they name ${command[0]}`,
      happened: said,
      why: "kubectl describe shows them: they are all that the user has",
    });
    mustEqual(await machine.state(id), "EXITED 128 StartError", {
      when: `${when}; ContainerStatus`,
      why: "one that stays CREATED is neither restarted nor counted as failed",
    });
    mustEqual(machine.remains(id).includes("OCI state"), false, {
      when: `${when}; has crun something of it?`,
      why: "the attempt is over: nothing else would delete it",
    });
  }),
);

const { stops } = clauses(import.meta, {
  stops: {
    name: text,
    signal: text,
    action: text,
    stopSignal: optional((name) => Signal[text(name) as keyof typeof Signal]),
    grace_s: number,
    ended: text,
    why: text,
  },
});

for (const { name, signal, action, stopSignal, grace_s: timeout, ended, why } of stops) {
  const script = `trap '${action}' ${signal}; echo ready; while :; do sleep 0.05; done`;
  check(`StopContainer: the signal, the grace, then SIGKILL (${name})`, () =>
    withMachine(async (machine) => {
      const metadata = { name, attempt: 0 };
      const pod = await machine.sandbox();
      const config = { metadata, ...(stopSignal === undefined ? {} : { stopSignal }) };
      const id = await machine.container(pod, script, config);
      await machine.log(id, "ready");
      await machine.runtime.stopContainer({ containerId: id, timeout });
      const when = `\`${script}\` is stopped with a grace of ${timeout} s`;
      mustEqual(await machine.state(id), ended, { when, why });
      if (name !== "deaf") return;
      mustEqual((await machine.log(id, "heard")).includes("heard"), true, {
        when: `${when}; did it get its signal first?`,
        why: "SIGKILL alone loses what it had to save",
      });
    }),
  );
}

check("StopContainer: success for one that does not run", () =>
  withMachine(async (machine) => {
    const pod = await machine.sandbox();
    const created = await machine.create(pod, "sleep 7777");
    const config = { metadata: { name: "short", attempt: 0 } };
    const exited = await machine.container(pod, "exit 4", config);
    await machine.ended(exited);
    for (const containerId of [created, exited, exited, "never"]) {
      await mustPass(machine.runtime.stopContainer({ containerId, timeout: 1 }), {
        when: `StopContainer of one that is ${
          containerId === created ? "created" : containerId === exited ? "exited" : "unknown"
        }`,
        expected: "success",
        why: "api.proto: the call is idempotent; the kubelet repeats it",
      });
    }
    const states = [await machine.state(created), await machine.state(exited)];
    mustEqual(states, ["CREATED", "EXITED 4 Error"], {
      when: "a created and an exited container after StopContainer",
      why: "its exit code is the program's own",
    });
  }),
);

check("StopContainer: one that is being started has ended with the answer", () =>
  withMachine(async (machine) => {
    const containerId = await machine.create(await machine.sandbox(), "sleep 7777");
    const { runtime } = machine;
    const starting = runtime.startContainer({ containerId });
    await Promise.all([starting, runtime.stopContainer({ containerId, timeout: 0 })]);
    mustEqual(await machine.state(containerId), "EXITED 137 Error", {
      when: "StartContainer, and StopContainer before it is answered",
      why: "the kubelet reports the pod as ended, and its program would run on",
    });
  }),
);
