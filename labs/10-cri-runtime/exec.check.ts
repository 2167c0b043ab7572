import { readdirSync } from "node:fs";
import { Status } from "@raft2kube/rpc/error.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { mustEqual } from "../must.ts";
import { mustRefuse } from "../rpc-calls.ts";
import { EXEC_OUTPUT_BYTES, type Machine, withMachine } from "./machine.ts";

/** Bytes of its own that a call has besides its part of the shared budget, at most. */
const OWN_BYTES_MAX = 64 << 10;
/** Output that exceeds the bound of all calls together. */
const FLOOD_BYTES = 2 * EXEC_OUTPUT_BYTES;
const FLOODS = 3;
/** A timeout that no command here comes to, also on a machine that stalls. */
const AMPLE_S = 60;

/** Runs a check with a function that runs a shell script in a container of the reader's runtime. */
function withExec(
  body: (
    exec: (script: string, timeout?: number) => ReturnType<Machine["runtime"]["execSync"]>,
    machine: Machine,
    containerId: string,
  ) => Promise<void>,
): Promise<void> {
  return withMachine(async (machine) => {
    const containerId = await machine.container(await machine.sandbox(), "sleep 6666");
    const exec = (script: string, timeout = 0) =>
      machine.runtime.execSync({ containerId, cmd: ["sh", "-c", script], timeout });
    await body(exec, machine, containerId);
  });
}

check("ExecSync: both outputs and the exit code", () =>
  withExec(async (exec, machine) => {
    const { stdout, stderr, exitCode } = await exec("echo out; echo err >&2; exit 42", AMPLE_S);
    mustEqual([String(stdout), String(stderr), exitCode], ["out\n", "err\n", 42], {
      when: "echo out; echo err >&2; exit 42",
      why: "a probe passes with 0 alone; its output is shown in the pod's events",
    });
    const created = await machine.create(await machine.sandbox(), "sleep 6666");
    const early = machine.runtime.execSync({ containerId: created, cmd: ["true"], timeout: 1 });
    await mustRefuse(early, Status.FAILED_PRECONDITION, {
      when: "ExecSync in a container that is created",
      why: "it has no process whose namespaces could be joined",
    });
  }),
);

check("ExecSync: at its timeout the command is killed", () =>
  withExec(async (exec, machine, id) => {
    const when = "sleep 7777 with a timeout of 1 s";
    await mustRefuse(exec("exec sleep 7777", 1), Status.DEADLINE_EXCEEDED, {
      when,
      why: "the kubelet counts a probe that hangs as failed; an exit code would be the program's",
    });
    judge(!machine.runs("7777"), {
      when: `${when}: the command after the answer`,
      expected: "it was killed",
      happened: "it runs",
      why: "a probe comes every ten seconds: such processes fill the container",
    });
    const files = readdirSync(machine.paths.container(id).run);
    mustEqual(
      files.filter((name) => name.startsWith("exec-")),
      [],
      {
        when: `${when}: files of the exec in the container's folder`,
        why: "each probe would leave three",
      },
    );
  }),
);

check("ExecSync: the output is bounded, and its budget given back", () =>
  withExec(async (exec) => {
    for (let call = 1; call <= FLOODS; call++) {
      const { stdout } = await exec(`head -c ${FLOOD_BYTES} /dev/zero`, AMPLE_S);
      const own_bytes = stdout.length - EXEC_OUTPUT_BYTES;
      judge(own_bytes >= 0 && own_bytes <= OWN_BYTES_MAX, {
        when:
          `call ${call} of ${FLOODS}, one after the other, each with ${FLOOD_BYTES} bytes of ` +
          `output; the runtime holds ${EXEC_OUTPUT_BYTES} for all calls together`,
        expected:
          `between ${EXEC_OUTPUT_BYTES} and ${EXEC_OUTPUT_BYTES + OWN_BYTES_MAX} bytes are kept, ` +
          "the rest dropped",
        happened: `${stdout.length} bytes`,
        why: "output that is kept without bound ends the runtime, with all pods of the node",
      });
    }
  }),
);

check("ExecSync: late output is waited for, but not for ever", () =>
  withExec(async (exec) => {
    const late = await exec("(sleep 0.4; echo late) & exit 0", AMPLE_S);
    mustEqual([String(late.stdout), late.exitCode], ["late\n", 0], {
      when: "the command ends; its child writes 0.4 s later",
      why: "the pipe may hold output after the process has ended",
    });
    const { stdout } = await exec("sleep 8888 & echo done", AMPLE_S);
    mustEqual(String(stdout), "done\n", {
      when: "the command ends; its child holds the output open for hours",
      why: "a probe that starts a daemon would never be answered",
    });
  }),
);
